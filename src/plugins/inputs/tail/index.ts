import { defineInput } from '../../../core/plugin.ts'
import { TAIL_OPTIONS } from './options.ts'
import { Tail } from './tail.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'tail',
  summary: 'Follows files and sends their lines.',
  description:
    'A stored position moves only after every output has acknowledged the lines before it, so the file is the buffer. ' +
    'Rotated and deleted files are held open until they are drained, also while the input is paused. ' +
    'No record has a key twice: Path_Key, File_Id_Key and Offset_Key replace a parsed field of that name and each other in this order, ' +
    'and an unparsed line replaces them all.',
  options: TAIL_OPTIONS,
  example: '[INPUT]\n    Name tail\n    Path /var/log/*.log\n    DB   pos.db\n    Tag  app\n',
  counters: {
    files_opened: 'files opened',
    files_closed: 'files closed',
    files_rotated: 'files renamed or deleted, or replaced by another file at their path',
    files_truncated: 'files truncated or rewritten',
    files_replaced: 'files with another content than that of their stored position, read from the start',
    files_gone: 'stored positions whose file no longer exists',
    gzip_errors: 'compressed files that are corrupt or truncated',
    files_unreadable: 'files and directories that could not be read',
    long_line_skipped: 'lines longer than Buffer_Max_Size that were skipped',
    long_line_truncated: 'lines longer than Buffer_Max_Size that were truncated',
    multiline_truncated: 'joined records that reached Multiline_Buffer_Limit',
    null_bytes_skipped: 'NUL bytes skipped at the start of lines',
    lost_bytes: 'bytes truncated before they were read, or dropped because of Hold_Limit or Hold_Time',
  },
  statePath: ({ db }) => db,
  create: (options, ctx) =>
    new Tail(options, ctx, options.tagRegex === undefined ? undefined : new RegExp(options.tagRegex)),
})
