import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import type {
  Backlog,
  Damage,
  OutputState,
  Position,
  SegmentLog,
  StoredChunk,
} from '../../../src/lib/segments/types.ts'

interface Row {
  stored: StoredChunk
  outputs: readonly string[]
  payload: Buffer
  isDamaged: boolean
}

/** What survives the end of a process, with faults. */
export interface BenchDisk {
  /** Number of calls of `append` that fail, and of `sync`. */
  appendFails: number
  syncFails: number
  /** Returns the disk for the next process: what the one that was killed still does is not seen there. */
  copy(isPowerLost: boolean): BenchDisk
  open(outputs: readonly string[], damaged: (damage: Damage) => void): BenchLog
  /** Number of segments that were not deleted. */
  readonly segmentsLeft: number
}

/** A log whose syncs can be held back. */
export interface BenchLog extends SegmentLog {
  holdsSyncs: boolean
  /** Ends the syncs that are held. */
  release(): void
  /** Resolves when the syncs that are under way have ended. */
  idle(): Promise<void>
}

/** What survives the end of a process: rows of segments, and the states of outputs. */
export class MemoryDisk implements BenchDisk {
  rows: Row[] = []
  states = new Map<string, OutputState>()
  segment = 0
  /** Every segment before it is deleted. */
  firstSegment = 1
  appendFails = 0
  syncFails = 0
  commits = 0
  syncs = 0
  /** Number of calls that read that fail. */
  readFails = 0
  /** Whether all of a kind fail: as on a disk with errors, or without descriptors. */
  finds: 'work' | 'fail' = 'work'
  reads: 'work' | 'fail' = 'work'

  #log: MemorySegments | undefined

  open(outputs: readonly string[], damaged: (damage: Damage) => void): MemorySegments {
    this.#log = new MemorySegments(this, outputs, damaged)
    return this.#log
  }

  get segmentsLeft(): number {
    return this.rows.length
  }

  copy(isPowerLost: boolean): MemoryDisk {
    if (isPowerLost) this.#log?.cut()
    const copy = new MemoryDisk()
    copy.rows = this.rows.map((row) => ({ ...row }))
    copy.states = new Map(this.states)
    copy.segment = this.segment
    copy.firstSegment = this.firstSegment
    return copy
  }

  checkRead(kind: 'finds' | 'reads'): void {
    if (this[kind] === 'fail') throw readFailure('EMFILE')
    if (this.readFails === 0) return
    this.readFails--
    throw readFailure('EIO')
  }

  damage(index: number): void {
    const row = this.rows[index]
    if (row !== undefined) row.isDamaged = true
  }
}

/** Rows in a segment; a row has the size 10. */
const SEGMENT_ROWS = 4
const ROW_BYTES = 10

/** A log of segments in memory, with faults. A sync takes until the next turn, or until `release` while `holdsSyncs`. */
export class MemorySegments implements BenchLog {
  readonly folder = '/buffer'
  readonly unknownOutputs = new Map<string, Backlog>()
  readonly #disk: MemoryDisk
  readonly #outputs: readonly string[]
  readonly #damaged: (damage: Damage) => void
  #end: Position
  #synced: Position
  holdsSyncs = false
  isClosed = false
  cuts = 0
  #held: (() => void)[] = []

  constructor(disk: MemoryDisk, outputs: readonly string[], damaged: (damage: Damage) => void = () => {}) {
    this.#disk = disk
    this.#outputs = outputs
    this.#damaged = damaged
    this.#end = { segment: ++disk.segment, offset: 0 }
    this.#synced = this.#end
  }

  get end(): Position {
    return this.#end
  }
  get synced(): Position {
    return this.#synced
  }
  get start(): Position {
    return { segment: this.#disk.firstSegment, offset: 0 }
  }
  get bytes(): number {
    return this.#disk.rows.length * ROW_BYTES
  }
  get segments(): number {
    return new Set(this.#disk.rows.map(({ stored }) => stored.at.segment)).size
  }

  append(chunk: Chunk, outputs: readonly string[]): StoredChunk {
    if (outputs.length === 0 || outputs.some((name) => !this.#outputs.includes(name)))
      throw new Error(`bad outputs: ${outputs.join()}`)
    if (this.isClosed) throw new Error('the log is closed')
    if (this.#disk.appendFails > 0) {
      this.#disk.appendFails--
      throw failure('ENOSPC')
    }
    if (this.#end.offset >= SEGMENT_ROWS * ROW_BYTES) this.#end = { segment: ++this.#disk.segment, offset: 0 }
    const at = this.#end
    const next = { segment: at.segment, offset: at.offset + ROW_BYTES }
    const { tag, input, id, count, size, hasMetadata, origins } = chunk
    const stored = { at, next, tag, input, id, count, bytes: size, hasMetadata, origins, storedMs: 0 }
    this.#disk.rows.push({ stored, outputs, payload: Buffer.from(chunk.entries()), isDamaged: false })
    this.#end = next
    return stored
  }

  async sync(): Promise<void> {
    const end = this.#end
    this.#disk.syncs++
    if (this.holdsSyncs) await new Promise<void>((resolve) => this.#held.push(resolve))
    else await new Promise<void>((resolve) => setImmediate(resolve))
    if (this.#disk.syncFails > 0) {
      this.#disk.syncFails--
      this.cut()
      throw failure('EIO')
    }
    this.#synced = end
  }

  async idle(): Promise<void> {}

  release(): void {
    for (const resolve of this.#held.splice(0)) resolve()
  }

  /** Removes what was not synced, as a failed sync or a power failure does. */
  cut(): void {
    this.cuts++
    this.#disk.rows = this.#disk.rows.filter(({ stored }) => isBefore(stored.at, this.#synced))
    this.#end = { segment: ++this.#disk.segment, offset: 0 }
    this.#synced = this.#end
  }

  stateOf(output: string): OutputState | undefined {
    return this.#disk.states.get(output)
  }

  find(output: string, from: Position): StoredChunk | Position {
    this.#disk.checkRead('finds')
    for (const row of this.#disk.rows) {
      const { at } = row.stored
      if (isBefore(at, from) || !isBefore(at, this.#synced) || !row.outputs.includes(output)) continue
      return row.stored
    }
    return isBefore(from, this.#synced) ? this.#synced : from
  }

  read({ at }: StoredChunk, buf: Buffer, to: number): boolean {
    this.#disk.checkRead('reads')
    const row = this.#disk.rows.find(({ stored }) => isSame(stored.at, at))
    if (row === undefined) throw new Error(`the chunk at ${at.segment}:${at.offset} was deleted`)
    if (row.isDamaged) {
      this.#damaged({
        path: 'seg',
        offset: at.offset,
        end: at.offset + 1,
        records: row.stored.count,
        reason: 'bad',
      })
      return false
    }
    row.payload.copy(buf, to)
    return true
  }

  backlogOf(output: string, { position, open }: OutputState): Backlog {
    this.#disk.checkRead('finds')
    const backlog = { chunks: 0, records: 0, bytes: 0 }
    for (const { stored, outputs } of this.#disk.rows) {
      const isOpen = !isBefore(stored.at, position) || open.some((at) => isSame(at, stored.at))
      if (!isOpen || !outputs.includes(output)) continue
      backlog.chunks++
      backlog.records += stored.count
      backlog.bytes += stored.bytes
    }
    return backlog
  }

  commit(states: ReadonlyMap<string, OutputState>): void {
    this.#disk.commits++
    for (const [name, state] of states) {
      for (const at of state.open)
        if (!isBefore(at, state.position)) throw new Error('an open chunk is not before the position')
      this.#disk.states.set(name, state)
    }
    const needed = this.#outputs.map((name) => {
      const state = this.#disk.states.get(name) ?? { position: this.start, open: [] }
      return Math.min(state.position.segment, ...state.open.map(({ segment }) => segment))
    })
    this.#disk.firstSegment = Math.max(this.#disk.firstSegment, Math.min(...needed))
    const isIdle = this.#outputs.every((name) => {
      const state = this.#disk.states.get(name)
      return state !== undefined && state.open.length === 0 && isSame(state.position, this.#end)
    })
    this.#disk.rows = isIdle
      ? []
      : this.#disk.rows.filter(({ stored }) => stored.at.segment >= this.#disk.firstSegment)
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.release()
  }
}

function failure(errno: string): ShipperError {
  return new ShipperError('E_BUFFER', `cannot write to /buffer: ${errno}`, { retryable: true })
}

function readFailure(errno: string): ShipperError {
  return new ShipperError('E_BUFFER', `cannot read a segment of /buffer: ${errno}`, { retryable: true })
}

function isBefore(a: Position, b: Position): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset)
}

function isSame(a: Position, b: Position): boolean {
  return a.segment === b.segment && a.offset === b.offset
}
