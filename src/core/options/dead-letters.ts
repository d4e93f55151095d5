import { defineOptions } from './option.ts'

const LIMIT = {
  type: 'size',
  default: '100M',
  min: 1000,
  help: 'Maximum size of Dead_Letter_File with its rotated parts. When it is reached, records that are given up wait, and nothing is dropped.',
} as const

/** Dead letters of an output. */
export const OUTPUT_DEAD_LETTERS = defineOptions({
  dead_letter_file: {
    type: 'string',
    help: fileHelp(
      'that are given up: rejected by the peer, beyond Retry_Limit, or refused for Dead_Letter_After',
    ),
  },
  dead_letter_limit: LIMIT,
})

/** Dead letters of a filter that can fail on a record. A filter whose table has them has `FilterContext.reject`. */
export const FILTER_DEAD_LETTERS = defineOptions({
  dead_letter_file: {
    type: 'string',
    help: fileHelp('on which the filter fails, with On_Error dead_letter'),
  },
  dead_letter_limit: LIMIT,
})

function fileHelp(which: string): string {
  return `File for records ${which}. JSON lines, read by \`shipper dead-letters\`. \`off\`: such records are dropped, counted and logged. Default: \`dead-letters.NAME.jsonl\` next to the first offset database, without one in the folder of the buffer on disk or in the folder named by SHIPPER_STATE; without any, such records wait.`
}
