import type { InvalidValue } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'

/** What can be done with a record that has no destination. */
const ACTIONS = ['error', 'drop', 'fallback'] as const

const NOT_ROTATED = 'files are not rotated here yet'

/** Words for delimiters that are hard to write in a configuration. */
const DELIMITERS: Record<string, string> = { '\\t': '\t', tab: '\t', space: ' ', comma: ',' }
/** What may be part of a value. */
const NO_DELIMITER = /["\p{L}\p{N}\n\r]/u

function checkDelimiter(text: string): InvalidValue | undefined {
  const isKnown =
    Object.hasOwn(DELIMITERS, text.toLowerCase()) || ([...text].length === 1 && !NO_DELIMITER.test(text))
  return isKnown
    ? undefined
    : { must: 'tab, space, comma, or one character that is no letter, digit or quotation mark' }
}

export const FILE_OPTIONS = defineOptions({
  path: {
    type: 'string',
    help: 'Directory of the files (default: the working directory). Without File, a Path that is no directory is the file itself. May hold record accessors, after a directory that it names.',
  },
  file: {
    type: 'string',
    help: "Name of the file in Path; an absolute one without Path is a path of its own. Default: the tag of the records. May hold record accessors: `$app.log`, `$TAG`, `$kubernetes['namespace_name']`; a key ends at any character other than letters, digits and `_`.",
  },
  enable_strftime: {
    type: 'bool',
    default: 'false',
    help: 'Replace `%Y`, `%m`, `%d`, `%H` and the like in Path and File by the time of the record, in UTC; `%%` is a percent sign. If false, `%Y` stays as written.',
  },
  on_missing_field: {
    type: 'enum',
    values: ACTIONS,
    default: 'error',
    help: 'What becomes of a record without a field that Path or File names, or with one that is empty or not safe as a name. error: it is rejected and goes to the dead letters; without a DB and Dead_Letter_File the output waits and its inputs pause. drop: it is dropped, counted and logged; fallback: it is written to Fallback_File.',
  },
  max_dynamic_files: {
    type: 'int',
    default: '1024',
    min: 0,
    max: 1_000_000,
    help: 'Maximum number of different files that records and times choose. A file counts from its first record of this run until it got none for an hour, or was removed; it then counts again with its next record. 0: no limit. Files are open only while they are written, so that one that counts costs a few hundred bytes of memory.',
  },
  on_limit_reached: {
    type: 'enum',
    values: ACTIONS,
    default: 'error',
    help: 'What becomes of a record whose file would be one too many. The files that count are written on. error: it is rejected at once and goes to the dead letters; drop and fallback: as of On_Missing_Field.',
  },
  fallback_path: {
    type: 'string',
    help: 'Directory of Fallback_File (default: the working directory).',
  },
  fallback_file: {
    type: 'string',
    help: 'Name of the file for the action fallback, without accessors. Required only for it; fluent-bit requires it for every dynamic destination.',
  },
  format: {
    type: 'enum',
    values: ['out_file', 'plain', 'csv', 'ltsv', 'template', 'msgpack'],
    default: 'out_file',
    help: 'out_file: `tag: [time, {json}]`; plain: the record as JSON; csv: RFC 4180, with texts in quotation marks, maps and lists as JSON in quotation marks, and nothing for null; ltsv: names and values as JSON; template; msgpack: `[[time, {}], record]` values.',
  },
  delimiter: {
    type: 'string',
    check: checkDelimiter,
    help: 'Character between values of csv (default `,`) and pairs of ltsv (default a tab); also `\\t`, `tab`, `space`, `comma`.',
  },
  label_delimiter: { type: 'string', default: ':', help: 'Text between name and value of ltsv.' },
  template: {
    type: 'string',
    default: '{time} {message}',
    help: 'Line of format template; `{name}` is the value of that key, and stays as written in a record without it; `{time}` is the time.',
  },
  csv_column_names: {
    type: 'bool',
    default: 'false',
    help: 'Write the names of the columns first when a csv file is empty.',
  },
  rotate: {
    type: 'bool',
    default: 'false',
    check: (isOn) =>
      isOn === true
        ? {
            must: 'off',
            reason: 'files are not rotated here yet',
            hint: 'leave it out and let logrotate rename them: they are opened for each chunk, so that copytruncate and signals are not needed',
          }
        : undefined,
    help: 'Rotation by size is not supported yet: `on` is an error.',
  },
  rotate_max_size: { type: 'size', default: '100M', help: 'Size of a file to rotate.', ignored: NOT_ROTATED },
  rotate_max_files: {
    type: 'int',
    default: '7',
    min: 1,
    help: 'Number of rotated files to keep.',
    ignored: NOT_ROTATED,
  },
  rotate_gzip: { type: 'bool', default: 'true', help: 'Compress rotated files.', ignored: NOT_ROTATED },
  mkdir: {
    type: 'bool',
    default: 'false',
    help: 'Create the directory when it does not exist, and those for the slashes of a tag and of record accessors in Path; without it those of a tag become `_`.',
  },
})

export type FileOptions = OptionsOf<typeof FILE_OPTIONS>

/** Returns the text between values, with the default of the format. */
export function delimiterOf({ delimiter, format }: FileOptions): string {
  const given = delimiter ?? (format === 'ltsv' ? '\t' : ',')
  return DELIMITERS[given.toLowerCase()] ?? given
}
