import type { Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import type { Truncation } from '../file/read-cursor.ts'
import type { TailFile } from '../file/tail-file.ts'

/**
 * Counts and logs a truncation when it is seen, which is before reading goes on: it may be stopped for long by a full buffer.
 * Not known is what was written after the size was seen last and before the truncation.
 */
export function reportTruncation(
  file: TailFile,
  { from, to, size, isRewritten }: Truncation,
  counters: TailCounters,
  log: Logger,
): void {
  const lost = Math.max(0, to - from)
  counters.add('files_truncated')
  counters.add('lost_bytes', lost, 'truncated')
  const text = `${file.path} was truncated: reading ${isRewritten ? 'it from the start' : 'goes on in what is left'}`
  const fields = { offset: file.cursor.offset, size, inode: file.identity.inode.toString() }
  if (lost === 0) log.warn(text, fields)
  else {
    log.error(`${text}; ${lost} bytes were truncated before they were read`, {
      code: 'E_TAIL_TRUNCATED',
      ...fields,
      lost_bytes: lost,
      from,
      to,
    })
  }
}
