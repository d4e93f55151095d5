import { ShipperError } from '../../core/error.ts'
import { skip } from '../../core/msgpack/encode.ts'
import { entryMap } from '../../core/msgpack/record.ts'
import { linesOf, type RowFile, rowFilesAt } from '../../lib/dead-letters/files.ts'
import { type DeadLetter, isReplayed, parseRow } from '../../lib/dead-letters/row.ts'
import { close, FsFailure, openFile } from '../../lib/fs/file-system.ts'

/** A line of a dead-letter file; `row` is undefined for one that is damaged or of another program. */
interface ReadRow {
  offset: number
  row: DeadLetter | undefined
  isReplayed: boolean
}

/** Returns the files at a path that a user has named. Throws when there are none. */
export function filesAt(path: string): RowFile[] {
  const files = rowFilesAt(path)
  if (files instanceof FsFailure) throw unreadable(path, files)
  return files
}

/** Reads the rows of a file. Throws when it cannot be read. */
export function* rowsIn(path: string): Generator<ReadRow, void> {
  const opened = openFile(path)
  if (opened instanceof FsFailure) throw unreadable(path, opened)
  try {
    yield* rowsOf(opened.fd, path)
  } finally {
    close(opened.fd)
  }
}

/**
 * Reads the rows of an open file. A last line without a newline is a row when it is whole (an editor has removed the
 * newline); else the agent is writing it, or was killed then and has not acknowledged its record: it is left out.
 */
export function* rowsOf(fd: number, path: string): Generator<ReadRow, void> {
  for (const line of linesOf(fd)) {
    if (line instanceof FsFailure) throw unreadable(path, line)
    const { offset, bytes, isComplete } = line
    const row = bytes === undefined ? undefined : parseRow(bytes)
    if (row === undefined && !isComplete) return
    yield { offset, row, isReplayed: bytes !== undefined && isReplayed(bytes) }
  }
}

/** Returns the entry of a row; undefined when it is not exactly one, because somebody has changed the row. */
export function recordOf({ record }: DeadLetter): Buffer | undefined {
  const bytes = Buffer.from(record, 'base64')
  const isWhole = skip(bytes, 0, bytes.length) === bytes.length
  return isWhole && entryMap(bytes, 0, bytes.length) > 0 ? bytes : undefined
}

function unreadable(path: string, failure: FsFailure): ShipperError {
  return new ShipperError('E_CLI_USAGE', `cannot read ${path}: ${failure.message}`, {
    hint: 'name a Dead_Letter_File, or the directory of the offset database, and run as the user of the agent',
  })
}
