import { dirname } from 'node:path'
import { ShipperError } from '../../core/error.ts'
import { linesOf, partNumbers, partPath } from '../../lib/dead-letters/files.ts'
import { isReplayed, type PiecedRow, ROW_START } from '../../lib/dead-letters/row.ts'
import {
  close,
  FsFailure,
  fstat,
  openFile,
  openToKeep,
  read,
  remove,
  rename,
  stat,
  sync,
  syncDirectory,
  syncLater,
  truncate,
  write,
} from '../../lib/fs/file-system.ts'

/** A file is rotated at this fraction of the limit, so that replayed parts can be removed while the rest stays. */
const PARTS = 10
const FILE_MODE = 0o600
const TAIL_BYTES = 65_536
const NEWLINE = 10

interface OpenPart {
  fd: number
  size: number
  /** True when the file ends with an incomplete row that could not be removed yet. */
  isTorn: boolean
}

/**
 * The dead-letter file of an output, with its rotated parts:
 *
 * ```
 *   FILE.1  FILE.2   ...   full parts, oldest first; removed by a replay of all their rows, never by the agent
 *   FILE                   appended to; renamed to the next part when it has a tenth of the limit
 * ```
 * Rows are complete lines: one that a kill has cut is removed before the next one is written, as its record
 * was not settled. The file is open only between `append` and the end of `sync`, so it may be moved away at
 * any other time.
 */
export class DeadLetterFile {
  readonly path: string
  readonly limitBytes: number
  #part: OpenPart | undefined
  #isPrepared = false
  /** Bytes in the rotated parts, as far as known: a replay may have removed some. */
  #partsBytes = 0
  /** Numbers of rows that were written in this run, and of those that are on disk. */
  #written = 0
  #synced = 0
  #syncing: Promise<void> | undefined

  constructor(path: string, limitBytes: number) {
    this.path = path
    this.limitBytes = limitBytes
  }

  /** Appends a row. Throws a retryable E_DEAD_LETTERS when it has no place, or cannot be written. */
  append(row: Buffer | PiecedRow): void {
    let part = this.#open()
    if (part.size > 0 && part.size + row.length > this.limitBytes / PARTS) {
      this.#rotate(part)
      part = this.#open()
    }
    if (this.#partsBytes + part.size + row.length > this.limitBytes) this.#makeRoom(part, row.length)
    let total = 0
    for (const piece of Buffer.isBuffer(row) ? [row] : row.pieces())
      for (let at = 0; at < piece.length; ) {
        const written = write(part.fd, piece, at)
        if (written instanceof FsFailure) {
          if (total > 0) part.isTorn = truncate(part.fd, part.size) !== undefined
          this.#closeIfSynced()
          throw this.#failed('written', written)
        }
        at += written
        total += written
      }
    part.size += row.length
    this.#written++
  }

  /** Resolves when every row written so far is on disk; rejects with a retryable E_DEAD_LETTERS. */
  async sync(): Promise<void> {
    const last = this.#written
    while (this.#synced < last) {
      this.#syncing ??= this.#syncPart().finally(() => {
        this.#syncing = undefined
        this.#closeIfSynced()
      })
      await this.#syncing
    }
  }

  async #syncPart(): Promise<void> {
    const last = this.#written
    const part = this.#part
    // A part that was rotated away meanwhile is on disk.
    const failure = part === undefined ? undefined : await syncLater(part.fd)
    this.#synced = last
    if (part !== undefined && part !== this.#part) close(part.fd)
    if (failure !== undefined) throw this.#failed('written', failure)
  }

  /** Closes the file unless it has rows to sync, or a sync is under way: that one closes it. */
  #closeIfSynced(): void {
    if (this.#part === undefined || this.#synced < this.#written || this.#syncing !== undefined) return
    close(this.#part.fd)
    this.#part = undefined
  }

  #open(): OpenPart {
    if (this.#part !== undefined) return this.#repaired(this.#part)
    if (!this.#isPrepared) this.#prepare()
    const opened = openToKeep(this.path, FILE_MODE)
    if (opened instanceof FsFailure) throw this.#failed('opened', opened)
    const size = Number(opened.stat.size)
    // Best effort: some file systems cannot sync a directory.
    if (size === 0) syncDirectory(dirname(this.path))
    this.#part = { fd: opened.fd, size, isTorn: size > 0 }
    return this.#repaired(this.#part)
  }

  #repaired(part: OpenPart): OpenPart {
    if (!part.isTorn) return part
    const found = fstat(part.fd)
    const size = found instanceof FsFailure ? found : repair(part.fd, Number(found.size))
    if (size instanceof FsFailure) {
      this.#closeIfSynced()
      throw this.#failed('repaired', size)
    }
    part.size = size
    part.isTorn = false
    return part
  }

  /** Removes a file of which every row was replayed, and measures the parts. */
  #prepare(): void {
    this.#measureParts()
    if (isAllReplayed(this.path)) remove(this.path)
    this.#isPrepared = true
  }

  #measureParts(): number[] {
    const numbers = partNumbers(this.path)
    if (numbers instanceof FsFailure) throw this.#failed('opened', numbers)
    this.#partsBytes = 0
    for (const number of numbers) {
      const found = stat(partPath(this.path, number))
      if (!(found instanceof FsFailure)) this.#partsBytes += Number(found.size)
    }
    return numbers
  }

  /** Makes a part of the file. Rows in it that are not on disk yet are synced first. */
  #rotate(part: OpenPart): void {
    const numbers = this.#measureParts()
    const failure = sync(part.fd) ?? rename(this.path, partPath(this.path, (numbers.at(-1) ?? 0) + 1))
    if (failure !== undefined) throw this.#failed('rotated', failure)
    this.#partsBytes += part.size
    this.#part = undefined
    // Else the sync that is under way closes it.
    if (this.#syncing === undefined) {
      this.#synced = this.#written
      close(part.fd)
    }
  }

  /** Looks whether a replay has removed parts; throws when there is still no room. */
  #makeRoom(part: OpenPart, bytes: number): void {
    this.#measureParts()
    if (this.#partsBytes + part.size + bytes <= this.limitBytes) return
    // Only parts can be removed by a replay while the agent runs.
    if (part.size > 0) this.#rotate(part)
    else this.#closeIfSynced()
    throw new ShipperError(
      'E_DEAD_LETTERS',
      `${this.path} has reached its Dead_Letter_Limit of ${this.limitBytes} bytes`,
      {
        retryable: true,
        hint: `make space with \`shipper dead-letters replay ${this.path}\`, move its rotated parts away, or raise Dead_Letter_Limit`,
      },
    )
  }

  #failed(verb: string, failure: FsFailure): ShipperError {
    const message = `${this.path} cannot be ${verb}: ${failure.message}`
    const hint = 'make it a file that this user may write, with free space; the records wait until then'
    return new ShipperError('E_DEAD_LETTERS', message, { retryable: true, hint })
  }
}

/** Ends an incomplete last line: removes it if it is a row. Returns the size of the file. */
function repair(fd: number, size: number): number | FsFailure {
  const last = Buffer.alloc(1)
  if (size === 0) return 0
  const got = read(fd, last, 0, 1, size - 1)
  if (got instanceof FsFailure) return got
  if (last[0] === NEWLINE) return size
  const start = lastLineStart(fd, size)
  if (start instanceof FsFailure) return start
  const head = Buffer.alloc(Math.min(ROW_START.length, size - start))
  const read1 = read(fd, head, 0, head.length, start)
  if (read1 instanceof FsFailure) return read1
  if (ROW_START.startsWith(head.toString('latin1'))) return truncate(fd, start) ?? start
  const ended = write(fd, Buffer.from([NEWLINE]))
  return ended instanceof FsFailure ? ended : size + 1
}

function lastLineStart(fd: number, size: number): number | FsFailure {
  const buf = Buffer.allocUnsafe(TAIL_BYTES)
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - TAIL_BYTES)
    const got = read(fd, buf, 0, end - start, start)
    if (got instanceof FsFailure) return got
    const newline = got === 0 ? -1 : buf.lastIndexOf(NEWLINE, got - 1)
    if (newline >= 0) return start + newline + 1
    end = start
  }
  return 0
}

function isAllReplayed(path: string): boolean {
  const opened = openFile(path)
  if (opened instanceof FsFailure) return false
  let read = 0
  try {
    for (const line of linesOf(opened.fd)) {
      if (line instanceof FsFailure || line.bytes === undefined || !isReplayed(line.bytes)) return false
      read = line.offset + line.bytes.length + 1
    }
    return read > 0 && read === Number(opened.stat.size)
  } finally {
    close(opened.fd)
  }
}
