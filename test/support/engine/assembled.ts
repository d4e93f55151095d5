import type { Chunk } from '../../../src/core/chunk.ts'
import type { Plan } from '../../../src/core/plan.ts'
import type { Output } from '../../../src/core/plugin.ts'
import type { Clock } from '../../../src/core/services.ts'
import { Assembly } from '../../../src/engine/assembly.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { atEnd } from '../tmp.ts'
import { listLog } from './chunks.ts'

export interface Running {
  assembly: Assembly
  logged: ReturnType<typeof listLog>
  finished: string[]
  stop: AbortController
}

/** The parts of an agent of this plan, not running; throws what is wrong with it. */
export function assemble(plan: Plan, clock: Clock = systemClock): Running {
  const made = unchecked(plan, clock)
  for (const problem of made.assembly.problems) throw problem
  return made
}

/** The same, whatever is wrong with it. */
export function unchecked(plan: Plan, clock: Clock = systemClock): Running {
  const logged = listLog()
  const finished: string[] = []
  const stop = new AbortController()
  const assembly = new Assembly(plan, {
    clock,
    log: () => logged.log,
    agent: { version: '1.2.3', id: 'id', hostname: 'leaf' },
    openOffsets: () => Promise.reject(new Error('there are no offsets in this test')),
    finished: (name) => finished.push(name),
    signal: stop.signal,
  })
  atEnd(() => assembly.stop())
  return { assembly, logged, finished, stop }
}

/** Keeps what it is given; while `shut`, flushes wait. */
export class Keep implements Output {
  readonly texts: string[] = []
  shut = false
  #waiting: (() => void)[] = []

  async flush(chunk: Chunk): Promise<void> {
    if (this.shut) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.texts.push(chunk.entries().toString('latin1'))
  }

  get waiting(): number {
    return this.#waiting.length
  }

  release(): void {
    this.shut = false
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  async close(): Promise<void> {}
}
