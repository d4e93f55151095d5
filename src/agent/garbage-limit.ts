import type { Clock } from '../core/services.ts'
import { afterTimers } from './after-timers.ts'

/** Resident memory below which the runtime is left alone: 30 MB more than what an idle agent with its program in memory has. */
const MIN_BYTES = 56_000_000
/** Growth of resident memory after which garbage is collected again, and the same as a part of it. */
const MAX_GROWTH_BYTES = 16_000_000
const MAX_GROWTH = 1 / 8
/** Shortest time between two looks at the size of the process. */
const LOOK_MS = 100
/** Collecting takes at most about one part in this many of the time, by the resident memory from which it holds ... */
const PAUSE_FACTORS = [
  { fromBytes: 160_000_000, factor: 2 },
  { fromBytes: 100_000_000, factor: 10 },
  { fromBytes: 0, factor: 30 },
]
/** ... unless that would be a longer pause: on a machine that is busy as well, the process would grow by a GB in it. */
const MAX_PAUSE_MS = 1000

interface Collector {
  /** Resident bytes of the process; undefined when it cannot be told, as the system has no descriptor left for it. */
  resident(): number | undefined
  /** Collects all garbage and gives its memory back; returns when that is done. */
  collect(): void
  /** Monotonic time in milliseconds. */
  now(): number
}

/**
 * Returns a clock whose timers limit garbage: when the process is large and has grown, all of it is collected. The runtime alone
 * waits until its heap has doubled, and old objects survive its usual rounds: following a hundred files that get a few lines a second
 * moves the process up and down by 30 MB, and peers that make many connections and send many small messages raise it by 100 MB
 * of what nobody uses any more. Needs no wake-ups of its own, as there are timers
 * whenever there is work. Under node, which does not collect on request, it does nothing.
 */
export function limitGarbage(
  clock: Clock,
  load: () => Promise<Collector | undefined> = runtimeCollector,
): Clock {
  let collector: Collector | undefined
  void load().then((loaded) => {
    collector = loaded
  })
  let leftBytes = 0
  let nextMs = 0
  const look = () => {
    if (collector === undefined) return
    const startMs = collector.now()
    if (startMs < nextMs) return
    nextMs = startMs + LOOK_MS
    const bytes = collector.resident()
    if (bytes === undefined) return
    leftBytes = Math.min(leftBytes, bytes)
    if (bytes < MIN_BYTES || bytes - leftBytes < Math.max(MAX_GROWTH_BYTES, leftBytes * MAX_GROWTH)) return
    collector.collect()
    // What is still there is in use.
    leftBytes = collector.resident() ?? bytes
    const endMs = collector.now()
    const { factor } = PAUSE_FACTORS.find(({ fromBytes }) => bytes >= fromBytes) ?? { factor: 0 }
    const pauseMs = Math.min(MAX_PAUSE_MS, factor * (endMs - startMs))
    nextMs = endMs + Math.max(LOOK_MS, pauseMs)
  }
  return afterTimers(clock, look)
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
  if (bun === undefined) return undefined
  return {
    resident: residentBytes,
    collect: () => bun.gc(true),
    now: () => performance.now(),
  }
}
