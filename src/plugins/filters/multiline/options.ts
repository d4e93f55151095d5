import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'

/** The names and defaults are fluent-bit's. */
export const MULTILINE_FILTER_OPTIONS = defineOptions({
  mode: {
    type: 'enum',
    values: ['parser', 'partial_message'],
    default: 'parser',
    help: 'parser: by Multiline.Parser. partial_message: parts of a message as Docker’s fluentd driver marks them (`partial_message`, `partial_id`, `partial_last`).',
  },
  'multiline.parser': {
    type: 'clist',
    repeat: true,
    help: '`java`, `python`, `go`, `ruby`, `node`, or the name of a [MULTILINE_PARSER] without a Parser of its own.',
  },
  'multiline.key_content': {
    type: 'string',
    help: 'Key of the text that is joined. Default: Key_Content of the first [MULTILINE_PARSER] that has one, or `log`.',
  },
  buffer: {
    type: 'bool',
    default: 'true',
    help: 'False: nothing is kept back beyond the end of a chunk, and a trace that is cut there becomes two records.',
  },
  flush_ms: {
    type: 'int',
    default: '2000',
    min: 1,
    help: 'Milliseconds: a group that has not grown for so long is sent as it is.',
  },
  group_key: {
    type: 'string',
    help: 'Records of one tag with different values under this key are joined apart; ours. Default: Key_Group of the first [MULTILINE_PARSER] that has one, or `stream`. Name Path_Key of the input here when several files share a tag.',
  },
  emitter_name: {
    type: 'string',
    help: 'Name of the emitter.',
    ignored: 'what is joined goes on behind the filter',
  },
  emitter_storage: {
    type: 'string',
    help: 'Storage of it.',
    ignored: 'what is joined goes on behind the filter',
  },
  'emitter_storage.type': {
    type: 'string',
    help: 'Storage of it.',
    ignored: 'what is joined goes on behind the filter',
  },
  emitter_mem_buf_limit: {
    type: 'string',
    help: 'Memory of it.',
    ignored: 'what is kept counts for the input it came from',
  },
  debug_flush: { type: 'string', help: 'Print what is joined.', ignored: 'use -vv' },
})

export type MultilineFilterOptions = OptionsOf<typeof MULTILINE_FILTER_OPTIONS>
