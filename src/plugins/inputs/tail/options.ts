import { checkRegExp } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { DATABASE_OPTIONS } from '../../../lib/plugin/offset-database.ts'

/** The names and defaults are fluent-bit's; where a default differs the help says so. */
export const TAIL_OPTIONS = defineOptions({
  path: {
    type: 'clist',
    required: true,
    repeat: true,
    help: 'Files to follow: glob patterns (`*`, `?`, `[a-z]`), separated by commas; `~` is the home folder. There is no `**`.',
  },
  exclude_path: {
    type: 'clist',
    repeat: true,
    help: 'Files to leave out: patterns matched against the whole path, where `*` also crosses `/`.',
  },
  key: { type: 'string', default: 'log', help: 'Key of the line in a record that is not parsed.' },
  tag_regex: {
    type: 'string',
    check: checkRegExp,
    help: 'Regular expression with named groups, matched against the path; `<name>` in Tag becomes the group, or `_`.',
  },
  path_key: {
    type: 'string',
    help: 'Adds the path of the file under this key: the name it had when it was opened.',
  },
  file_id_key: {
    type: 'string',
    help: 'Adds under this key a text that is of this file alone, also when it is renamed and another one has its path: device, inode and time of birth. Ours.',
  },
  offset_key: { type: 'string', help: 'Adds the byte offset of the start of the line under this key.' },
  read_from_head: {
    type: 'bool',
    default: 'false',
    help: 'Read files that are found at the start, and have no stored position, from the beginning instead of the end.',
  },
  read_newly_discovered_files_from_head: {
    type: 'bool',
    default: 'true',
    help: 'Files found later are read from the beginning. False: Read_From_Head decides for them too.',
  },
  refresh_interval: {
    type: 'time',
    default: '60',
    min: 1,
    help: 'Full search for files, as a safety net: new files in a watched folder are found at once.',
  },
  watcher_interval: { type: 'time', default: '2', min: 10, help: 'How often symbolic links are looked at.' },
  progress_check_interval: {
    type: 'time',
    default: '2',
    min: 10,
    help: 'How often open files are looked at without an event, 500 of them at a time; up to thirty times as rarely while nothing happens.',
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
    help: 'A rotated or deleted file is closed when it is drained, acknowledged and has been quiet for this long. It is never closed before it is drained, but for Hold_Limit and Hold_Time.',
  },
  hold_limit: {
    type: 'size',
    default: '2G',
    help: 'Most unread bytes of rotated and deleted files that are held open, all together; beyond it the oldest is given up, counted and logged with path and range. 0: no limit.',
  },
  hold_time: {
    type: 'time',
    default: '24h',
    help: 'Longest that a rotated or deleted file is held open while it cannot be drained; then it is given up, counted and logged. 0: no limit.',
  },
  ignore_older: { type: 'time', default: '0', help: 'Leave out files not modified for this long. 0: none.' },
  ignore_active_older_files: {
    type: 'bool',
    default: 'false',
    help: 'Also close a file that is followed when it gets older than Ignore_Older; it is taken up again where it was left when it grows.',
  },
  buffer_chunk_size: {
    type: 'size',
    default: '32K',
    help: 'Size of a first read.',
    ignored: 'all files share one read buffer',
  },
  buffer_max_size: {
    type: 'size',
    default: '1M',
    min: 1024,
    max: 512_000_000,
    help: 'Longest line. fluent-bit’s default is 32K. Longer ones are cut (Truncate_Long_Lines) or left out (Skip_Long_Lines), and counted; the file is followed on in any case.',
  },
  static_batch_size: {
    type: 'size',
    default: '50M',
    min: 1,
    help: 'Most bytes read from a file in one turn while catching up; one turn is at most 1M, so that every file has its share.',
  },
  event_batch_size: {
    type: 'size',
    default: '50M',
    min: 1,
    help: 'The same for a file that has been caught up with.',
  },
  skip_long_lines: {
    type: 'bool',
    default: 'false',
    help: 'Leave out lines longer than Buffer_Max_Size. False: they are cut.',
  },
  truncate_long_lines: {
    type: 'bool',
    default: 'false',
    help: 'Cut lines longer than Buffer_Max_Size even with Skip_Long_Lines. A cut record has `truncated: true`.',
  },
  skip_empty_lines: { type: 'bool', default: 'false', help: 'Leave out empty lines.' },
  exit_on_eof: {
    type: 'bool',
    default: 'false',
    help: 'Read what is there, wait for every ack, and end: status 0 only if all that was found could be read, and everything was acknowledged. A last line without newline is sent too.',
  },
  inotify_watcher: {
    type: 'bool',
    default: 'true',
    help: 'False: look at the files four times a second instead of waiting for events (network file systems).',
  },
  file_cache_advise: {
    type: 'bool',
    default: 'true',
    help: 'Drop what was read from the page cache.',
    ignored: 'it doubled the cost of reading',
  },
  parser: {
    type: 'string',
    help: 'Name of the parser for each line: of a [PARSER] section, a format that needs no options (`json`, `cri`), or one of conf/parsers.conf (`nginx`, `apache2`), which need no file. A line that it does not fit is kept whole under Key.',
  },
  'multiline.parser': {
    type: 'clist',
    repeat: true,
    help: 'Joins lines: `docker` and `cri` undo what a container runtime does (split lines are put together, the record has `log`, `stream` and `time`), and are told apart by themselves; `java`, `python`, `go`, `ruby`, `node` join stack traces, also those within container logs; any other name is a [MULTILINE_PARSER]. With it Parser, Multiline and Docker_Mode have no effect. Without any of the four, logs under /var/log/containers and /var/log/pods are read as with `docker, cri`.',
  },
  multiline: {
    type: 'bool',
    default: 'false',
    help: 'The older way: a line that Parser_Firstline reads begins a record, and lines that it does not read are put behind the last value of that. fluent-bit’s further Parser_1, Parser_2 ... are not offered.',
  },
  parser_firstline: { type: 'string', help: 'Name of the parser for the first line, with Multiline.' },
  multiline_flush: {
    type: 'time',
    default: '4',
    min: 1,
    help: 'With Multiline: a record that has not grown for so long is sent.',
  },
  docker_mode: {
    type: 'bool',
    default: 'false',
    help: 'The older way to join lines that Docker has split: Parser (default: as `docker`) reads each, and they are joined up to a `log` that ends with a newline.',
  },
  docker_mode_flush: {
    type: 'time',
    default: '4',
    min: 1,
    help: 'With Docker_Mode: a record that has not grown for so long is sent.',
  },
  docker_mode_parser: {
    type: 'string',
    help: 'With Docker_Mode: name of a parser that fits the first line of a record, as it stands in the file (`{"log":"...`); those that it does not fit are joined with it.',
  },
  db: {
    type: 'string',
    help: 'SQLite file for the positions; several inputs may share one, also for the same files. Without it nothing is kept and a restart begins as a first start does.',
  },
  ...DATABASE_OPTIONS,
  'db.compare_filename': {
    type: 'bool',
    default: 'false',
    help: 'A stored position is only taken up by a file of the same base name.',
  },
})

export type TailOptions = OptionsOf<typeof TAIL_OPTIONS>

/** Longest turn of one file, in bytes. */
export const MAX_TURN_BYTES = 1_000_000
