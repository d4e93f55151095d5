import { randomBytes } from 'node:crypto'
import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import type { Logger } from '../../core/services.ts'
import {
  close,
  createFile,
  FsFailure,
  isMissing,
  remove,
  syncDataLater,
  syncDirectoryLater,
  truncate,
} from '../fs/file-system.ts'
import { ByteWriter, MAX_SEGMENT } from './bytes.ts'
import { encodeEntry, MAX_META_BYTES } from './entry-codec.ts'
import type { EntryReader, LocatedChunk } from './entry-reader.ts'
import { bufferError } from './failure.ts'
import { isInPlace } from './in-place.ts'
import type { OpenFiles } from './open-files.ts'
import { compare } from './position.ts'
import { restoreSegments } from './restore-segments.ts'
import { Segment, type SegmentList, segmentPath, type Table } from './segment.ts'
import { encodeFooter, encodeHeader } from './segment-codec.ts'
import type { Passed } from './state-file.ts'
import type { Backlog, Position } from './types.ts'
import { writeAll } from './write-all.ts'

/** Data up to this size are copied after the meta: cheaper than a write of two parts. */
const MAX_COPIED_BYTES = 8192
/** Largest size of a segment in bytes: offsets have 32 bits. */
const MAX_SEGMENT_BYTES = 0xffff_ffff
const REMOVED = new FsFailure('ENOENT', 'a file or its folder was removed or renamed while it was in use')
/** Maximum number of existing files with the next numbers that are skipped for a new segment. */
const MAX_ATTEMPTS = 100

interface WriterInit {
  folder: string
  table: Table
  segments: SegmentList
  files: OpenFiles
  reader: EntryReader
  log: Logger
  /** Called before files are written again. Throws E_BUFFER_LOCKED when another process may use the folder. */
  mayRestore(): void
  /**
   * Called when files of the folder were removed or renamed by someone else, and the folder is there again.
   * Throws E_BUFFER when it may not be used.
   */
  onRemoved(): void
  /** Size from which a segment is full. */
  segmentBytes: number
  /** Number of the first segment. */
  number: number
  /** Number of records that were written to the log before, and of those for each output of the table. */
  records: number
  recordsOf: number[]
}

interface Unsynced {
  chunk: LocatedChunk
  segment: Segment
  routes: readonly number[]
}

/** Appends entries to the last segment, begins new ones, and cuts off what could not be synced. */
export class SegmentWriter {
  end: Position
  synced: Position
  /** See SegmentLog. */
  cuts = 0
  readonly #init: WriterInit
  #active: Segment | undefined
  #number: number
  #records: number
  #syncedRecords: number
  readonly #recordsOf: number[]
  /** Segments with entries that were not synced. */
  #dirty: Segment[] = []
  #unsynced: Unsynced[] = []
  #isFolderDirty = false
  readonly #out = new ByteWriter(MAX_COPIED_BYTES + 1024)

  constructor(init: WriterInit) {
    this.#init = init
    this.#number = init.number
    this.#recordsOf = init.recordsOf
    this.#records = this.#syncedRecords = init.records
    this.end = this.synced = { segment: init.number, offset: 0 }
  }

  /** Segment that the next chunk is appended to if it is not full. */
  get active(): Segment | undefined {
    return this.#active
  }

  /** Returns what is on disk. */
  syncedOf(output: string): Passed {
    const route = this.#init.table.indexOf(output)
    if (route === undefined) return { before: this.#syncedRecords, own: 0 }
    const unsynced = this.#unsynced.reduce(
      (sum, { routes, chunk }) => sum + (routes.includes(route) ? chunk.count : 0),
      0,
    )
    return { before: this.#syncedRecords, own: (this.#recordsOf[route] as number) - unsynced }
  }

  /** Returns what was written to the log until now. */
  readonly written = (output: string): Passed => {
    const route = this.#init.table.indexOf(output)
    return { before: this.#records, own: route === undefined ? 0 : (this.#recordsOf[route] as number) }
  }

  get isSynced(): boolean {
    return this.end === this.synced
  }

  append(chunk: Chunk, outputs: readonly string[]): LocatedChunk {
    const routes = outputs.map((name) => this.#routeOf(name))
    const segment = this.#segmentWithRoom()
    const data = chunk.buf.subarray(chunk.start, chunk.end)
    const offset = segment.end
    const nowMs = Date.now()
    const { dataCrc, placesBytes } = encodeEntry(this.#out, chunk, data, routes, {
      head: segment.head,
      offset,
      before: this.#records,
      nowMs,
    })
    const dataAt = offset + this.#out.at
    const next = dataAt + data.length
    if (this.#out.at > MAX_META_BYTES || next > MAX_SEGMENT_BYTES)
      throw new ShipperError(
        'E_BUFFER',
        `cannot write a chunk of ${data.length} bytes with the tag ${chunk.tag} to the buffer ${this.#init.folder}: it is too large`,
      )
    const failure = this.#write(segment, data)
    if (failure !== undefined) throw bufferError('write to', this.#init.folder, failure)
    segment.end = segment.fileBytes = next
    for (const route of routes) {
      segment.count(route, chunk.count, data.length)
      this.#recordsOf[route] = (this.#recordsOf[route] as number) + chunk.count
    }
    segment.records = (segment.records ?? 0) + chunk.count
    this.#records += chunk.count
    const { tag, input, id, count, hasMetadata, origins } = chunk
    const { number } = segment
    this.end = { segment: number, offset: next }
    const texts = { tag, input, id, count, bytes: data.length, hasMetadata, origins, storedMs: nowMs }
    const at = { segment: number, offset }
    const stored = { at, next: this.end, ...texts, dataAt, dataCrc, placesBytes }
    this.#unsynced.push({ chunk: stored, segment, routes })
    if (!this.#dirty.includes(segment)) this.#dirty.push(segment)
    return stored
  }

  #routeOf(name: string): number {
    const route = this.#init.table.indexOf(name)
    if (route === undefined) throw new Error(`the log was not opened with the output ${name}`)
    return route
  }

  /** Writes meta and data at the end of the segment. Nothing of it is left after a failure. */
  #write(segment: Segment, data: Buffer): FsFailure | undefined {
    const out = this.#out
    const fd = this.#init.files.fdOf(segment)
    let parts: Buffer[] = [out.buf.subarray(0, out.at), data]
    if (data.length <= MAX_COPIED_BYTES) {
      out.reserve(data.length)
      data.copy(out.buf, out.at)
      parts = [out.buf.subarray(0, out.at + data.length)]
    }
    const failure = writeAll(fd, parts, segment.end)
    if (failure !== undefined && truncate(fd, segment.end) !== undefined) this.#leave(segment)
    return failure
  }

  #segmentWithRoom(): Segment {
    const active = this.#active
    if (active !== undefined && active.end < this.#init.segmentBytes) return active
    if (active !== undefined) this.seal()
    return this.#create()
  }

  #create(): Segment {
    const { folder, table, segments, files } = this.#init
    const failed = (failure: FsFailure): ShipperError => bufferError('create a segment in', folder, failure)
    if (this.#number >= MAX_SEGMENT)
      throw new ShipperError('E_BUFFER', `the buffer ${folder} has no number left for a segment`, {
        hint: 'stop the agent, and move the file with the highest number away',
      })
    for (let i = 0; i < MAX_ATTEMPTS; i++) {
      const path = segmentPath(folder, this.#number)
      const fd = createFile(path, 0o600)
      if (fd instanceof FsFailure) {
        // The folder was removed.
        const failure = isMissing(fd) ? this.restore() : fd
        if (failure !== undefined && failure.code !== 'EEXIST') throw failed(failure)
        if (fd.code === 'EEXIST') this.#number++
        continue
      }
      const random = randomBytes(8)
      const [mark, seed] = [random.readUInt32LE(0), random.readUInt32LE(4)]
      const beforeOf = [...this.#recordsOf]
      const head = { number: this.#number, before: this.#records, mark, seed, table: table.names, beforeOf }
      const header = encodeHeader(head, Date.now())
      const failure = writeAll(fd, [header, header], 0)
      if (failure !== undefined) {
        close(fd)
        remove(path)
        throw failed(failure)
      }
      const segment = new Segment(head, table, path)
      files.keep(segment, fd)
      segments.all.push(segment)
      this.#number++
      this.#active = segment
      this.#dirty.push(segment)
      this.#isFolderDirty = true
      return segment
    }
    throw failed(new FsFailure('EEXIST', `files with the next ${MAX_ATTEMPTS} numbers exist`))
  }

  /** Appends nothing more to the last segment. */
  #leave(segment: Segment): void {
    this.#active = undefined
    if (!this.#dirty.includes(segment)) this.#init.files.release(segment)
  }

  /** Ends the last segment. Without its footer, which a full disk may prevent, the next run reads it as a whole. */
  seal(): void {
    const segment = this.#active
    if (segment === undefined) return
    const { files } = this.#init
    const footer = footerOf(segment)
    const fd = files.fdOf(segment)
    if (writeAll(fd, [footer], segment.end) === undefined) segment.fileBytes = segment.end + footer.length
    else truncate(fd, segment.end)
    // Its entries are synced by `sync`: what is left of a footer by a power failure is no footer.
    this.#leave(segment)
  }

  /** Syncs what was appended until now. Rejects when that cannot be known, and cuts off all that was not synced. */
  async sync(): Promise<void> {
    const { end } = this
    const records = this.#records
    const dirty = this.#dirty.map((segment) => ({ segment, end: segment.end }))
    const count = this.#unsynced.length
    const failure = (await this.#syncFiles(dirty.map(({ segment }) => segment))) ?? this.#findRemoved(dirty)
    if (failure !== undefined) {
      this.#cut(isMissing(failure))
      if (isMissing(failure)) this.restore()
      throw bufferError('sync', this.#init.folder, failure)
    }
    this.synced = end
    this.#syncedRecords = records
    this.#unsynced.splice(0, count)
    const isDone = new Set(
      dirty.filter(({ segment, end }) => segment.end === end).map(({ segment }) => segment),
    )
    this.#dirty = this.#dirty.filter((segment) => !isDone.has(segment))
    for (const segment of isDone) if (segment !== this.#active) this.#init.files.release(segment)
  }

  /** Returns a failure when a file that was synced is not there any more. */
  #findRemoved(synced: readonly { segment: Segment }[]): FsFailure | undefined {
    const { files } = this.#init
    const isThere = ({ segment }: { segment: Segment }): boolean =>
      isInPlace(files.fdOf(segment), segment.path)
    return synced.every(isThere) ? undefined : REMOVED
  }

  /** True when a file that is open was removed or renamed by someone else. */
  get isRemoved(): boolean {
    return this.#init.files.removed().length > 0
  }

  /** Writes what was removed by someone else again, as far as it is in files that are open, and makes the folder. */
  restore(): FsFailure | undefined {
    this.#init.mayRestore()
    const failure = restoreSegments(this.#init)
    this.#init.onRemoved()
    return failure
  }

  async #syncFiles(segments: readonly Segment[]): Promise<FsFailure | undefined> {
    const { files, folder } = this.#init
    for (const segment of segments) {
      const failure = await syncDataLater(files.fdOf(segment))
      if (failure !== undefined) return failure
    }
    if (!this.#isFolderDirty) return undefined
    this.#isFolderDirty = false
    return syncDirectoryLater(folder)
  }

  /**
   * Removes all that was not synced: it is no part of the log any more. What a failure leaves is read again by
   * the next run. `isRemoved`: nothing has failed but that a file is gone. The last segment is appended to again
   * then: with a new one for each removal there would soon be more than can be kept open.
   */
  #cut(isRemoved: boolean): void {
    this.cuts++
    let active: Segment | undefined
    const { segments, files, reader } = this.#init
    const touched = new Set(this.#unsynced.map(({ segment }) => segment))
    for (const { segment, chunk, routes } of this.#unsynced) {
      for (const route of routes) {
        segment.count(route, chunk.count, chunk.bytes, -1)
        this.#recordsOf[route] = (this.#recordsOf[route] as number) - chunk.count
      }
      segment.records = (segment.records ?? 0) - chunk.count
    }
    for (const segment of new Set([...touched, ...this.#dirty])) {
      reader.forget(segment)
      const keeps = segment.number === this.synced.segment && this.synced.offset > segment.first
      segment.end = segment.fileBytes = keeps ? this.synced.offset : segment.first
      truncate(files.fdOf(segment), segment.end)
      if (keeps) {
        // It stays open: if its file was removed, this is all that is left of it.
        if (isRemoved && segment === this.#active) active = segment
        else files.release(segment)
        continue
      }
      const isOwn = isInPlace(files.fdOf(segment), segment.path)
      files.close(segment)
      if (isOwn) remove(segment.path)
      segments.delete(segment)
    }
    this.#active = active
    this.#isFolderDirty = true
    this.#dirty = []
    this.#unsynced = []
    this.#records = this.#syncedRecords
    this.end = this.synced
  }

  /** Releases the last segment, so that it can be deleted. Returns true when it is synced and nothing else has to be. */
  release(): boolean {
    if (this.#dirty.length > 0 || compare(this.end, this.synced) !== 0) return false
    if (this.#active !== undefined) this.#init.files.release(this.#active)
    this.#active = undefined
    return true
  }
}

export function footerOf(segment: Segment): Buffer {
  const { head, end, records, totals } = segment
  const none: Backlog = { chunks: 0, records: 0, bytes: 0 }
  return encodeFooter({
    head,
    end,
    records: records ?? 0,
    totals: head.table.map((_, i) => totals.get(i) ?? none),
  })
}
