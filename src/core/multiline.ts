import { defineOptions, type OptionsOf } from './options/option.ts'

/** Options of a [MULTILINE_PARSER] section, without its Name. */
export const MULTILINE_OPTIONS = defineOptions({
  type: {
    type: 'enum',
    values: ['regex', 'endswith', 'equal', 'eq'],
    required: true,
    help: 'regex: join by the rules. endswith, equal: join lines up to and including the one whose text ends with, or equals, Match_String.',
  },
  match_string: { type: 'string', help: 'Text to match, for endswith and equal.' },
  negate: {
    type: 'bool',
    default: 'false',
    help: 'With the types endswith and equal: join up to the first line that does not match.',
  },
  flush_timeout: {
    type: 'int',
    default: '4000',
    help: 'Milliseconds after which an incomplete record that has not grown is sent as it is. 0 or a negative number means the default.',
  },
  key_content: {
    type: 'string',
    help: 'Key of the text to join, in the output of Parser. Default: Key of the input. If it is set and the type is endswith or equal, the input tail joins the texts without line feeds, as parts of a split text.',
  },
  key_group: {
    type: 'string',
    help: 'Only join lines that have the same value under this key, e.g. `stream`.',
  },
  key_pattern: { type: 'string', help: 'Key of the text to match. Default: Key_Content.' },
  parser: {
    type: 'string',
    help: 'Parser to apply to each line first; a line that it cannot parse is a record of its own.',
  },
  regex_step_limit: {
    type: 'int',
    min: 1,
    help: 'Maximum number of steps per byte of the line that a rule may take. Default: that of the plugin, or Regex_Step_Limit in [SERVICE].',
  },
  rule: {
    type: 'string',
    expression: 'rule',
    repeat: true,
    help: '`"from[, from]" "/regex/" "to"`: in the state `from`, a line that matches the expression is joined and changes the state to `to`. Words without blanks need no quotes; within quotes, `\\"` is a quote. The expression may end with `/i` (ignore case), `/m` (`.` matches a line feed) or `/x` (ignore blanks and comments). A rule from `start_state` starts a record, whatever other states it names. A record ends with a line whose rule has no `to`, or leads to `start_state`, to a state that shares a rule with it, or to a state without rules.',
  },
})

export type MultilineOptions = OptionsOf<typeof MULTILINE_OPTIONS>

/** A [MULTILINE_PARSER] section in the plan. */
export interface MultilinePlan {
  name: string
  options: MultilineOptions
}
