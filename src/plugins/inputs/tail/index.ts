import { defineInput } from '../../../core/plugin.ts'
import { TAIL_OPTIONS } from './options.ts'
import { Tail } from './tail.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'tail',
  summary: 'Follows files and sends their lines.',
  description:
    'A position moves only after every output has acknowledged the lines before it: the file is the buffer. ' +
    'Rotated, deleted and paused files stay open until they are drained.',
  options: TAIL_OPTIONS,
  example: '[INPUT]\n    Name tail\n    Path /var/log/*.log\n    DB   pos.db\n    Tag  app\n',
  counters: {
    files_opened: 'files opened',
    files_closed: 'files closed',
    files_rotated: 'files renamed, deleted or replaced under their path',
    files_truncated: 'files truncated or rewritten',
    files_replaced: 'files that were not those of the stored position',
    files_gone: 'files of a stored position that were not found any more',
    gzip_errors: 'compressed files that are damaged or cut off',
    files_unreadable: 'files and folders that could not be read',
    long_line_skipped: 'lines longer than Buffer_Max_Size, left out',
    long_line_truncated: 'lines longer than Buffer_Max_Size, cut',
    multiline_truncated: 'joined records that reached Multiline_Buffer_Limit',
    null_bytes_skipped: 'NUL bytes passed over at the start of lines',
    lost_bytes: 'bytes that were gone before they could be read, or given up',
  },
  statePath: ({ db }) => db,
  create: (options, ctx) =>
    new Tail(options, ctx, options.tagRegex === undefined ? undefined : new RegExp(options.tagRegex)),
})
