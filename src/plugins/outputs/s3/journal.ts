import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { messageOf, ShipperError } from '../../../core/error.ts'
import type { Logger } from '../../../core/services.ts'
import {
  close,
  FsFailure,
  isMissing,
  lstat,
  makeDirectories,
  NOT_A_FILE,
  namesIn,
  openToKeep,
  readRegular,
  remove,
  rename,
  syncDirectoryLater,
  syncLater,
  TOO_LARGE,
  truncate,
  write,
} from '../../../lib/fs/file-system.ts'
import { KnownIds } from './id-set.ts'
import type { ObjectKey } from './object-key.ts'

/** A part of a multipart upload that S3 has. */
export interface UploadedPart {
  number: number
  etag: string
}

/**
 * What is known about an object, before the step that it describes.
 *
 * - `begun`: an upload under this key is to be created, or is in flight; nothing makes an object of it
 * - `sealed`: the request that makes the object may have been sent. From here on these records are in the object with this key, or
 *   in none
 */
export interface ObjectRow extends ObjectKey {
  state: 'begun' | 'sealed'
  uploadId?: string | undefined
  parts?: UploadedPart[] | undefined
  /** Size of a sealed object. */
  bytes?: number | undefined
}

export interface LoadedRow {
  id: number
  row: ObjectRow
  /** True when the object exists: it is kept until the inputs have stored that they need not read its records again. */
  isStored: boolean
  /** Records of the object; undefined for one that is `begun`. */
  ids: KnownIds | undefined
  /** Encoded ids. */
  encoded: Buffer
}

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const MAX_ROW_BYTES = 64_000_000
const MAX_INDEX_BYTES = 32
const INDEX_FILE = 'index'
/** Errors for a path that has no readable row. */
const NO_ROW = new Set([NOT_A_FILE, TOO_LARGE, 'EISDIR', 'ENXIO', 'ELOOP', 'ENOENT'])
const ROW_NAME = /^(\d+)\.(object|stored)$/

/**
 * The rows of the objects that are being made, each in its own file, which is replaced atomically:
 *
 * ```
 *   FOLDER/7.object   SHA-256 of what follows LF JSON of the row LF ids, see IdSet
 *   FOLDER/7.stored   the same, renamed: the object exists
 *   FOLDER/index      the next number for `$INDEX`, in decimal digits
 * ```
 * Each row names its destination. What is of another one is left unchanged.
 *
 * Without a folder nothing survives a restart.
 */
export class Journal {
  readonly #folder: string | undefined
  readonly #log: Logger
  readonly #destination: string
  #next = 1
  #index = 0

  /** `destination`: server, bucket and key format, in words. */
  constructor(folder: string | undefined, log: Logger, destination = '') {
    this.#folder = folder
    this.#log = log
    this.#destination = destination
  }

  /** Next number for `$INDEX`. One that is too low costs requests, because the keys exist. */
  get nextIndex(): number {
    return this.#index
  }

  keepIndex(next: number): void {
    this.#index = next
    if (this.#folder === undefined) return
    const path = join(this.#folder, INDEX_FILE)
    const opened = openToKeep(`${path}.new`, FILE_MODE)
    if (opened instanceof FsFailure) return
    const bytes = Buffer.from(`${next}\n`)
    const isWritten = truncate(opened.fd, 0) === undefined && write(opened.fd, bytes) === bytes.length
    close(opened.fd)
    if (isWritten) rename(`${path}.new`, path)
  }

  /** False when nothing is written to disk. */
  get isKept(): boolean {
    return this.#folder !== undefined
  }

  /** Reads the rows of earlier runs, one at a time; corrupt ones are renamed and logged. */
  *open(): Iterable<LoadedRow> {
    const folder = this.#folder
    if (folder === undefined) return
    const made = makeDirectories(folder, FOLDER_MODE)
    if (made !== undefined) throw this.#failure(folder, made)
    const names = namesIn(folder)
    if (names instanceof FsFailure) throw this.#failure(folder, names)
    this.#index = readIndex(join(folder, INDEX_FILE))
    // In the order of their numbers.
    for (const name of names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))) {
      const [, number, suffix] = ROW_NAME.exec(name) ?? []
      if (number === undefined) continue
      const id = Number(number)
      this.#next = Math.max(this.#next, id + 1)
      const path = join(folder, name)
      const row = this.#read(path)
      if (row === undefined) continue
      const { to = '' } = row.row as Addressed
      if (to === this.#destination) yield { id, isStored: suffix === 'stored', ...row }
    }
  }

  /** Reads the set of ids of a row again; undefined when it does not exist or is corrupt, which was logged. */
  idsOf(id: number): KnownIds | undefined {
    if (this.#folder === undefined) return undefined
    const path = this.#pathOf(this.#folder, id)
    for (const each of [path.replace(/object$/, 'stored'), path])
      if (!isMissing(lstat(each))) return this.#read(each)?.ids
    this.#log.error(`${path} was removed: records of one object may be duplicated`, {
      code: 'E_OUTPUT_WRITE',
    })
    return undefined
  }

  #read(path: string): Pick<LoadedRow, 'row' | 'ids' | 'encoded'> | undefined {
    const content = readRegular(path, MAX_ROW_BYTES)
    if (content instanceof FsFailure && !NO_ROW.has(content.code)) throw this.#failure(path, content)
    try {
      if (content instanceof FsFailure) throw new Error(content.message)
      const end = content.indexOf(10)
      const rest = content.subarray(end + 1)
      if (end < 0 || content.toString('latin1', 0, end) !== sumOf([rest]))
        throw new Error('its checksum is wrong')
      const at = rest.indexOf(10)
      const row = JSON.parse(rest.toString('utf8', 0, at)) as ObjectRow
      row.isUnique ??= row.objectId === undefined
      const encoded = rest.subarray(at + 1)
      return { row, ids: row.state === 'begun' ? undefined : new KnownIds(encoded), encoded }
    } catch (error) {
      rename(path, `${path}.corrupt`)
      this.#log.error(`${path} is corrupt: records of one object may be duplicated: ${messageOf(error)}`, {
        code: 'E_OUTPUT_WRITE',
        hint: 'check the disk; the file was renamed to *.corrupt',
      })
      return undefined
    }
  }

  /** Returns the number of a new row. */
  newId(): number {
    return this.#next++
  }

  /** Resolves when the row is on disk. Rejects with a retryable E_OUTPUT_WRITE. */
  async put(id: number, row: ObjectRow, ids?: Buffer): Promise<void> {
    if (this.#folder === undefined) return
    const body = [
      Buffer.from(`${JSON.stringify({ to: this.#destination, ...row })}\n`),
      ...(ids === undefined ? [] : [ids]),
    ]
    await this.#replace(this.#pathOf(this.#folder, id), [Buffer.from(`${sumOf(body)}\n`), ...body])
  }

  /** Notes that the object of a sealed row exists. After a failure the next start asks S3. */
  stored(id: number): void {
    if (this.#folder === undefined) return
    const path = this.#pathOf(this.#folder, id)
    rename(path, path.replace(/object$/, 'stored'))
  }

  /** Removes a row. A failure only makes the next start longer. */
  remove(id: number): void {
    if (this.#folder === undefined) return
    const path = this.#pathOf(this.#folder, id)
    remove(path)
    remove(path.replace(/object$/, 'stored'))
  }

  #pathOf(folder: string, id: number): string {
    return join(folder, `${id}.object`)
  }

  async #replace(path: string, parts: readonly Buffer[]): Promise<void> {
    const next = `${path}.new`
    let opened = openToKeep(next, FILE_MODE)
    if (isMissing(opened) && makeDirectories(dirname(path), FOLDER_MODE) === undefined) {
      const message = `the folder ${dirname(path)} was removed while in use, and was recreated`
      const hint =
        'do not remove it: after a crash records of the objects that it described may be duplicated'
      this.#log.error(message, { code: 'E_OUTPUT_WRITE', hint })
      opened = openToKeep(next, FILE_MODE)
    }
    if (opened instanceof FsFailure) throw this.#failure(next, opened)
    let failure = truncate(opened.fd, 0)
    for (const part of parts)
      for (let at = 0; failure === undefined && at < part.length; ) {
        const written = write(opened.fd, part, at)
        if (written instanceof FsFailure) failure = written
        else at += written
      }
    failure ??= await syncLater(opened.fd)
    close(opened.fd)
    failure ??= rename(next, path)
    if (failure !== undefined) throw this.#failure(path, failure)
    // Best effort: some file systems cannot sync a directory.
    await syncDirectoryLater(this.#folder as string)
  }

  #failure(path: string, { message }: FsFailure): ShipperError {
    return new ShipperError('E_OUTPUT_WRITE', `cannot write the state of objects in ${path}: ${message}`, {
      retryable: true,
      scope: 'peer',
      hint: 'let this user write to the folder of the offset database, and free space there',
    })
  }
}

/** A row as it is on disk. */
interface Addressed {
  to?: string
}

function readIndex(path: string): number {
  const content = readRegular(path, MAX_INDEX_BYTES)
  const index = content instanceof FsFailure ? 0 : Number(content.toString('latin1'))
  return Number.isSafeInteger(index) && index > 0 ? index : 0
}

function sumOf(parts: readonly Buffer[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
