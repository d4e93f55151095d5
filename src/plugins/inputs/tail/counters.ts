import type { InputContext } from '../../../core/plugin.ts'
import type { Counters } from '../../../core/services.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'

/**
 * Counters of the input. docs/tail.md lists every way in which a byte can stay unread, with its counter and
 * reason.
 */
export const TAIL_COUNTERS = {
  files_opened: 'files opened',
  files_closed: 'files closed',
  descriptors_released:
    'descriptors of followed files that were closed because of the limit of open files, until they are needed again',
  files_rotated: 'files renamed or deleted, or replaced by another file at their path',
  files_truncated: 'files truncated or rewritten',
  files_replaced: 'files whose content does not match their stored position, read from the start',
  files_copied: 'files recognized as copies, read from the position of their original',
  files_gone: {
    help: 'stored positions whose file was not found at the start',
    reasons: {
      missing: 'the file was deleted or moved away while the agent was not running',
      compressed:
        'only a compressed copy in an unsupported format is left: `.bz2`, `.xz`, `.zst` and the like',
    },
  },
  gzip_errors: 'compressed files that are corrupt or truncated',
  gzip_trailing_bytes:
    'bytes after the last member of a .gz that are not in gzip format; they are ignored, as gzip does',
  files_unreadable: 'files and directories that could not be read',
  links_refused: 'links that are not followed because of Follow_Symlinks',
  searches_cut: 'searches for files that stopped at the maximum number of directories or entries',
  long_line_skipped: 'lines longer than Buffer_Max_Size that were skipped',
  long_line_truncated: 'lines longer than Buffer_Max_Size that were truncated',
  multiline_truncated: 'joined records that reached Multiline_Buffer_Limit',
  ...regexCounter('parser', 'multiline', 'tag'),
  parse_failed: 'lines that could not be parsed, kept unchanged under Key',
  time_failed: 'records whose time could not be read; they have the time of reading',
  ...pathCounters('written', 'small', 'options', 'form', 'parser', 'mixed'),
  null_bytes_skipped: 'NUL bytes skipped at the start of lines',
  lost_bytes: {
    help: 'bytes of followed files that were not sent and never will be',
    reasons: {
      truncated: 'truncated or overwritten before they were read',
      hold_limit: 'unread in a rotated or deleted file that was abandoned because of Hold_Limit',
      hold_time: 'unread in a rotated or deleted file that was abandoned because of Hold_Time',
      stopped: 'not acknowledged in a deleted file when the agent stopped without a DB',
      missing:
        'unread in a file that was deleted or moved away while the agent was not running, if its size is known',
      compressed:
        'unread in a file of which only a compressed copy in an unsupported format is left, if its size is known',
      late: 'written to a file after its descriptor was closed (a rotated file, or one beyond the limit of open files), seen but not read, and gone later',
      gzip_damaged:
        'compressed bytes of a corrupt .gz, from the damage on; with a wrong checksum, from the start of the member',
      long_line: 'beyond Buffer_Max_Size in a long line',
    },
  },
} as const

/** Counters of the input; the type checks names and reasons. */
export type TailCounters = Counters<typeof TAIL_COUNTERS>

/** Context of the input, whose counters are those declared above. */
export interface TailContext extends InputContext {
  readonly counters: TailCounters
}
