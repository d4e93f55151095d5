import { createHash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { hostname } from 'node:os'
import type { BufferSource } from '../../core/buffer-source.ts'
import { Chunk, headRoom, TAIL_ROOM } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { Places } from '../../core/places.ts'
import type { Plan } from '../../core/plan.ts'
import type { Outcome } from '../../core/plugin.ts'
import { Assembly } from '../../engine/assembly.ts'
import { systemClock } from '../../engine/clock.ts'
import type { Keeper } from '../../engine/dead-letters/dead-letters.ts'
import { loadParts, type Parts } from '../../engine/parts.ts'
import { Receipt } from '../../engine/receipt.ts'
import { settlesWithin } from '../../lib/async/sleep.ts'
import type { RowFile } from '../../lib/dead-letters/files.ts'
import { type DeadLetter, markReplayed } from '../../lib/dead-letters/row.ts'
import { close, FsFailure, openToUpdate, remove, stat, sync } from '../../lib/fs/file-system.ts'
import { createLog } from '../../observe/log/log.ts'
import { takeLock } from '../../store/agent-lock.ts'
import { loadSqlite } from '../../store/driver.ts'
import { filesAt, recordOf, rowsIn, rowsOf } from './rows.ts'

/** Maximum size of a chunk, and of the chunks that wait for an acknowledgement. */
const MAX_CHUNK_BYTES = 1_000_000
const MAX_CHUNK_ROWS = 10_000
const MAX_OPEN_CHUNKS = 8
/** The same for rows of filters, each of which is a chunk. */
const MAX_OPEN_ROWS = 256
const MAX_UNSYNCED_ROWS = 1000
const MAX_ABORT_MS = 500

interface ReplayOptions {
  /** File of rows, with its parts. */
  path: string
  /** Name of the output for all rows, past all filters; default: the output or filter that is named in each row. */
  output: string | undefined
  version: string
}

interface ReplayResult {
  replayed: number
  /** Rows that were sent and refused again, with the reason of the last. */
  refused: number
  reason: string
  /** Rows whose output or filter is not in the configuration, and its name. */
  unknown: number
  unknownNames: string[]
  /** Lines that are no rows of this version. */
  unreadable: number
  /** Rows that are left because the replay was stopped. */
  left: number
  /** Parts that were removed, as all of their rows are replayed. */
  removed: string[]
}

/**
 * Sends the rows of a dead-letter file to their outputs, past the filters, and marks in the file what was
 * delivered. Rows of a filter go through it again, and on to the filters and outputs that follow it. The agent may run: it appends to the file and renames it, and this marks rows that are complete and
 * removes parts that are not appended to. Two replays of a file at the same time are excluded by a lock. A kill between
 * an acknowledgement and its mark sends the rows of that chunk again.
 */
export async function replayLetters(plan: Plan, options: ReplayOptions): Promise<ReplayResult> {
  const found = stat(options.path)
  if (!(found instanceof FsFailure) && found.isDirectory())
    throw new ShipperError('E_CLI_USAGE', `cannot replay ${options.path}: it is a directory`, {
      hint: 'name one of the files in it; `shipper dead-letters list` shows them',
    })
  const files = filesAt(options.path)
  const lock = await lockFile(options.path)
  try {
    const needed = neededPlan(plan, files, options)
    const replay = new Replay(needed, options, await loadParts(needed))
    return await replay.run()
  } finally {
    lock.release()
  }
}

async function lockFile(path: string): Promise<{ release(): void }> {
  try {
    return takeLock(await loadSqlite(), path)
  } catch (error) {
    if (!(error instanceof ShipperError) || error.code !== 'E_STORE_LOCKED') throw error
    throw new ShipperError('E_CLI_USAGE', `${path} is being replayed by another process`, {
      hint: 'wait until it has ended',
      cause: error,
    })
  }
}

/** Returns what a replay runs: all of the plan for rows of filters, else only the outputs. */
function neededPlan(plan: Plan, files: readonly RowFile[], { output }: ReplayOptions): Plan {
  const named = new Set<string>(output === undefined ? [] : [output])
  if (output === undefined)
    for (const { path } of files)
      for (const { row, isReplayed } of rowsIn(path)) {
        if (row === undefined || isReplayed) continue
        if (isOfFilter(row)) return plan
        named.add(row.output)
      }
  const { routing: _, ...rest } = plan
  const outputs = plan.outputs.filter(({ name }) => named.has(name))
  return { ...rest, inputs: [], filters: [], outputs: outputs.map(({ processors: __, ...o }) => o) }
}

function isOfFilter({ cause }: DeadLetter): boolean {
  return cause === 'filter'
}

/** Rows that are sent in one chunk. */
interface Group {
  output: string
  tag: string
  input: string
  records: Buffer[]
  bytes: number
  /** Offsets of the rows in the file, and the name of the file in their places. */
  offsets: number[]
  source: string
}

interface OpenFile extends RowFile {
  fd: number
  inode: bigint
  /** Name in the places of the rows: that of this file only, also after it was renamed. */
  source: string
}

/** Opens a file of rows; returns undefined when it does not exist, or no longer. */
function open({ path, isPart }: RowFile): OpenFile | undefined {
  const opened = openToUpdate(path)
  if (!(opened instanceof FsFailure))
    return { path, isPart, fd: opened.fd, inode: opened.stat.ino, source: sourceOf(opened.stat) }
  if (opened.code === 'ENOENT') return undefined
  throw new ShipperError('E_DEAD_LETTERS', `cannot open ${path}: ${opened.message}`, {
    hint: 'a replay marks rows in the file: name the file itself, no link, and run as the user of the agent',
  })
}

class Replay {
  readonly #options: ReplayOptions
  readonly #assembly: Assembly
  readonly #stop = new AbortController()
  readonly #result: ReplayResult = {
    replayed: 0,
    refused: 0,
    reason: '',
    unknown: 0,
    unknownNames: [],
    unreadable: 0,
    left: 0,
    removed: [],
  }
  /** Starts of the refused entries of each open chunk. */
  readonly #refused = new Map<Chunk, Set<number>>()
  readonly #files: OpenFile[] = []
  #open = 0
  /** Number of rows of filters whose marks may not be on disk. */
  #unsynced = 0
  #onSettled: (() => void) | undefined

  constructor(plan: Plan, options: ReplayOptions, parts: Parts) {
    this.#options = options
    const log = createLog({ level: plan.service.logLevel, clock: systemClock })
    // A destination that is refused once more is not waited for: the row stays where it is.
    const outputs = plan.outputs.map((o) => ({ ...o, common: { ...o.common, deadLetterAfter: 0 } }))
    this.#assembly = new Assembly(
      { ...plan, outputs },
      {
        parts,
        clock: systemClock,
        log: (name, level) => log.child(name, level as never),
        agent: { version: options.version, id: 'replay', hostname: hostname() },
        openOffsets: () => Promise.reject(new Error('a replay runs no inputs')),
        finished() {},
        signal: this.#stop.signal,
        deadLetters: () => this.#keeper(),
      },
    )
  }

  async run(): Promise<ReplayResult> {
    const stop = (): void => {
      this.#stop.abort()
      this.#assembly.stop()
      this.#onSettled?.()
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
    try {
      await this.#assembly.start()
      this.#openFiles()
      for (const file of this.#files) await this.#replayFile(file)
    } finally {
      stop()
      for (const { fd } of this.#files) close(fd)
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
      await settlesWithin(this.#assembly.closeOutputs(), MAX_ABORT_MS, systemClock)
    }
    return this.#result
  }

  /** Leaves the rows that are refused again where they are. */
  #keeper(): Keeper {
    return {
      isOff: false,
      hasFile: true,
      fate: `left in ${this.#options.path}`,
      keep: (chunk, start, _end, error) => {
        this.#refused.get(chunk)?.add(start)
        this.#result.reason = error.message
      },
      sync: async () => {},
    }
  }

  /**
   * Opens all files before the first is read, and the one that the agent appends to before the parts are listed: the agent
   * may make a part of it at any time, and older rows are to be sent before newer ones.
   */
  #openFiles(): void {
    const { path } = this.#options
    const current = open({ path, isPart: false })
    for (const file of filesAt(path)) {
      const part = file.isPart ? open(file) : undefined
      if (part !== undefined) this.#files.push(part)
    }
    if (current === undefined) return
    if (this.#files.some(({ inode }) => inode === current.inode)) close(current.fd)
    else this.#files.push(current)
  }

  async #replayFile({ path, isPart, fd, source }: OpenFile): Promise<void> {
    const { unreadable } = this.#result
    await this.#sendRows(fd, path, source)
    while (this.#open > 0) await this.#settled()
    const isDone = isPart && this.#result.unreadable === unreadable && isAllReplayed(fd, path)
    if (isDone && remove(path) === undefined) this.#result.removed.push(path)
  }

  async #sendRows(fd: number, path: string, source: string): Promise<void> {
    let group: Group | undefined
    for (const { offset, row, isReplayed } of rowsOf(fd, path)) {
      if (isReplayed) continue
      if (this.#stop.signal.aborted) {
        this.#result.left++
        continue
      }
      const record = row === undefined ? undefined : recordOf(row)
      if (row === undefined || record === undefined) {
        this.#result.unreadable++
        continue
      }
      if (this.#options.output === undefined && isOfFilter(row)) {
        if (group !== undefined) await this.#send(fd, group)
        group = undefined
        await this.#sendThroughFilters(fd, {
          ...groupOf(row.output, row, source),
          records: [record],
          offsets: [offset],
          bytes: record.length,
        })
        continue
      }
      const output = this.#options.output ?? row.output
      if (!this.#assembly.outputs.some(({ name }) => name === output)) {
        this.#countUnknown(output)
        continue
      }
      const isSame = group?.output === output && group.tag === row.tag && group.input === row.input
      if (group !== undefined && (!isSame || isFull(group, record))) {
        await this.#send(fd, group)
        group = undefined
      }
      group ??= groupOf(output, row, source)
      group.records.push(record)
      group.bytes += record.length
      group.offsets.push(offset)
    }
    if (group !== undefined) await this.#send(fd, group)
  }

  #countUnknown(name: string): void {
    this.#result.unknown++
    const { unknownNames } = this.#result
    if (!unknownNames.includes(name) && unknownNames.length < 10) unknownNames.push(name)
  }

  /** Sends one row of a filter: what follows may join, copy or drop records, so only the outcome of a chunk tells of them. */
  async #sendThroughFilters(fd: number, group: Group): Promise<void> {
    while (this.#open >= MAX_OPEN_ROWS && !this.#stop.signal.aborted) await this.#settled()
    this.#open++
    const isKnown = this.#assembly.resume(group.output, chunkOf(group), BUFFERS, (outcome) => {
      this.#open--
      const [offset = 0] = group.offsets
      if (outcome === 'delivered' || outcome === 'filtered') this.#mark(fd, offset)
      else if (outcome === 'dead_letter') this.#result.refused++
      else this.#result.left++
      if (this.#open === 0 || ++this.#unsynced >= MAX_UNSYNCED_ROWS) {
        this.#unsynced = 0
        sync(fd)
      }
      this.#onSettled?.()
    })
    if (isKnown) return
    this.#open--
    this.#countUnknown(group.output)
  }

  async #send(fd: number, group: Group): Promise<void> {
    while (this.#open >= MAX_OPEN_CHUNKS && !this.#stop.signal.aborted) await this.#settled()
    const chunk = chunkOf(group)
    const running = this.#assembly.outputs.find(({ name }) => name === group.output)
    this.#refused.set(chunk, new Set())
    this.#open++
    const { start } = chunk
    const receipt = new Receipt(chunk, 1, {
      settled: (outcome) => this.#onOutcome(fd, group, chunk, start, outcome),
    })
    running?.queue.push(chunk, receipt)
  }

  /** Marks the delivered rows of a chunk. */
  #onOutcome(fd: number, { records, offsets }: Group, chunk: Chunk, start: number, outcome: Outcome): void {
    const refused = this.#refused.get(chunk)
    this.#refused.delete(chunk)
    this.#open--
    const isSent = outcome === 'delivered' || outcome === 'dead_letter'
    let at = start
    offsets.forEach((offset, i) => {
      if (!isSent) this.#result.left++
      else if (refused?.has(at)) this.#result.refused++
      else this.#mark(fd, offset)
      at += (records[i] as Buffer).length
    })
    // A mark that is not on disk before a power failure is a row that is sent twice.
    if (isSent) sync(fd)
    this.#onSettled?.()
  }

  #mark(fd: number, offset: number): void {
    const failure = markReplayed(fd, offset)
    if (failure === undefined) this.#result.replayed++
    else {
      this.#result.left++
      this.#result.reason = `sent, but it cannot be marked: ${failure.message}`
    }
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled = resolve
    })
  }
}

function groupOf(output: string, { tag, input }: DeadLetter, source: string): Group {
  return { output, tag, input, records: [], bytes: 0, offsets: [], source }
}

function sourceOf({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `dead letters ${hostname()} ${dev}:${ino}:${birthtimeNs}`
}

function isFull({ bytes, records }: Group, next: Buffer): boolean {
  return bytes + next.length > MAX_CHUNK_BYTES || records.length >= MAX_CHUNK_ROWS
}

function isAllReplayed(fd: number, path: string): boolean {
  for (const { isReplayed } of rowsOf(fd, path)) if (!isReplayed) return false
  return true
}

const BUFFERS: BufferSource = {
  take: (bytes) => Buffer.allocUnsafe(bytes),
  force: (bytes) => Buffer.allocUnsafe(bytes),
  takeLongLived: (bytes) => Buffer.allocUnsafe(bytes),
  give() {},
}

/** Returns the rows as a chunk; its id depends on their bytes only. */
function chunkOf({ tag, input, records, bytes, offsets, source }: Group): Chunk {
  const start = headRoom(tag)
  const buf = BUFFERS.force(start + bytes + TAIL_ROOM)
  const hash = createHash('sha1').update(`replay\0${tag}\0`)
  let end = start
  for (const record of records) {
    end += record.copy(buf, end)
    hash.update(record)
  }
  const id = hash.digest('base64')
  // A row that is sent again, as after a kill, gets the same id of its record, and rows with equal records get different ones.
  const places = new Places(records.length)
  for (const offset of offsets) places.add(places.sourceIndex(source), offset)
  const init = { tag, input, buf, start, end, count: records.length, id, inputBytes: bytes, places }
  return new Chunk(init, BUFFERS)
}
