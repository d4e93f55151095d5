import { uptime } from 'node:os'
import type { OffsetStore } from '../../../core/offset-store.ts'
import type { Appender } from '../../../core/plugin.ts'
import type { Clock, Logger } from '../../../core/services.ts'
import { PositionWriter } from '../../../lib/plugin/position-writer.ts'
import { SettledRanges } from '../../../lib/plugin/settled-ranges.ts'

/**
 * Events are asked for again from this time before the last one: the daemon takes the time of an event before
 * it puts it in order, so one that follows may have an earlier time.
 */
const OVERLAP_NANO = 1_000_000_000n
/** Maximum number of events that are known by their content: more than the 256 that the daemon keeps. */
const MAX_SEEN = 512
/** Time from which the daemon sends all events that it has. */
const FIRST_NANO = 1n
const NANO_PER_MS = 1_000_000n
const POSITION = /^\d{1,19}$/

/** An event that was read. */
interface SeenEvent {
  /** Its time and the hash of its line. */
  key: string
  nano: bigint
  isAcked: boolean
}

/**
 * The events that were read, as far as the daemon may send them again: which of them were acknowledged, and
 * from which time on to ask after a reconnect and after a restart of the agent.
 *
 * Those that were not read yet have a time after the last one that was read, less OVERLAP_NANO, if the clock goes on evenly. It need
 * not, so the times of events alone are no position:
 *
 * ```
 *   an event is ahead of the clock   its position is the time of reading: what follows may be earlier than the event
 *   the clock was set back           what follows has a time after that which the clock, as it is set now, had at the last reading
 * ```
 */
export class SeenEvents {
  readonly #writer: PositionWriter
  readonly #clock: Clock
  readonly #ranges: SettledRanges<bigint, SeenEvent>
  readonly #byKey = new Map<string, SeenEvent>()
  readonly #stored = new Set<string>()
  /**
   * Time before which no event is asked for: the start of the first run, or where the last one has left off.
   */
  #first: bigint | undefined
  /** Time of the last event that was read in this run, at most that of the clock then. */
  #position: bigint | undefined
  /** The clock, and a `performance.now()`, when the last event was read. */
  #readNano: bigint
  #readMs = performance.now()

  constructor(store: OffsetStore, services: { clock: Clock; log: Logger }) {
    this.#writer = new PositionWriter(store, services)
    this.#clock = services.clock
    this.#readNano = nanoOf(services.clock)
    this.#first = storedSince(store, services.clock)
    if (this.#first !== undefined)
      for (const mark of store.position?.()?.marks.slice(0, MAX_SEEN) ?? []) this.#restore(mark)
    // After damage the position may be lost: events come again rather than not at all.
    else if (store.damaged) this.#first = FIRST_NANO
    this.#ranges = new SettledRanges({
      identity: (events) => `docker:${events[0]?.key}-${events.at(-1)?.key}:${events.length}`,
      onSettled: (events) => {
        for (const event of events) {
          event.isAcked = true
          this.#mark(event.key)
        }
        this.#store()
      },
    })
  }

  /** Returns the time from which to ask for events. The first start asks from now on, which is kept. */
  since(): bigint {
    const now = nanoOf(this.#clock)
    if (this.#first === undefined) {
      this.#first = now
      this.#store()
    }
    const since = this.#position === undefined ? this.#first : this.#overlapped(this.#position)
    const passed = BigInt(Math.round((performance.now() - this.#readMs) * 1e6))
    const earliest = now - passed - OVERLAP_NANO
    const isSetBack = now - passed < this.#readNano - OVERLAP_NANO
    return isSetBack && earliest < since ? atLeastFirst(earliest) : since
  }

  /** True when the daemon, asked for the events from `since` on, sends this one again unless it no longer has it. */
  isExpected(nano: bigint, since: bigint): boolean {
    // One that is ahead of the clock tells nothing about those that came after it.
    return nano >= since && nano <= nanoOf(this.#clock)
  }

  /** True when the daemon, asked for the events from `since` on, should send one that is known. */
  expectsKnown(since: bigint): boolean {
    for (const { nano } of this.#byKey.values()) if (this.isExpected(nano, since)) return true
    return false
  }

  /** Position up to which events were read in this run. */
  get position(): bigint | undefined {
    return this.#position
  }

  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  /** Adds an event that was just written to `out`. */
  add(out: Appender, key: string, nano: bigint): void {
    const event = { key, nano, isAcked: false }
    const now = nanoOf(this.#clock)
    this.#ranges.add(out, event, this.#position ?? this.#first ?? nano)
    this.#byKey.set(key, event)
    this.#position = nano < now ? nano : now
    this.#readNano = now
    this.#readMs = performance.now()
    if (this.#byKey.size > MAX_SEEN) this.#evict(this.#byKey.keys().next().value as string)
  }

  close(): void {
    this.#writer.close()
  }

  #restore(mark: string): void {
    const nano = mark.slice(0, Math.max(0, mark.indexOf(':')))
    if (!POSITION.test(nano)) return
    this.#byKey.set(mark, { key: mark, nano: BigInt(nano), isAcked: true })
    this.#stored.add(mark)
  }

  #overlapped(nano: bigint): bigint {
    const from = nano - OVERLAP_NANO
    const isBeforeFirst = this.#first !== undefined && from < this.#first && nano >= this.#first
    return atLeastFirst(isBeforeFirst ? (this.#first as bigint) : from)
  }

  /** Stores the time from which the next run asks. */
  #store(): void {
    const read = this.#position ?? this.#first ?? 0n
    const settled = this.#ranges.settledTo(read)
    this.#writer.value = String(this.#overlapped(settled < read ? settled : read))
    this.#writer.commit()
  }

  /** Notes for the next run that the event is acknowledged. */
  #mark(key: string): void {
    if (!this.#byKey.has(key) || this.#stored.has(key)) return
    this.#stored.add(key)
    this.#writer.mark(key)
  }

  #evict(key: string): void {
    this.#byKey.delete(key)
    if (this.#stored.delete(key)) this.#writer.unmark(key)
  }
}

/**
 * Returns the time from which the run asks that follows the last one; undefined when there was none. A position that is ahead of
 * the clock tells that it was set back in between, or that it starts anew with the machine: what came since has a time of this boot.
 */
export function storedSince(store: OffsetStore, clock: Clock): bigint | undefined {
  const value = store.position?.()?.value
  if (value === undefined || !POSITION.test(value)) return undefined
  const since = BigInt(value)
  const now = nanoOf(clock)
  if (since <= now) return since
  return atLeastFirst(now - BigInt(Math.ceil(uptime() + 1) * 1000) * NANO_PER_MS - OVERLAP_NANO)
}

function atLeastFirst(nano: bigint): bigint {
  return nano < FIRST_NANO ? FIRST_NANO : nano
}

function nanoOf(clock: Clock): bigint {
  return BigInt(Math.round(clock.nowMs() * 1000)) * 1000n
}
