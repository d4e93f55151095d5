import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'

/** The first four are fluent-bit's, with its defaults. The others are parameters of fluentd's filter of this name. */
export const PARSER_FILTER_OPTIONS = defineOptions({
  key_name: {
    type: 'string',
    required: true,
    check: checkAccessor,
    help: "Key of the text to parse, or a record accessor: `$kubernetes['log']`.",
  },
  parser: {
    type: 'string',
    repeat: true,
    required: true,
    help: 'Name of a [PARSER]. The first of several that can read the text is used.',
  },
  preserve_key: {
    type: 'bool',
    default: 'false',
    help: 'Keep the field Key_Name in a record that was parsed, even without Reserve_Data. With a record accessor only Reserve_Data counts.',
  },
  reserve_data: {
    type: 'bool',
    default: 'false',
    help: 'Keep the other fields of a record that was parsed. Without it, they are discarded. The field of a record accessor stays with them.',
  },
  reserve_time: {
    type: 'bool',
    default: 'false',
    help: 'Keep the time of the record, even if the parser has read one. Not in fluent-bit.',
  },
  collision: {
    type: 'enum',
    values: ['reserved', 'parsed'],
    default: 'reserved',
    help: 'Which value a field gets that was in the record and in the text: that of the record (`reserved`), or that of the text (`parsed`). Not in fluent-bit.',
  },
  result_key: {
    type: 'string',
    help: 'Put the parsed fields into a map under this key. Not in fluent-bit.',
  },
  result_prefix: {
    type: 'string',
    help: 'Text to put before the keys of the parsed fields. Not in fluent-bit.',
  },
  unmatched: {
    type: 'enum',
    values: ['pass', 'error_label', 'drop'],
    default: 'pass',
    help: 'What becomes of a record that no parser can read, or that has no text under Key_Name. `pass`: it goes on unchanged. `error_label`: it goes to the label @ERROR if the configuration has it, with Reserve_Data also on unchanged. `drop`: it is discarded, and counted. Not in fluent-bit.',
  },
})

export type ParserFilterOptions = OptionsOf<typeof PARSER_FILTER_OPTIONS>
