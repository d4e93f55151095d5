import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { INTERVAL_OPTIONS } from '../../../lib/plugin/interval-input.ts'

export const OPTIONS = defineOptions({
  command: {
    type: 'string',
    required: true,
    check: (text: unknown) =>
      typeof text === 'string' && text.trim() === ''
        ? { must: 'a command', reason: 'it is empty', hint: 'it is run as `/bin/sh -c COMMAND`' }
        : undefined,
    help: 'Command that is run by /bin/sh. Each line of its standard output is a record.',
  },
  parser: {
    type: 'string',
    help: 'Name of the parser for the lines. A line that it does not match is kept unchanged under `exec`.',
  },
  interval_sec: { ...INTERVAL_OPTIONS.interval_sec, help: 'Seconds between the starts of two runs.' },
  interval_nsec: INTERVAL_OPTIONS.interval_nsec,
  buf_size: {
    type: 'size',
    default: '4096',
    min: 2,
    max: 16_000_000,
    help: 'Size of the buffer for a line, one byte more than its maximum length: longer lines are split into several records.',
  },
  oneshot: { type: 'bool', default: 'false', help: 'Run the command once, at the start.' },
  exit_after_oneshot: {
    type: 'bool',
    default: 'false',
    help: 'End the agent when the command has ended and its output is acknowledged. Implies Oneshot.',
  },
  propagate_exit_code: {
    type: 'bool',
    default: 'false',
    help: 'Exit with the status of the command, as a shell does: 128 and the number of the signal that ended it. Requires Exit_After_Oneshot.',
  },
  time_limit: {
    type: 'time',
    default: '0',
    help: 'Time after which the command and the processes of its group are ended; 0: none, as in fluent-bit. What it has started with `setsid` goes on. Time in which it waits because the agent has no memory for its output does not count.',
  },
})

export type ExecOptions = OptionsOf<typeof OPTIONS>
