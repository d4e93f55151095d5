import type { Chunk } from '../../../src/core/chunk.ts'
import type { Plan } from '../../../src/core/plan.ts'
import type { Output } from '../../../src/core/plugin.ts'
import type { Clock } from '../../../src/core/services.ts'
import { Assembly } from '../../../src/engine/assembly.ts'
import { DiskBuffer, type OpenSegments } from '../../../src/engine/buffer/disk-buffer.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { ConditionalFilter } from '../../../src/engine/conditional-filter.ts'
import { FilterLetters } from '../../../src/engine/dead-letters/filter-letters.ts'
import { orderedRouterOf } from '../../../src/engine/ordered-routing.ts'
import type { Parts } from '../../../src/engine/parts.ts'
import { compileCondition } from '../../../src/lib/records/condition.ts'
import { atEnd } from '../tmp.ts'
import { listLog } from './chunks.ts'

export interface Running {
  assembly: Assembly
  logged: ReturnType<typeof listLog>
  finished: string[]
  /** Bytes of garbage that filters have reported. */
  garbage: number[]
  stop: AbortController
}

/** Everything that `loadParts` may load. */
const ALL_PARTS: Parts = {
  DiskBuffer,
  conditions: { compileCondition, ConditionalFilter },
  FilterLetters,
  orderedRouterOf,
}

/** Builds the parts of an agent from a plan, not running; throws the first problem. */
export function assemble(plan: Plan, clock: Clock = systemClock, openSegments?: OpenSegments): Running {
  const running = unchecked(plan, clock, openSegments)
  for (const problem of running.assembly.problems) throw problem
  return running
}

/** Builds the parts of an agent from a plan that may have problems. */
export function unchecked(plan: Plan, clock: Clock = systemClock, openSegments?: OpenSegments): Running {
  const logged = listLog()
  const finished: string[] = []
  const garbage: number[] = []
  const stop = new AbortController()
  const assembly = new Assembly(plan, {
    parts: ALL_PARTS,
    clock,
    log: () => logged.log,
    agent: { version: '1.2.3', id: 'id', hostname: 'leaf' },
    openOffsets: () => Promise.reject(new Error('there are no offsets in this test')),
    finished: (name) => finished.push(name),
    onGarbage: (bytes) => garbage.push(bytes),
    signal: stop.signal,
    ...(openSegments && { openSegments }),
  })
  atEnd(() => assembly.stop())
  return { assembly, logged, finished, garbage, stop }
}

/** An output that collects the texts of its chunks, in the order of the flushes; while `blocked`, flushes wait. */
export class CollectingOutput implements Output {
  readonly texts: string[] = []
  blocked = false
  #waiting: { chunk: Chunk; resolve: () => void }[] = []

  async flush(chunk: Chunk): Promise<void> {
    if (this.blocked) await new Promise<void>((resolve) => this.#waiting.push({ chunk, resolve }))
    else this.#keep(chunk)
  }

  #keep(chunk: Chunk): void {
    this.texts.push(chunk.entries().toString('latin1'))
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Takes what waits at once: a flush that comes in the same turn is behind it. */
  release(): void {
    this.blocked = false
    for (const { chunk, resolve } of this.#waiting.splice(0)) {
      this.#keep(chunk)
      resolve()
    }
  }

  async close(): Promise<void> {}
}
