import type { Logger } from '../../../../core/services.ts'
import type { FsFailure } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import type { TailFile } from '../file/tail-file.ts'

/**
 * Looks at the sizes of all files for the last time, and reports deleted files of which not everything is acknowledged
 * when the agent stops: they no longer exist once they are closed. With stored positions, the next run looks for a copy
 * and counts the file in `files_gone` if there is none. Without stored positions, the loss is counted here. A rotated
 * file whose size cannot be found out may have more, of which only that can be said.
 */
export function reportUnfinished(
  files: Iterable<TailFile>,
  hasPositions: boolean,
  counters: TailCounters,
  log: Logger,
): void {
  for (const file of files) {
    const failure = file.handle.isOpen ? file.refresh() : undefined
    if (failure !== undefined && file.rotation.isRotated) reportUnknown(file, failure, hasPositions, log)
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

function reportUnknown(file: TailFile, failure: FsFailure, hasPositions: boolean, log: Logger): void {
  const text = `the size of ${file.path}, which was rotated, cannot be found out at the stop (${failure})`
  const fields = { from: file.cursor.size, inode: file.identity.inode.toString() }
  if (hasPositions)
    log.warn(`${text}: the next run reads what it has, if it or a copy of it is found`, fields)
  else
    log.error(`${text}: what was written to it after the last look is lost`, {
      code: 'E_TAIL_ABANDONED',
      ...fields,
    })
}
