import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { checkExpression } from '../../../lib/regex/string-matcher.ts'

const checkRegex = (text: unknown) => checkExpression(text as string)

/** Names, defaults and meanings are those of fluent-plugin-concat. */
export const CONCAT_OPTIONS = defineOptions({
  key: { type: 'string', required: true, help: 'Key of the text to join. Records without it pass.' },
  separator: {
    type: 'string',
    default: '\\n',
    help: 'Text between two parts; `\\n`, `\\t`, `\\r` and `\\\\` are escapes, `""` and an empty value are no text.',
  },
  n_lines: { type: 'int', min: 1, help: 'Join this many records.' },
  multiline_start_regexp: {
    type: 'string',
    expression: 'regex',
    check: checkRegex,
    help: 'Expression that the first part matches, e.g. `/^start/`.',
  },
  multiline_end_regexp: {
    type: 'string',
    expression: 'regex',
    check: checkRegex,
    help: 'Expression that the last part matches.',
  },
  continuous_line_regexp: {
    type: 'string',
    expression: 'regex',
    check: checkRegex,
    help: 'Expression that the parts between them match; a record that does not ends the joined one and passes.',
  },
  stream_identity_key: {
    type: 'string',
    help: 'Only join records of one tag that have the same value under this key.',
  },
  flush_interval: {
    type: 'time',
    default: '60',
    help: 'Time after which an incomplete record that has not grown is sent as it is; 0: never.',
  },
  timeout_label: {
    type: 'string',
    help: 'Label that gets incomplete records after Flush_Interval. Default: `@ERROR` if the configuration has it, else they continue after the filter.',
  },
  use_first_timestamp: {
    type: 'bool',
    default: 'false',
    help: 'Give the joined record the time of its first part instead of the last.',
  },
  partial_key: { type: 'string', help: 'Key that parts of a split text have. Records without it pass.' },
  partial_value: { type: 'string', help: 'Value of Partial_Key while more parts follow.' },
  keep_partial_key: {
    type: 'bool',
    default: 'false',
    help: 'Keep Partial_Key, or Partial_Cri_Logtag_Key, in joined records.',
  },
  use_partial_metadata: {
    type: 'bool',
    default: 'false',
    help: 'Join the parts that Docker marks with an id. Records without the marks pass.',
  },
  partial_metadata_format: {
    type: 'enum',
    values: ['docker-fluentd', 'docker-journald', 'docker-journald-lowercase'],
    default: 'docker-fluentd',
    help: 'How Docker marks parts: `partial_id` and so on, `CONTAINER_PARTIAL_ID`, or that in lower case.',
  },
  keep_partial_metadata: { type: 'bool', default: 'false', help: 'Keep the marks in joined records.' },
  use_partial_cri_logtag: {
    type: 'bool',
    default: 'false',
    help: 'Join the parts that a container runtime marks with `P`, up to one with `F`.',
  },
  partial_cri_logtag_key: { type: 'string', help: 'Key of the mark, for Use_Partial_Cri_Logtag.' },
  partial_cri_stream_key: {
    type: 'string',
    default: 'stream',
    help: 'Key of the stream; with Use_Partial_Cri_Logtag, streams are joined separately, and the key is removed.',
  },
  buffer_limit_size: {
    type: 'size',
    default: '500K',
    min: 1,
    help: 'Maximum size of a joined text, unless Buffer_Overflow_Method is ignore. Multiline_Buffer_Limit in [SERVICE] holds too.',
  },
  buffer_overflow_method: {
    type: 'enum',
    values: ['ignore', 'truncate', 'drop', 'new'],
    default: 'ignore',
    help: 'ignore: Buffer_Limit_Size has no effect. new: at the limit the joined record is sent, and the rest becomes another one; so for truncate and drop, which drop parts in fluentd.',
  },
})

export type ConcatOptions = OptionsOf<typeof CONCAT_OPTIONS>

const ESCAPE = /\\([ntr\\])/g
const ESCAPED: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\' }

/** Returns the separator that a text of the configuration means. */
export function separatorOf(text: string): Buffer {
  const inner = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  return Buffer.from(inner.replaceAll(ESCAPE, (_, letter: string) => ESCAPED[letter] ?? letter))
}
