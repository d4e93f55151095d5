import type { Clock } from '../core/services.ts'
import { afterTimers } from './after-timers.ts'
import { runtimeGarbage } from './runtime-garbage.ts'

/** Resident memory below which the runtime is left alone: 30 MB more than what an idle agent with its program in memory has. */
const MIN_BYTES = 56_000_000
/** Growth of resident memory after which garbage is collected again, as a part of it, and the size from which on that holds. */
const MAX_GROWTH = 1 / 8
const SHARE_FROM_BYTES = 128_000_000
/** Shortest time between two looks at the size of the process, and from one collection of all garbage to the next. */
const LOOK_MS = 25
const FULL_MS = 100
/**
 * Growth of resident memory after which only young garbage is collected, the size from which on that holds, and the part of the time that
 * it takes at most, one in about this many. A process that has not grown has no more garbage than it had: this costs nothing then.
 */
const YOUNG = { fromBytes: 50_000_000, factor: 5, growthBytes: 4_000_000 }
/**
 * Least growth in bytes, and the part of the time that collecting takes at most, one in about `factor`, by the resident memory from which
 * they hold. Outputs over HTTP are to stay below 100 MB: garbage that is a small part of less may be what goes beyond.
 */
const LEVELS = [
  { fromBytes: 160_000_000, factor: 2, growthBytes: 16_000_000 },
  { fromBytes: 80_000_000, factor: 4, growthBytes: 8_000_000 },
  { fromBytes: MIN_BYTES, factor: 30, growthBytes: 16_000_000 },
]
/** Longest pause between two collections, whatever part of the time they take then: on a machine that is busy as well, the process would grow by a GB in it. */
const MAX_PAUSE_MS = 1000

interface Collector {
  /** Resident bytes of the process; undefined when it cannot be told, as the system has no descriptor left for it. */
  resident(): number | undefined
  /** Collects all garbage and gives its memory back; returns when that is done. */
  collect(): void
  /** Collects objects that were made since the last time. */
  collectYoung(): void
  /** Monotonic time in milliseconds. */
  now(): number
}

/** What looks at the size of the process. */
interface GarbageLimit {
  /** The clock that it was made of; its timers call `look`. */
  clock: Clock
  /** Collects garbage if there may be much. Cheap; to be called where much may have been left and no timer fires. */
  look(): void
}

/**
 * Limits garbage, at the timers of a clock: when the process has grown, young garbage is collected, and when it is large and has grown
 * much, all of it. The runtime alone
 * waits until its heap has doubled, and old objects survive its usual rounds: following a hundred files that get a few lines a second
 * moves the process up and down by 30 MB, and peers that make many connections and send many small messages raise it by 100 MB
 * of what nobody uses any more. Needs no wake-ups of its own, as there are timers
 * whenever there is work. Under node, which does not collect on request, it does nothing.
 */
export function limitGarbage(
  clock: Clock,
  load: () => Promise<Collector | undefined> = runtimeCollector,
): GarbageLimit {
  let collector: Collector | undefined
  void load().then((loaded) => {
    collector = loaded
  })
  let leftBytes = 0
  let nextMs = 0
  const full = new Pauses()
  let youngLeftBytes = 0
  const young = new Pauses()
  const look = () => {
    if (collector === undefined) return
    const nowMs = collector.now()
    if (nowMs < nextMs) return
    nextMs = nowMs + LOOK_MS
    const bytes = collector.resident()
    if (bytes === undefined) return
    leftBytes = Math.min(leftBytes, bytes)
    youngLeftBytes = Math.min(youngLeftBytes, bytes)
    const level = LEVELS.find(({ fromBytes }) => bytes >= fromBytes)
    const share = bytes >= SHARE_FROM_BYTES ? leftBytes * MAX_GROWTH : 0
    const mayBeMuch = level !== undefined && bytes - leftBytes >= Math.max(level.growthBytes, share)
    // The pause is that of the present size: a burst adds 50 MB within the pause of a small process.
    if (mayBeMuch && full.isOver(nowMs, FULL_MS, level.factor)) {
      full.record(collector, () => collector?.collect())
      // What is still there is in use.
      leftBytes = youngLeftBytes = collector.resident() ?? bytes
    } else if (
      bytes >= YOUNG.fromBytes &&
      bytes - youngLeftBytes >= YOUNG.growthBytes &&
      young.isOver(nowMs, LOOK_MS, YOUNG.factor)
    ) {
      young.record(collector, () => collector?.collectYoung())
      // It gives no memory back: what comes next takes its place.
      youngLeftBytes = bytes
    }
  }
  return { clock: afterTimers(clock, look), look }
}

/** The pauses between collections, which depend on how long the last one took. */
class Pauses {
  #endMs = Number.NEGATIVE_INFINITY
  #tookMs = 0

  isOver(nowMs: number, leastMs: number, factor: number): boolean {
    return nowMs >= this.#endMs + Math.max(leastMs, Math.min(MAX_PAUSE_MS, factor * this.#tookMs))
  }

  record({ now }: Collector, collect: () => void): void {
    const startMs = now()
    collect()
    this.#endMs = now()
    this.#tookMs = this.#endMs - startMs
  }
}

/** The collector of bun. The functions of bun:jsc collect, too, but keep the memory for a while. */
interface Bun {
  gc(isSynchronous: boolean): void
}

function residentBytes(): number | undefined {
  try {
    return process.memoryUsage.rss()
  } catch {
    // The runtime opens a file of /proc for it.
    return undefined
  }
}

async function runtimeCollector(): Promise<Collector | undefined> {
  const { Bun: bun } = globalThis as { Bun?: Bun }
  const garbage = await runtimeGarbage()
  if (bun === undefined || garbage === undefined) return undefined
  return {
    resident: residentBytes,
    collectYoung: () => garbage.collectYoung(),
    collect: () => bun.gc(true),
    now: () => performance.now(),
  }
}
