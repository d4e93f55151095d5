import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { skip } from '../../core/msgpack/encode.ts'
import type { Api, RecordRange } from './api.ts'
import type { Verdicts } from './verdicts.ts'

/** Maximum number of records in doubt besides which others are sent: with more, it is likelier the request that is at fault. */
const MAX_SUSPECTS = 3

/** What is known of a record that was refused alone by a server. */
export interface Suspicion {
  /** Number of requests that this server had accepted at the last refusal that counts. */
  accepted: number
  /** Number of refusals, with acceptances between them. */
  refusals: number
  /** Time of the first one. */
  readonly ms: number
  /** Time between the last request that was accepted and that one. */
  readonly acceptedAgoMs: number
}

/** Consecutive records of a chunk that have no fate yet; offsets are relative to the start of the chunk. */
export interface Run {
  start: number
  end: number
  first: number
  count: number
  key: string
}

/**
 * What is left to deliver of one chunk. It outlives a failed flush, so that a retry sends only the rest; the entries may have
 * left the memory and come back to another place in between.
 */
export class Delivery {
  readonly chunk: Chunk
  readonly key: string
  /** Records without a fate that are in no request. */
  pending: Run[]
  /** Records in doubt, which were refused alone, by index; and by the name of the server. */
  suspects: Map<number, Map<string, Suspicion>> | undefined
  /** Number of requests with records of it that have no outcome: at most one in its lane, and those that were handed over. */
  open = 0
  /** True from the call of flush until it settles. */
  isWaiting = false
  #resolve: (() => void) | undefined
  #reject: ((error: ShipperError) => void) | undefined

  constructor(chunk: Chunk, key: string) {
    this.chunk = chunk
    this.key = key
    this.pending = [{ start: 0, end: chunk.size, first: 0, count: chunk.count, key }]
  }

  /** True when every record has its fate. */
  get isDone(): boolean {
    return this.pending.length === 0 && this.open === 0
  }

  /** True when no record has its fate; some may be in doubt. */
  get isUntouched(): boolean {
    return recordsOf(this.pending) === this.chunk.count && this.open === 0
  }

  /**
   * Puts records back that have no fate, before those that follow them. Those with other keys go first next time: one tenant that is
   * refused does not hold up the others.
   */
  putBack(runs: readonly Run[]): void {
    const keys = new Set(runs.map(({ key }) => key))
    const own = [...runs, ...this.pending.filter(({ key }) => keys.has(key))]
    own.sort((a, b) => a.first - b.first)
    this.pending = [...this.pending.filter(({ key }) => !keys.has(key)), ...own]
  }

  /** True when records with the key have no fate and are in no request. */
  hasLeft(key: string): boolean {
    return this.pending.some((run) => run.key === key)
  }

  wait(): Promise<void> {
    this.isWaiting = true
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  resolve(): void {
    this.isWaiting = false
    this.#resolve?.()
  }

  reject(error: ShipperError): void {
    this.isWaiting = false
    this.#reject?.(error)
  }

  /** Returns the range of a run in the chunk as it is now. */
  rangeOf({ start, end, first, count }: Run): RecordRange {
    const { chunk } = this
    return { chunk, start: chunk.start + start, end: chunk.start + end, first, count }
  }

  /**
   * Moves the records in doubt with a key behind the others with it, whose acceptance shows that they are at fault and not the request.
   * Returns false when there are no others, or too many are in doubt.
   */
  deferSuspects(key: string): boolean {
    const own = this.pending.filter((run) => run.key === key)
    const suspects = own.filter((run) => this.isSuspect(run))
    if (suspects.length === own.length || suspects.length > MAX_SUSPECTS) return false
    this.pending = [...this.pending.filter((run) => !suspects.includes(run)), ...suspects]
    return true
  }

  /** True when all that is left was refused alone. */
  get hasOnlySuspects(): boolean {
    return this.pending.every((run) => this.isSuspect(run))
  }

  /** True for a record in doubt. */
  isSuspect({ first, count }: Run): boolean {
    return count === 1 && this.suspects?.has(first) === true
  }

  /** Splits a run after `count` records. */
  split(run: Run, count: number): [Run, Run] {
    const { chunk } = this
    let at = chunk.start + run.start
    const end = chunk.start + run.end
    for (let i = 0; i < count; i++) at = entryEnd(chunk, at, end)
    const middle = at - chunk.start
    return [
      { ...run, end: middle, count },
      { ...run, start: middle, first: run.first + count, count: run.count - count },
    ]
  }

  /** Calls `fn` with index and place of each record of the runs; what it returns true for is left, as runs. */
  filter(runs: readonly Run[], fn: (index: number, start: number, end: number) => boolean): Run[] {
    const { chunk } = this
    const left: Run[] = []
    let index = 0
    for (const run of runs) {
      const last = chunk.start + run.end
      let at = chunk.start + run.start
      for (let i = 0; i < run.count; i++, index++) {
        const end = entryEnd(chunk, at, last)
        if (fn(index, at, end))
          append(left, {
            start: at - chunk.start,
            end: end - chunk.start,
            first: run.first + i,
            count: 1,
            key: run.key,
          })
        at = end
      }
    }
    return left
  }

  /** Groups the records by the key of their requests. A record without one is refused. */
  group(api: Api, refuse: (start: number, end: number, reason: ShipperError) => void): void {
    const groups = new Map<string, Run[]>()
    const { chunk } = this
    this.filter(this.pending, (index, start, end) => {
      const key = keyOf(api, chunk, start, end, refuse)
      if (key === undefined) return false
      const run = { start: start - chunk.start, end: end - chunk.start, first: index, count: 1, key }
      const runs = groups.get(key)
      if (runs === undefined) groups.set(key, [run])
      else append(runs, run)
      return false
    })
    this.pending = [...groups.values()].flat()
  }

  /** Returns the runs whose records are to be sent again; hands refused ones to `refuse`. */
  apply(
    runs: readonly Run[],
    verdicts: Verdicts,
    offset: number,
    refuse: (start: number, end: number, reason: string) => boolean,
  ): Run[] {
    return this.filter(runs, (index, start, end) => {
      if (verdicts.isAgain(offset + index)) return true
      const reason = verdicts.reasonOf(offset + index)
      return reason !== undefined && !refuse(start, end, reason)
    })
  }
}

function append(runs: Run[], run: Run): void {
  const last = runs.at(-1)
  if (last !== undefined && last.end === run.start && last.key === run.key) {
    last.end = run.end
    last.count += run.count
  } else runs.push(run)
}

function keyOf(
  api: Api,
  chunk: Chunk,
  start: number,
  end: number,
  refuse: (start: number, end: number, reason: ShipperError) => void,
): string | undefined {
  try {
    return api.keyOf?.(chunk, start, end) ?? ''
  } catch (error) {
    if (!(error instanceof ShipperError) || error.retryable) throw error
    refuse(start, end, error)
    return undefined
  }
}

function entryEnd(chunk: Chunk, at: number, end: number): number {
  const next = skip(chunk.buf, at, end)
  if (next < 0) throw new ShipperError('E_INTERNAL', `chunk ${chunk.id} contains a malformed entry`)
  return next
}

/** Returns the number of records of runs. */
export function recordsOf(runs: readonly Run[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0)
}
