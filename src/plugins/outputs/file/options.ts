import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'

export const FILE_OPTIONS = defineOptions({
  path: {
    type: 'string',
    help: 'Directory of the files (default: the working directory). Without File, a Path that is no directory is the file itself.',
  },
  file: {
    type: 'string',
    help: 'Name of the file in Path; an absolute one without Path is a path of its own. Default: the tag of the records.',
  },
  format: {
    type: 'enum',
    values: ['out_file', 'plain', 'csv', 'ltsv', 'template'],
    default: 'out_file',
    help: 'out_file: `tag: [time, {json}]`; plain: the record as JSON; csv; ltsv; template.',
  },
  delimiter: {
    type: 'string',
    help: 'Text between values of csv (default `,`) and pairs of ltsv (default a tab); also `\\t`, `tab`, `space`, `comma`.',
  },
  label_delimiter: { type: 'string', default: ':', help: 'Text between name and value of ltsv.' },
  template: {
    type: 'string',
    default: '{time} {message}',
    help: 'Line of format template; `{name}` is the value of that key, `{time}` the time.',
  },
  csv_column_names: {
    type: 'bool',
    default: 'false',
    help: 'Write the names of the columns first when a csv file is empty.',
  },
  mkdir: {
    type: 'bool',
    default: 'false',
    help: 'Create the directory when it does not exist, and directories for the slashes of a tag; without it these become `_`.',
  },
})

export type FileOptions = OptionsOf<typeof FILE_OPTIONS>

/** Words for delimiters that are hard to write in a configuration. */
const DELIMITERS: Record<string, string> = { '\\t': '\t', tab: '\t', space: ' ', comma: ',' }

/** Returns the text between values, with the default of the format. */
export function delimiterOf({ delimiter, format }: FileOptions): string {
  const given = delimiter ?? (format === 'ltsv' ? '\t' : ',')
  return DELIMITERS[given.toLowerCase()] ?? given
}
