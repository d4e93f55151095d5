import type { Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import type { Truncation } from '../file/read-cursor.ts'
import type { TailFile } from '../file/tail-file.ts'

/**
 * Counts and logs a truncation as soon as it is seen, since a full buffer may stop reading for long.
 * `copy`: a copy of the lost content and its size, up to which nothing is lost. Not counted is what was
 * written after the last look at the size and before the truncation.
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
