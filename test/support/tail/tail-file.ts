import { writeFileSync } from 'node:fs'
import { FsFailure, openFile } from '../../../src/lib/fs/file-system.ts'
import { PlainSource } from '../../../src/plugins/inputs/tail/file/byte-source.ts'
import { Descriptor } from '../../../src/plugins/inputs/tail/file/descriptor.ts'
import { FileHandle } from '../../../src/plugins/inputs/tail/file/file-handle.ts'
import { FileIdentity } from '../../../src/plugins/inputs/tail/file/identity.ts'
import type { Truncation } from '../../../src/plugins/inputs/tail/file/read-cursor.ts'
import { StoredRow } from '../../../src/plugins/inputs/tail/file/stored-row.ts'
import { TailFile } from '../../../src/plugins/inputs/tail/file/tail-file.ts'
import { atEnd } from '../tmp.ts'

/** Opens a plain file, with `content` if it is given, as the tail input does: unread, and without a row. */
export function tailFile(
  path: string,
  content?: string,
  nowMs = 0,
  onTruncated: (truncation: Truncation) => void = () => {},
  placeOrigin?: string,
  storeMark?: () => boolean,
): TailFile {
  if (content !== undefined) writeFileSync(path, content)
  const opened = openFile(path)
  if (opened instanceof FsFailure) throw opened
  const { fd, stat } = opened
  const descriptor = new Descriptor(fd)
  const file = new TailFile({
    path,
    identity: new FileIdentity(stat, path, 'app'),
    handle: new FileHandle(descriptor, new PlainSource(descriptor)),
    stored: new StoredRow(undefined, 0, nowMs),
    encoder: undefined as never,
    offset: 0,
    size: Number(stat.size),
    isSkipping: false,
    stat,
    head: Buffer.alloc(0),
    openedMs: nowMs,
    contentSinceMs: nowMs,
    origin: 'agent',
    placeOrigin,
    ...(storeMark === undefined ? {} : { storeMark }),
    onSettled: () => {},
    onTruncated: (_, truncation) => onTruncated(truncation),
  })
  atEnd(() => file.close())
  return file
}

/** Reads a file up to `offset`, and has that acknowledged. */
export function readTo(file: TailFile, offset: number): void {
  file.cursor.moveTo(offset)
  file.cursor.loadLastBytes(file.handle)
  file.closeRange()?.settle('delivered')
}
