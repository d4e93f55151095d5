import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import type { Places } from '../../core/places.ts'
import type { Logger } from '../../core/services.ts'
import { FsFailure, isMissing, remove } from '../fs/file-system.ts'
import { add, backlogIn } from './backlog.ts'
import { checksum } from './bytes.ts'
import { type DamageReport, keepUnread, regionsOf, setAside } from './damage.ts'
import { ENTRY, type EntryReader, type LocatedChunk, NOTHING } from './entry-reader.ts'
import { bufferError } from './failure.ts'
import type { FolderLock } from './folder-lock.ts'
import { GroupCommit } from './group-commit.ts'
import type { OpenFiles } from './open-files.ts'
import type { OutputStates } from './output-states.ts'
import { readPlaces } from './places-codec.ts'
import { compare, isPast, later } from './position.ts'
import type { Segment, SegmentList } from './segment.ts'
import type { SegmentWriter } from './segment-writer.ts'
import type { Backlog, OutputState, Position, SegmentLog, StoredChunk } from './types.ts'

/** Size up to which a last segment of which nothing is needed is kept, instead of a new one for the next chunk. */
const SMALL_BYTES = 1 << 20
/** State of an output that is no longer named: what it needs is in `pinned`. */
const PASSED: OutputState = { position: { segment: Number.POSITIVE_INFINITY, offset: 0 }, open: [] }

/** The end of any segment. */
const WHOLE = Number.POSITIVE_INFINITY

const NO_STATES: ReadonlyMap<string, OutputState> = new Map()

/** Parts of a log that was opened. */
interface LogParts {
  folder: string
  segments: SegmentList
  files: OpenFiles
  reader: EntryReader
  writer: SegmentWriter
  states: OutputStates
  /** Outputs that the log was opened with. */
  named: ReadonlySet<string>
  /** State of each output when the log was opened. */
  opened: ReadonlyMap<string, OutputState>
  /** Segments that an output which is no longer named needs. */
  pinned: ReadonlySet<Segment>
  unknownOutputs: ReadonlyMap<string, Backlog>
  damage: DamageReport
  /** Files whose header the disk could not read when the log was opened: the next run may be able to. */
  unread: readonly { readonly number: number; readonly path: string }[]
  deletesDamaged: boolean
  log: Logger
  lock: FolderLock
  /** Called once, with the error of all later calls, when another process may have used the folder. */
  onLost(error: ShipperError): void
}

export class FileSegmentLog implements SegmentLog {
  readonly folder: string
  readonly unknownOutputs: ReadonlyMap<string, Backlog>
  readonly #parts: LogParts
  readonly #syncs: GroupCommit
  readonly #deletions: GroupCommit
  #isClosed = false
  #unread: LogParts['unread']
  /** Set when another process may have used the folder: nothing may be written or acknowledged any more. */
  #lost: ShipperError | undefined

  constructor(parts: LogParts) {
    this.folder = parts.folder
    this.unknownOutputs = parts.unknownOutputs
    this.#parts = parts
    this.#unread = parts.unread
    this.#syncs = new GroupCommit(async () => {
      try {
        await parts.writer.sync()
        this.#verify()
      } catch (error) {
        throw this.#noted(error)
      }
    })
    this.#deletions = new GroupCommit(() => this.#deleteSettled())
  }

  get end(): Position {
    return this.#parts.writer.end
  }

  get synced(): Position {
    return this.#parts.writer.synced
  }

  get cuts(): number {
    return this.#parts.writer.cuts
  }

  get start(): Position {
    const { first } = this.#parts.segments
    return first === undefined ? this.end : { segment: first.number, offset: 0 }
  }

  get bytes(): number {
    return this.#parts.segments.all.reduce((sum, { fileBytes }) => sum + fileBytes, 0)
  }

  get segments(): number {
    return this.#parts.segments.all.length
  }

  append(chunk: Chunk, outputs: readonly string[]): StoredChunk {
    if (this.#isClosed) throw new ShipperError('E_BUFFER', `the buffer ${this.folder} is closed`)
    try {
      this.#verify()
      return this.#append(chunk, outputs)
    } catch (error) {
      throw this.#noted(error)
    }
  }

  #append(chunk: Chunk, outputs: readonly string[]): StoredChunk {
    const { writer, states, opened } = this.#parts
    for (const output of outputs) {
      const first = opened.get(output) ?? { position: this.end, open: [] }
      let failure = states.prepare(output, first)
      if (isMissing(failure)) failure = writer.restore() ?? states.prepare(output, first)
      if (failure !== undefined)
        throw bufferError('reserve space for the positions of outputs in', this.folder, failure)
    }
    return writer.append(chunk, outputs)
  }

  /**
   * Throws E_BUFFER_LOCKED when another process may have used the folder. Files that were removed, together with
   * the one of the lock, are written again.
   */
  #verify(): void {
    if (this.#lost !== undefined) throw this.#lost
    const { lock, writer, states } = this.#parts
    const { isHeld, state } = lock
    if (!isHeld) lock.ensure()
    if (!isHeld || state === 'held') return
    const isRemoved = lock.isFolderGone || writer.isRemoved || states.isGone
    if (state === 'replaced' || !isRemoved) throw lock.lostError()
    writer.restore()
  }

  /** Ends the log after E_BUFFER_LOCKED. Returns the error. */
  #noted(error: unknown): unknown {
    if (this.#lost !== undefined || !(error instanceof ShipperError) || error.code !== 'E_BUFFER_LOCKED')
      return error
    this.#lost = error
    this.#parts.onLost(error)
    return error
  }

  sync(): Promise<void> {
    const { writer, lock } = this.#parts
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    if (writer.isSynced && lock.isHeld && !this.#syncs.isRunning) return Promise.resolve()
    return this.#syncs.call()
  }

  stateOf(output: string): OutputState | undefined {
    return this.#parts.opened.get(output)
  }

  find(output: string, from: Position): StoredChunk | Position {
    const { segments, reader } = this.#parts
    const { synced } = this
    for (let i = segments.indexFrom(from.segment); i < segments.all.length; i++) {
      const segment = segments.all[i] as Segment
      if (segment.number > synced.segment) break
      const index = segment.table.indexOf(output)
      if (index === undefined || segment.totalOf(output) === undefined) continue
      const limit = segment.number === synced.segment ? Math.min(synced.offset, segment.end) : segment.end
      let offset = segment.first
      if (segment.number === from.segment && from.offset > offset) offset = from.offset
      while (offset < limit) {
        const isEntry = reader.load(segment, offset, limit) === ENTRY
        if (isEntry && !reader.isFor(index)) {
          offset = reader.next
          continue
        }
        const chunk = isEntry ? reader.chunk() : undefined
        if (chunk !== undefined) return chunk
        offset = this.#passDamage(segment, offset, limit)
      }
      this.#reportEnd(segment)
    }
    return later(from, synced)
  }

  /**
   * Reports the damaged part at `offset`, and returns the offset at which reading continues: a lower one if
   * `offset` was not the start of an entry.
   */
  #passDamage(segment: Segment, offset: number, limit: number): number {
    const { reader, damage } = this.#parts
    const regions = regionsOf(reader, segment)
    const region = regions.find((each) => each.offset <= offset && offset < each.end)
    if (region !== undefined) {
      damage.report(segment, region)
      return region.end
    }
    // A position that is not the start of an entry: the entry around it is sent again.
    for (let at = segment.first; at < offset; ) {
      const inside = regions.find((each) => each.offset === at && each.end > at)
      const next = inside?.end ?? (reader.load(segment, at, limit) === NOTHING ? limit : reader.next)
      if (next > offset) return inside === undefined && next < limit ? at : next
      at = next
    }
    damage.report(segment, {
      offset,
      end: limit,
      records: undefined,
      reason: 'the file was changed while it was read',
    })
    return limit
  }

  /** Reports records that are missing at the end of a segment. */
  #reportEnd(segment: Segment): void {
    const last = segment.regions?.at(-1)
    if (last !== undefined && last.offset === last.end) this.#parts.damage.report(segment, last)
  }

  read(chunk: StoredChunk, buf: Buffer, at: number): boolean {
    const { segments, files, damage } = this.#parts
    const { dataAt, dataCrc } = chunk as LocatedChunk
    const segment = segments.get(chunk.at.segment)
    if (segment === undefined) return false
    const got = files.read(segment, buf, at, chunk.bytes, dataAt)
    if (got === chunk.bytes && checksum(buf, at, at + got, segment.head.seed) === dataCrc) return true
    const reason = segment.isMissing ? 'the file is missing' : 'the records of a chunk are damaged'
    damage.report(segment, { offset: chunk.at.offset, end: chunk.next.offset, records: chunk.count, reason })
    return false
  }

  places(chunk: StoredChunk): Places | undefined {
    const { segments, files } = this.#parts
    const { dataAt, placesBytes } = chunk as LocatedChunk
    const segment = placesBytes === 0 ? undefined : segments.get(chunk.at.segment)
    if (segment === undefined) return undefined
    const buf = Buffer.allocUnsafe(placesBytes)
    const got = files.read(segment, buf, 0, placesBytes, dataAt - placesBytes)
    return got === placesBytes ? readPlaces(buf, chunk.count) : undefined
  }

  backlogOf(output: string, { position, open }: OutputState): Backlog {
    const { segments, reader } = this.#parts
    const sum: Backlog = { chunks: 0, records: 0, bytes: 0 }
    for (let i = segments.indexFrom(position.segment); i < segments.all.length; i++) {
      const segment = segments.all[i] as Segment
      const total = segment.totalOf(output)
      if (total === undefined) continue
      if (segment.number > position.segment || position.offset <= segment.first) add(sum, total)
      else add(sum, backlogIn(reader, segment, output, position.offset))
    }
    for (const at of open) {
      const segment = segments.get(at.segment)
      if (segment !== undefined && compare(at, position) < 0)
        add(sum, backlogIn(reader, segment, output, at.offset, 1))
    }
    return sum
  }

  commit(states: ReadonlyMap<string, OutputState>): void {
    // Without the lock another process may keep other states there.
    if (this.#isClosed || !this.#hasLock()) return
    this.#keepUnread(states)
    this.#parts.states.write(states)
    this.#leaveLast(SMALL_BYTES)
    if (this.#settled(this.#current).length > 0) void this.#deletions.call()
  }

  /** Renames what the disk could not read before the state of an output says that it has passed: the next run would delete it. */
  #keepUnread(states: ReadonlyMap<string, OutputState>): void {
    const { opened, deletesDamaged, log } = this.#parts
    if (deletesDamaged || this.#unread.length === 0) return
    const passes = (number: number): boolean =>
      [...states].some(
        ([output, state]) => !isPast(opened.get(output), number, WHOLE) && isPast(state, number, WHOLE),
      )
    this.#unread = this.#unread.filter(({ number, path }) => {
      if (!passes(number)) return true
      keepUnread(path, log)
      return false
    })
  }

  #hasLock(): boolean {
    try {
      this.#verify()
      return true
    } catch (error) {
      this.#noted(error)
      return false
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { writer, states, files, lock } = this.#parts
    try {
      if (this.#lost !== undefined) {
        // Nobody else has locked it: what is still open is all that is left of it.
        if (lock.state === 'gone' && writer.isRemoved) writer.restore()
        return
      }
      await this.sync()
      if (writer.isRemoved) writer.restore()
      if (!this.#hasLock()) return
      this.#leaveLast(0)
      writer.seal()
      states.writeTotals()
      await this.#deletions.call()
    } finally {
      files.closeAll()
      states.close()
      lock.release()
    }
  }

  /** Appends nothing more to the last segment if nothing of it is needed and it has this size, so that it can be deleted. */
  #leaveLast(minBytes: number): void {
    const { writer } = this.#parts
    const { active } = writer
    if (active === undefined || active.end < minBytes || !active.isSettled(this.#current)) return
    writer.release()
  }

  readonly #current = (output: string): OutputState | undefined =>
    this.#parts.named.has(output) ? this.#parts.states.current(output) : PASSED

  readonly #durable = (output: string): OutputState | undefined =>
    this.#parts.named.has(output) ? this.#parts.states.durable(output) : PASSED

  /** Returns the segments that no output needs. */
  #settled(stateOf: (output: string) => OutputState | undefined): Segment[] {
    const { segments, writer, pinned } = this.#parts
    const { synced } = writer
    return segments.all.filter((segment) => {
      if (segment === writer.active || pinned.has(segment)) return false
      if (compare({ segment: segment.number, offset: segment.end }, synced) > 0) return false
      return segment.isSettled(stateOf)
    })
  }

  /**
   * Deletes the segments that no output needs any more, once that is on disk. States that cannot be stored, as
   * on a full disk that copies on write, do not prevent it: otherwise nothing would ever free the space.
   * Without its segments a state that is too low does no harm.
   */
  async #deleteSettled(): Promise<void> {
    const { states, segments, files, reader, log } = this.#parts
    states.write(NO_STATES)
    if (this.#settled(this.#current).length === 0) return
    const isStored = (await states.sync()) && !states.hasUnwritten
    for (const segment of this.#settled(isStored ? this.#durable : this.#current)) {
      files.close(segment)
      reader.forget(segment)
      const failure = this.#discard(segment)
      if (failure instanceof FsFailure && failure.code !== 'ENOENT') {
        log.warn(bufferError(`delete ${segment.path} from`, this.folder, failure).message, {}, 'delete')
        continue
      }
      segments.delete(segment)
    }
    if (!isStored) states.write(NO_STATES)
  }

  #discard(segment: Segment): FsFailure | undefined {
    const { deletesDamaged, log, folder } = this.#parts
    if (!segment.isDamaged || deletesDamaged) return remove(segment.path)
    return setAside(folder, segment.path, log)
  }
}
