import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { DATABASE_OPTIONS } from '../../../lib/plugin/database-options.ts'
import { checkExpression } from '../../../lib/regex/string-matcher.ts'
import { GENERIC_ENCODINGS } from '../../../lib/text/text-encoding.ts'
import { LINK_RULES } from './discovery/link-rule.ts'
import { UNICODE_ENCODINGS } from './reading/file-encoding.ts'

/**
 * Options of the input. Names and defaults are those of fluent-bit; the help says where a default differs.
 */
export const TAIL_OPTIONS = defineOptions({
  path: {
    type: 'clist',
    required: true,
    repeat: true,
    help: 'Files to follow: glob(3) patterns (`*`, `?`, `[a-z]`, `[!a]`, `[[:digit:]]`, and `\\` to escape a character), separated by commas. `~` is the home directory, and `~user` that of another user. `**` means the same as `*`, and braces have no special meaning.',
  },
  exclude_path: {
    type: 'clist',
    repeat: true,
    help: 'Files to exclude: patterns as in Path, matched against the full path, in which `*` also matches `/`. A relative pattern is compared both as written (`*.gz`) and from the working directory (`logs/debug.log`).',
  },
  follow_symlinks: {
    type: 'enum',
    values: LINK_RULES,
    help: 'Symbolic links to follow, those in the directories of a path included: all (`on`), none (`off`), or with `same_owner` those that belong to root or to the owner of what they lead to. Without this option it is `on` for paths in /var/log/containers and /var/log/pods, and `same_owner` elsewhere: who may write to a log directory cannot make the agent read files of others. A refused link is logged once, counted in `links_refused`, and examined again when it changes and at each Refresh_Interval. Not in fluent-bit, which follows all links.',
  },
  key: { type: 'string', default: 'log', help: 'Key of the line in an unparsed record.' },
  tag_regex: {
    type: 'string',
    expression: 'regex',
    check: checkExpression,
    help: 'Regular expression in Onigmo syntax with named groups, matched against the path. `<name>` in Tag is replaced by the group, or by `_` if it does not match.',
  },
  path_key: {
    type: 'string',
    help: 'Add the path of the file under this key: the one under which it was opened.',
  },
  file_id_key: {
    type: 'string',
    help: 'Add a unique id of the file under this key, made of device, inode and birth time. It survives a rename, and a new file at the same path has another one. Not in fluent-bit.',
  },
  offset_key: { type: 'string', help: 'Add the byte offset of the start of the line under this key.' },
  read_from_head: {
    type: 'bool',
    default: 'false',
    help: 'Read files that exist at startup and have no stored position from the beginning instead of the end.',
  },
  read_newly_discovered_files_from_head: {
    type: 'bool',
    default: 'true',
    help: 'Read files found later from the beginning. If false, Read_From_Head applies to them too.',
  },
  refresh_interval: {
    type: 'time',
    default: '60',
    min: 1,
    help: 'Interval of the full search for files, a safety net: new files in a watched directory are found at once.',
  },
  watcher_interval: {
    type: 'time',
    default: '2',
    min: 10,
    help: 'Interval at which symbolic links are checked.',
  },
  progress_check_interval: {
    type: 'time',
    default: '2',
    min: 10,
    help: 'Interval at which open files are checked without an event, 500 at a time. When idle, the interval grows to at most thirty times this value.',
  },
  progress_check_interval_nsec: {
    type: 'int',
    default: '0',
    help: 'Nanoseconds added to Progress_Check_Interval.',
    ignored: 'give decimals in Progress_Check_Interval',
  },
  rotate_wait: {
    type: 'time',
    default: '5',
    min: 1,
    help: 'Close a rotated or deleted file after it is read to its end, acknowledged, and unchanged for this long. Only Hold_Limit and Hold_Time close it earlier.',
  },
  rotated_watch: {
    type: 'time',
    default: '6h',
    help: 'How long a closed rotated file is checked for late lines, at each Refresh_Interval. Late lines are read. 0: no checks. Not in fluent-bit.',
  },
  hold_limit: {
    type: 'size',
    default: '2G',
    help: 'Maximum unread bytes of all rotated and deleted files that are held open. Beyond it the oldest is abandoned, counted, and logged with path and byte range. 0: no limit.',
  },
  hold_time: {
    type: 'time',
    default: '24h',
    help: 'Maximum time that a rotated or deleted file with unread data is held open; then it is abandoned, counted and logged. 0: no limit.',
  },
  ignore_older: {
    type: 'time',
    default: '0',
    help: 'Skip files that have not been modified for this long. 0: skip none.',
  },
  ignore_active_older_files: {
    type: 'bool',
    default: 'false',
    help: 'Also close a followed file when it becomes older than Ignore_Older.',
    ignored: 'a followed file stays open until it is rotated or deleted',
  },
  buffer_chunk_size: {
    type: 'size',
    default: '32K',
    help: 'Initial size of the read buffer.',
    ignored: 'all files share one read buffer',
  },
  buffer_max_size: {
    type: 'size',
    default: '1M',
    min: 1024,
    max: 512_000_000,
    help: 'Maximum line length; fluent-bit’s default is 32K. Longer lines are cut (Truncate_Long_Lines) or skipped (Skip_Long_Lines), and counted. The file is followed in either case.',
  },
  static_batch_size: {
    type: 'size',
    default: '50M',
    min: 1,
    help: 'Maximum bytes read from a file in one turn while catching up. Values above 1M have no effect, so that every file gets its share.',
  },
  event_batch_size: {
    type: 'size',
    default: '50M',
    min: 1,
    help: 'Maximum bytes read in one turn from a file that has been caught up with.',
  },
  skip_long_lines: {
    type: 'bool',
    default: 'false',
    help: 'Skip lines longer than Buffer_Max_Size. If false, they are cut.',
  },
  truncate_long_lines: {
    type: 'bool',
    default: 'false',
    help: 'Cut lines longer than Buffer_Max_Size even with Skip_Long_Lines. A cut record has `truncated: true`.',
  },
  'unicode.encoding': {
    type: 'enum',
    values: UNICODE_ENCODINGS,
    help: 'Encoding of the files; records are always UTF-8. A byte order mark at the start of a file overrides UTF-16LE and UTF-16BE. `auto` selects UTF-16 if the file has its mark, or a UTF-16 newline in its first 1024 bytes, and otherwise UTF-8. Without this option and generic.encoding, all files are read as UTF-8. Offsets and Buffer_Max_Size count bytes of the file. Invalid characters become U+FFFD.',
  },
  'generic.encoding': {
    type: 'enum',
    values: GENERIC_ENCODINGS,
    help: 'Code page of the files; cannot be combined with unicode.encoding. A file that begins with the UTF-8 byte order mark is read as UTF-8. Big5 is that of the WHATWG Encoding Standard, which has more characters than fluent-bit’s.',
  },
  skip_empty_lines: { type: 'bool', default: 'false', help: 'Skip empty lines.' },
  exit_on_eof: {
    type: 'bool',
    default: 'false',
    help: 'Read all files to their end, wait for every acknowledgement, and exit: with status 0 only if every file found could be read and everything was acknowledged. A last line without newline is sent too.',
  },
  inotify_watcher: {
    type: 'bool',
    default: 'true',
    help: 'Use inotify events. If false, poll the files four times a second (for network file systems).',
  },
  file_cache_advise: {
    type: 'bool',
    default: 'true',
    help: 'Drop data from the page cache after reading it.',
    ignored: 'it would double the cost of reading',
  },
  parser: {
    type: 'string',
    help: 'Parser for each line: the name of a [PARSER] section, a format that needs no options (`json`, `cri`), or a parser of conf/parsers.conf (`nginx`, `apache2`), which needs no file. A line that cannot be parsed is kept unchanged under Key and counted in `parse_failed`.',
  },
  'multiline.parser': {
    type: 'clist',
    repeat: true,
    help: 'Rules for joining lines. `docker` and `cri` parse container logs, detected per line, and rejoin lines that the runtime split; the record has `log`, `stream` and `time`. `java`, `python`, `go`, `ruby`, `node`, `dotnet`, `php`, `rust` and `dart` join stack traces, also within container logs. Lines that may be part of a message of several lines, at most 50, wait up to 4 s for the frames after them, and become records of their own if none come. Any other name is a [MULTILINE_PARSER] section. Parser, Multiline and Docker_Mode then have no effect. Without multiline.parser, Parser, Multiline and Docker_Mode, logs under /var/log/containers and /var/log/pods are read with `docker, cri`.',
  },
  multiline: {
    type: 'bool',
    default: 'false',
    help: 'Legacy mode: a line that matches Parser_Firstline starts a record; other lines are appended to the last value of that record. fluent-bit’s Parser_1, Parser_2 ... are not supported.',
  },
  parser_firstline: {
    type: 'string',
    help: 'Name of the parser that matches the first line of a record, with Multiline.',
  },
  multiline_flush: {
    type: 'time',
    default: '4',
    min: 1,
    help: 'With Multiline: send a record that has not grown for this long.',
  },
  docker_mode: {
    type: 'bool',
    default: 'false',
    help: 'Legacy mode to rejoin lines that Docker split: parse each line with Parser (default: the docker format) and join up to a `log` that ends with a newline.',
  },
  docker_mode_flush: {
    type: 'time',
    default: '4',
    min: 1,
    help: 'With Docker_Mode: send a record that has not grown for this long.',
  },
  docker_mode_parser: {
    type: 'string',
    help: 'With Docker_Mode: name of a parser that matches the first line of a record as it is in the file (`{"log":"...`); lines that do not match are joined to it.',
  },
  db: {
    type: 'string',
    help: 'SQLite file for the positions. Several inputs may share one, even for the same files. Without it no positions are stored, and a restart behaves like a first start.',
  },
  pos_file_seed: {
    type: 'string',
    help: 'File of positions of fluentd (its pos_file), from which reading continues when DB has no positions of this input yet. It is read once and never written, so that fluentd can be started again. A file of which no line can be read ends the start; single lines are warned of. Not in fluent-bit.',
  },
  ...DATABASE_OPTIONS,
  'db.compare_filename': {
    type: 'bool',
    default: 'false',
    help: 'Only resume a stored position for a file with the same base name.',
  },
})

export type TailOptions = OptionsOf<typeof TAIL_OPTIONS>

/** Returns the owner of the rows in a database that several inputs share; see OffsetOptions. */
export function ownerOf({ path }: TailOptions, configuredTag: string | undefined): string {
  return `${path.flat().join(',')} ${configuredTag ?? ''}`
}

/** Maximum bytes that are read from one file in a turn. */
export const MAX_TURN_BYTES = 1_000_000
