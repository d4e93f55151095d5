import { defineOptions, type OptionsOf } from './options/option.ts'

/** The table of a [MULTILINE_PARSER] section, without its Name. */
export const MULTILINE_OPTIONS = defineOptions({
  type: {
    type: 'enum',
    values: ['regex', 'endswith', 'equal', 'eq'],
    required: true,
    help: 'regex: by the rules. endswith, equal: lines are joined up to and with the one whose text ends with, or is, Match_String.',
  },
  match_string: { type: 'string', help: 'For endswith and equal.' },
  negate: { type: 'bool', default: 'false', help: 'Joined up to a line that does not match.' },
  flush_timeout: {
    type: 'int',
    default: '4000',
    min: 1,
    help: 'Milliseconds: a group that has not grown for so long is sent as it is.',
  },
  key_content: {
    type: 'string',
    help: 'Key of the text that is joined, in what Parser reads. Default: Key of the input.',
  },
  key_group: {
    type: 'string',
    help: 'Lines with different values under this key are joined apart: `stream`.',
  },
  key_pattern: { type: 'string', help: 'Key of the value that is matched. Default: Key_Content.' },
  parser: {
    type: 'string',
    help: 'A parser that reads each line first; a line it does not fit is sent alone.',
  },
  rule: {
    type: 'string',
    repeat: true,
    help: '`"from[, from]" "/regex/" "to"`: in the state `from`, a line that the expression fits is joined and leads to the state `to`. A group begins with a rule from `start_state`.',
  },
})

export type MultilineOptions = OptionsOf<typeof MULTILINE_OPTIONS>

/** A multiline parser as the plan has it. */
export interface MultilinePlan {
  name: string
  options: MultilineOptions
}
