import type { Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import type { Truncation } from '../file/read-cursor.ts'
import type { TailFile } from '../file/tail-file.ts'

/**
 * Counts and logs a truncation when it is seen, which is before reading goes on: it may be stopped for long by a full buffer.
 * `copy`: a copy of the content of before, and its
 * size: what it has is read from there. Not known is what was written after the size was seen last and before the truncation.
 */
export function reportTruncation(
  file: TailFile,
  { from, to, size, isRewritten }: Truncation,
  copy: { copy: TailFile; size: number } | undefined,
  { counters, log }: { counters: TailCounters; log: Logger },
): void {
  const lost = Math.max(0, to - Math.max(from, copy?.size ?? 0))
  counters.add('files_truncated')
  counters.add('lost_bytes', lost, 'truncated')
  const text = `${file.path} was truncated: reading ${isRewritten ? 'it from the start' : 'goes on in what is left'}`
  const fields = {
    offset: file.cursor.offset,
    size,
    inode: file.identity.inode.toString(),
    ...(copy === undefined ? {} : { copy: copy.copy.path }),
  }
  if (lost === 0) log.warn(text, fields)
  else {
    log.error(`${text}; ${lost} bytes were truncated before they were read`, {
      code: 'E_TAIL_TRUNCATED',
      ...fields,
      lost_bytes: lost,
      from: to - lost,
      to,
    })
  }
}
