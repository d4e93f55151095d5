import type { Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import type { TailFile } from '../file/tail-file.ts'

/**
 * Reports deleted files of which not everything is acknowledged when the agent stops: they no longer exist
 * once they are closed. With stored positions, the next run looks for a copy and counts the file in
 * `files_gone` if there is none. Without stored positions, the loss is counted here.
 */
export function reportUnfinished(
  files: Iterable<TailFile>,
  hasPositions: boolean,
  counters: TailCounters,
  log: Logger,
): void {
  for (const file of files) {
    if (!file.rotation.isDeleted) continue
    const { acked, size } = file.status()
    const bytes = size - acked
    if (bytes <= 0) continue
    const fields = { from: acked, to: size, inode: file.identity.inode.toString() }
    const text = `${bytes} bytes of ${file.path}, which was deleted, are not acknowledged at the stop`
    if (hasPositions) {
      log.warn(`${text}: the next run reads them if there is a copy of the file`, fields)
      continue
    }
    counters.add('lost_bytes', bytes, 'stopped')
    log.error(`${text}: they are lost`, { code: 'E_TAIL_ABANDONED', ...fields })
  }
}
