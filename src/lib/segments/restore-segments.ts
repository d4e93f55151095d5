import type { Logger } from '../../core/services.ts'
import { close, createFile, FsFailure, readAt, remove, syncData, syncDirectory } from '../fs/file-system.ts'
import { makeFolder } from './make-folder.ts'
import type { OpenFiles } from './open-files.ts'
import type { Segment } from './segment.ts'
import { writeAll } from './write-all.ts'

const BLOCK_BYTES = 1 << 20

interface RestoreInit {
  folder: string
  files: OpenFiles
  log: Logger
}

/**
 * Writes files again that were removed, or whose folder was, while they were open: what is in them was
 * acknowledged, and would be lost when this process ends. Returns a failure when the folder cannot be made.
 * What cannot be written is read from the descriptor as long as that is open, and tried again by the next call.
 */
export function restoreSegments({ folder, files, log }: RestoreInit): FsFailure | undefined {
  const failure = makeFolder(folder)
  if (failure !== undefined) return failure
  const segments = files.removed()
  let restored = 0
  let reason = ''
  for (const segment of segments) {
    const failed = restore(segment, files)
    if (failed === undefined) restored++
    else reason = `${segment.path}: ${failed.message}`
  }
  const failed = syncDirectory(folder)
  const saved =
    segments.length === 0
      ? 'the folder was created again'
      : `${restored} of ${segments.length} open files were written again`
  log.error(
    `the buffer ${folder}, or files in it, were removed or renamed while it was in use: ${saved}${reason === '' ? '' : ` (${reason})`}; records in files that were not open are lost, and counted when an output reaches them`,
    { code: 'E_BUFFER', hint: 'stop the agent before its buffer is moved or deleted' },
    'removed',
  )
  return failed
}

function restore(segment: Segment, files: OpenFiles): FsFailure | undefined {
  const from = files.fdOf(segment)
  const fd = createFile(segment.path, 0o600)
  if (fd instanceof FsFailure) return fd
  const failure = copy(from, fd, segment.fileBytes) ?? syncData(fd)
  if (failure === undefined) files.replace(segment, fd)
  else {
    close(fd)
    remove(segment.path)
  }
  return failure
}

function copy(from: number, to: number, bytes: number): FsFailure | undefined {
  const buf = Buffer.allocUnsafe(BLOCK_BYTES)
  for (let at = 0; at < bytes; ) {
    const part = buf.subarray(0, Math.min(BLOCK_BYTES, bytes - at))
    const got = readAt(from, part, at)
    if (got instanceof FsFailure) return got
    if (got === 0) return undefined
    const failure = writeAll(to, [part.subarray(0, got)], at)
    if (failure !== undefined) return failure
    at += got
  }
  return undefined
}
