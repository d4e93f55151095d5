import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'

export const FILE_OPTIONS = defineOptions({
  path: { type: 'string', default: '.', help: 'Folder of the files.' },
  file: { type: 'string', help: 'Name of the file. Default: the tag of the records.' },
  format: {
    type: 'enum',
    values: ['out_file', 'plain', 'csv', 'ltsv', 'template'],
    default: 'out_file',
    help: 'out_file: `tag: [time, {json}]`; plain: the record as JSON; csv; ltsv; template.',
  },
  delimiter: {
    type: 'string',
    help: 'Between values of csv (default `,`) and pairs of ltsv (default a tab); also `\\t`, `tab`, `space`, `comma`.',
  },
  label_delimiter: { type: 'string', default: ':', help: 'Between name and value of ltsv.' },
  template: {
    type: 'string',
    default: '{time} {message}',
    help: 'Line of format template; `{name}` is the value of that key, `{time}` the time.',
  },
  csv_column_names: {
    type: 'bool',
    default: 'false',
    help: 'Begin an empty csv file with the names of the columns.',
  },
  mkdir: { type: 'bool', default: 'false', help: 'Make the folder when it is not there.' },
})

export type FileOptions = OptionsOf<typeof FILE_OPTIONS>

const WORDS: Record<string, string> = { '\\t': '\t', tab: '\t', space: ' ', comma: ',' }

export function delimiterOf(o: FileOptions): string {
  const given = o.delimiter ?? (o.format === 'ltsv' ? '\t' : ',')
  return WORDS[given.toLowerCase()] ?? given
}
