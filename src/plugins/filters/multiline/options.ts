import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'

/** The names and defaults are fluent-bit's. */
export const MULTILINE_FILTER_OPTIONS = defineOptions({
  mode: {
    type: 'enum',
    values: ['parser', 'partial_message'],
    default: 'parser',
    help: 'parser: join by the rules of Multiline.Parser. partial_message: join the parts of a message that Docker’s fluentd driver marks with `partial_message`, `partial_id` and `partial_last`, in the order in which they come; the marks, all keys that begin with `partial_`, are removed.',
  },
  'multiline.parser': {
    type: 'clist',
    repeat: true,
    help: '`java`, `python`, `go`, `ruby`, `node`, `dotnet`, `php`, `rust`, `dart`, or the name of a [MULTILINE_PARSER] section that does not set Parser. The texts of its types endswith and equal, which are for parts of a split text, are joined without line feeds. `docker` and `cri` have no effect: they join lines of files, in the input tail.',
  },
  'multiline.key_content': {
    type: 'string',
    help: 'Key of the text to join. Default: Key_Content of the first [MULTILINE_PARSER] that sets one, or `log`.',
  },
  buffer: {
    type: 'bool',
    default: 'true',
    help: 'Wait for the rest of a record that is incomplete at the end of a chunk. If false, a trace that is cut there becomes two records.',
  },
  flush_ms: {
    type: 'int',
    default: '2000',
    min: 1,
    help: 'Milliseconds after which an incomplete record that has not grown is sent as it is.',
  },
  group_key: {
    type: 'string',
    help: 'Only join records of one tag that have the same value under this key. Default: Key_Group of the first [MULTILINE_PARSER] that sets one, or `stream`. Set it to Path_Key of the input when several files share a tag. Not in fluent-bit.',
  },
  emitter_name: {
    type: 'string',
    help: 'Name of the emitter.',
    ignored: 'joined records continue after the filter, without an emitter',
  },
  emitter_storage: {
    type: 'string',
    help: 'Storage of the emitter.',
    ignored: 'joined records continue after the filter, without an emitter',
  },
  'emitter_storage.type': {
    type: 'string',
    help: 'Storage of the emitter.',
    ignored: 'joined records continue after the filter, without an emitter',
  },
  emitter_mem_buf_limit: {
    type: 'string',
    help: 'Memory limit of the emitter.',
    ignored: 'deferred records count toward the memory limit of their input',
  },
  debug_flush: { type: 'string', help: 'Print joined records.', ignored: 'use -vv' },
})

export type MultilineFilterOptions = OptionsOf<typeof MULTILINE_FILTER_OPTIONS>
