import { FILTER_DEAD_LETTERS } from '../../core/options/dead-letters.ts'
import { defineOptions } from '../../core/options/option.ts'

/** Options of filters that run code or patterns of the user's, which may fail on a record. */
export const ON_ERROR_OPTIONS = defineOptions({
  on_error: {
    type: 'enum',
    values: ['dead_letter', 'pass', 'drop'],
    default: 'dead_letter',
    help: 'What becomes of a record on which the filter fails. `dead_letter`: it is kept in Dead_Letter_File as it was. `pass`: it goes on unchanged. `drop`: it is discarded. Each is counted, and the first is logged.',
  },
  ...FILTER_DEAD_LETTERS,
})
