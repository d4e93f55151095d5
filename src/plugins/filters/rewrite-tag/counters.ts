import { regexCounter } from '../../../lib/regex/counters.ts'

export const COUNTERS = {
  rewritten: 'records sent on under a new tag',
  not_rewritten: {
    help: 'records that a rule matched and that kept their tag',
    reasons: {
      missing: 'a field, group or part of the tag that the new tag names is missing',
      unusable: 'the new tag is empty, longer than 1024 bytes, not UTF-8 or has control characters',
      repeated: 'the filter had given the record another tag before, so that it went in a circle',
      copies: '100 records were sent on under a new tag for each record of the chunk that it comes from',
      too_many: '8 filters had given the record another tag before',
    },
  },
  unmatched_dropped: 'records that no rule matched, dropped because of Unmatched',
  ...regexCounter('rewrite'),
}
