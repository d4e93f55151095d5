import { ShipperError } from '../../core/error.ts'
import type { Failed, Judgement } from './api.ts'
import { type Batch, firstOf, type Part } from './batch.ts'
import type { Delivery, Run } from './delivery.ts'
import { countOf, splitAt } from './parts.ts'

/** Records that are tried while something was accepted lately: enough to leap over a few thousand at fault. */
const MAX_TRIES = 14
/** Records that are tried where the order counts. */
const ORDERED_TRIES = 3

/** What a search for a witness needs of the output. */
interface WitnessHost {
  /** Chunks of the lanes whose records are searched, in their order. */
  deliveries(): readonly Delivery[]
  /** Returns chunks behind these that wait in the engine; to be given to `leave` when they are not looked into any more. */
  later(): readonly Delivery[]
  /** True for one of these that has not come to its lane meanwhile, nor was given up. */
  isLater(delivery: Delivery): boolean
  leave(later: readonly Delivery[]): void
  /** Encodes these records as one request. */
  encode(parts: readonly Part[]): Batch
  /** Sends a request once and releases its body. */
  attempt(batch: Batch): Promise<Judgement>
  /** Gives the records of an answer that is no refusal of the whole their fates; returns why some are left. */
  settle(batch: Batch, judgement: Judgement): Failed | undefined
  /** Puts records back that have no fate yet. */
  putBack(parts: readonly Part[]): void
  /** Maximum size of a body. */
  readonly maxBytes: number
  /** Number of requests that were accepted so far. */
  readonly accepted: number
  /** True when one was accepted lately. */
  readonly isWell: boolean
  /** Returns in turns whether the last record is tried first, or the nearest, where few are. */
  triesLast(): boolean
  /** True when the store does not take records that are older than others. */
  readonly isOrdered: boolean
}

/** A record that is tried, and what puts it back. */
interface Taken {
  readonly part: Part
  putBack(): void
}

/**
 * Finds a record that is accepted beside those that a search has refused, which shows that the server is in order. Where the
 * whole of a request is at fault, nothing in it can show that, and what follows waits for it.
 *
 * ```
 *   groups that were refused and not looked into, then what follows in the lanes:  x x x x x x x x . . . .
 *                                                                                  1 2   3       4 : accepted
 * ```
 * It is delivered earlier than it would be, so the nearest one is taken. Behind ones that are refused as well it leaps ever further,
 * and to the last, and then back from there; later it goes on behind the one that was accepted, and where that was the last, halfway from the
 * last one refused. The last are those of chunks that wait in the engine, which has only so many in flight: records at fault in all of
 * these would otherwise stop their tag for good.
 */
export class WitnessSearch {
  readonly #host: WitnessHost
  readonly #key: string
  /** Number of records behind the last one that was accepted, and the last one refused: those before may have become fewer. */
  #behind = Number.POSITIVE_INFINITY
  #behindRefused = Number.POSITIVE_INFINITY
  #later: readonly Delivery[] = []

  constructor(host: WitnessHost, key: string) {
    this.#host = host
    this.#key = key
  }

  /** Resolves with true when a record was accepted, false when none was, or the failure of a request. Takes it out of `groups`. */
  async find(groups: (readonly Part[])[]): Promise<Failed | boolean> {
    // Where the store takes no record that is older than others, the last is not tried.
    this.#later = this.#host.isOrdered ? [] : this.#host.later()
    try {
      const total = this.#total(groups)
      for (const at of this.#places(total, groups.length > 0)) {
        const taken = this.#take(groups, at)
        if (taken === undefined) return false
        const accepted = await this.#try(taken)
        if (accepted === true) this.#behind = total - 1 - at
        if (accepted !== false) return accepted
        this.#behindRefused = total - 1 - at
      }
      return false
    } finally {
      this.#host.leave(this.#later)
      this.#later = []
    }
  }

  /** Returns the indexes of the records to try. `isPaced`: a search in vain is not repeated soon, as its request has more than a few records. */
  #places(total: number, isPaced: boolean): number[] {
    if (total === 0) return []
    const from = this.#start(total)
    const last = total - 1
    const { isWell, isOrdered } = this.#host
    if (isWell) return isOrdered ? nearest(from, total) : leaps(from, total)
    if (isOrdered) return nearest(from, total).slice(0, 1)
    // It is likelier the server that refuses everything.
    const few = this.#host.triesLast() ? [last, (from + last) >> 1] : [Math.min(from, last), last]
    return few[0] === few[1] || !isPaced ? few.slice(0, 1) : few
  }

  #start(total: number): number {
    if (this.#behind > 0) return Math.max(0, total - this.#behind)
    const from = Math.max(0, total - this.#behindRefused)
    return from < total ? (from + total) >> 1 : 0
  }

  async #try({ part, putBack }: Taken): Promise<Failed | boolean> {
    const { delivery } = part
    const { accepted } = this.#host
    delivery.open++
    try {
      const batch = this.#encode(part)
      const judgement = batch === undefined ? undefined : await this.#host.attempt(batch)
      if (batch === undefined || judgement?.kind === 'bad' || judgement?.kind === 'too large') {
        putBack()
        return false
      }
      const failure = this.#host.settle(batch, judgement as Judgement)
      if (failure !== undefined) return failure
      return this.#host.accepted > accepted
    } catch (error) {
      putBack()
      throw error
    } finally {
      delivery.open--
    }
  }

  /** Returns a request with the record; undefined when it has none, which is found out in its turn. */
  #encode(part: Part): Batch | undefined {
    try {
      const batch = this.#host.encode([part])
      if (batch.bodyBytes <= this.#host.maxBytes) return batch
      batch.release()
      return undefined
    } catch (error) {
      if (error instanceof ShipperError && !error.retryable) return undefined
      throw error
    }
  }

  #total(groups: readonly (readonly Part[])[]): number {
    return countOf(groups.flat()) + countOf(this.#following())
  }

  /** Returns the records that follow, without those in doubt. */
  #following(): Part[] {
    const later = this.#later.filter((delivery) => this.#host.isLater(delivery))
    return [...this.#host.deliveries(), ...later].map((delivery) => ({
      delivery,
      runs: delivery.pending.filter((run) => run.key === this.#key && !delivery.isSuspect(run)),
    }))
  }

  /** Takes the record at an index. */
  #take(groups: (readonly Part[])[], at: number): Taken | undefined {
    let index = at
    for (const [i, group] of groups.entries()) {
      const count = countOf(group)
      if (index < count) return takeOfGroup(groups, i, index)
      index -= count
    }
    const [, rest] = splitAt(this.#following(), index)
    const [one] = splitAt(rest, 1)
    const [part] = one
    if (part === undefined) return undefined
    const { delivery } = part
    const [run] = part.runs as [Run]
    const [own] = delivery.pending.filter(
      ({ first, count }) => first <= run.first && run.first < first + count,
    )
    if (own === undefined) return undefined
    const [before, behind] = firstOf(delivery, [own], run.first - own.first)
    const [, after] = firstOf(delivery, behind, 1)
    delivery.pending = delivery.pending.flatMap((each) => (each === own ? [...before, ...after] : [each]))
    return { part, putBack: () => this.#host.putBack([part]) }
  }
}

function nearest(from: number, total: number): number[] {
  return Array.from({ length: Math.min(ORDERED_TRIES, total - from) }, (_, i) => from + i)
}

/** Returns places from one on, at distances that double, then the last, and from there back as far as the last one before. */
function leaps(from: number, total: number): number[] {
  const places: number[] = []
  let end = from - 1
  for (let at = from, skip = 1; at < total - 1 && places.length < MAX_TRIES - 1; at += skip, skip *= 2) {
    end = at
    places.push(at)
  }
  for (let at = total - 1, skip = 1; at > end && places.length < MAX_TRIES; at -= skip, skip *= 2)
    places.push(at)
  return places
}

/** Takes a record out of one of the groups, which becomes two. */
function takeOfGroup(groups: (readonly Part[])[], i: number, index: number): Taken {
  const group = groups[i] as readonly Part[]
  const [before, rest] = splitAt(group, index)
  const [one, after] = splitAt(rest, 1)
  const halves = [before, after].filter(({ length }) => length > 0)
  groups.splice(i, 1, ...halves)
  return { part: one[0] as Part, putBack: () => void groups.splice(i, halves.length, group) }
}
