export const COUNTERS = {
  dropped: {
    help: 'records that were dropped',
    reasons: { rate: 'there were more than Rate in the intervals of Window' },
  },
  undelayed: 'records that passed without limit with Action delay, as their input cannot wait',
  delays: 'times that a file had to wait with Action delay',
  keys_overflow: 'records whose value of Key shares a limit with others, as there are too many values',
} as const
