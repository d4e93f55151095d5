import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataset } from './data.ts'
import { Child, median, memoryOf, quantile, sleep, threadsOf, usedBetween } from './measure.ts'
import { Sink } from './sink.ts'
import { type Agent, drainCommand, followCommand, WORKLOADS } from './workloads.ts'

/** Figures of an agent that runs on. The sink is in this process: one clock for what is sent and what arrives. */
export interface IdleResult {
  seconds: number
  rssMb: number
  anonymousMb: number
  cpuMsPerMinute: number
  switchesPerMinute: number
  threads: number
}

export interface DelayResult {
  flush: string
  delaysMs: number[]
  medianMs: number
  p95Ms: number
}

export interface RefusedResult {
  seconds: number
  /** RSS once a second while the peer refuses. */
  rssMb: number[]
  peakRssMb: number
  /** From the peer's return to the first chunk, and to the end of all. */
  firstMs: number
  restMs: number
  bytes: number
  arrived: number
  records: number
}

const FRAME_LIMIT_MS = 10_000
/** In its first 30 s the runtime's collector wakes every second: that is the start, not idleness. */
const SETTLE_MS = 35_000

/** A folder with a log file, a sink, and the next frame as a promise. */
class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  readonly log = join(this.folder, 'app.log')
  readonly sink = new Sink('count')
  #waiting: ((ms: number) => void) | undefined

  constructor() {
    writeFileSync(this.log, '')
    this.sink.onFrame = () => this.#waiting?.(performance.now())
  }

  get place() {
    return { port: this.sink.port, db: join(this.folder, 'pos.db') }
  }

  append(): void {
    appendFileSync(this.log, 'INFO a line of some length, as an application may write it now and then\n')
  }

  /** The time at which the next frame is there. */
  nextFrame(child: Child): Promise<number> {
    return new Promise((done, fail) => {
      const late = setTimeout(
        () => fail(new Error(`no chunk in 10 s; it said:\n${child.stderr}`)),
        FRAME_LIMIT_MS,
      )
      this.#waiting = (ms) => {
        clearTimeout(late)
        this.#waiting = undefined
        done(ms)
      }
    })
  }

  close(): void {
    this.sink.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Runs an agent that follows the stage's log, and ends both whatever happens. */
async function follow<T>(
  agent: Agent,
  flush: string,
  body: (stage: Stage, child: Child) => Promise<T>,
): Promise<T> {
  const stage = new Stage()
  stage.append()
  const child = new Child(followCommand(agent, stage.log, stage.place, flush), 600_000)
  try {
    return await body(stage, child)
  } finally {
    await child.stop()
    stage.close()
  }
}

export function idle(agent: Agent, seconds: number): Promise<IdleResult> {
  return follow(agent, '1', async (stage, child) => {
    await stage.nextFrame(child)
    await sleep(SETTLE_MS)
    const before = threadsOf(child.pid)
    await sleep(seconds * 1000)
    const after = threadsOf(child.pid)
    const { cpuMs, switches } = usedBetween(before, after)
    return {
      seconds,
      ...memoryOf(child.pid),
      cpuMsPerMinute: (cpuMs * 60) / seconds,
      switchesPerMinute: (switches * 60) / seconds,
      threads: after.size,
    }
  })
}

/** From the start of the process to the arrival of a line that was there before. */
export async function start(agent: Agent, flush: string, times: number): Promise<DelayResult> {
  const delays: number[] = []
  for (let i = 0; i < times; i++) {
    delays.push(
      await follow(agent, flush, async (stage, child) => (await stage.nextFrame(child)) - child.startedMs),
    )
  }
  return delayResult(flush, delays)
}

/** From an append to its arrival; the pauses between are uneven, so that no timer falls in step with them. */
export function append(agent: Agent, flush: string, times: number): Promise<DelayResult> {
  return follow(agent, flush, async (stage, child) => {
    await stage.nextFrame(child)
    const delays: number[] = []
    for (let i = 0; i < times; i++) {
      await sleep(50 + ((i * 37) % 101) + Number(flush) * 500)
      const frame = stage.nextFrame(child)
      const from = performance.now()
      stage.append()
      delays.push((await frame) - from)
    }
    return delayResult(flush, delays)
  })
}

function delayResult(flush: string, delaysMs: number[]): DelayResult {
  return { flush, delaysMs, medianMs: median(delaysMs), p95Ms: quantile(delaysMs, 0.95) }
}

/** A drain that begins while nobody listens: memory must stay flat, and all must arrive when the peer is back. */
export async function refused(agent: Agent, seconds: number, lines: number): Promise<RefusedResult> {
  const data = dataset('raw', lines)
  const raw = WORKLOADS.find((workload) => workload.name === 'raw')
  if (raw === undefined) throw new Error('no workload raw')
  const stage = new Stage()
  const place = stage.place
  // The port is known and free from here on: a connection to it is refused.
  stage.sink.close()
  const child = new Child(drainCommand(agent, raw, data.path, place), 600_000)
  const rssMb: number[] = []
  for (let i = 0; i < seconds; i++) {
    await sleep(1000)
    rssMb.push(memoryOf(child.pid).rssMb)
  }
  const sink = new Sink('count', place.port)
  const from = performance.now()
  let first = Number.NaN
  sink.onFrame = () => {
    if (Number.isNaN(first)) first = performance.now() - from
  }
  try {
    const usage = await child.ended
    const restMs = performance.now() - from
    if (usage.exitCode !== 0) throw new Error(`exit status ${usage.exitCode}\n${child.stderr}`)
    const { peakRssMb } = usage
    const arrived = sink.summary.records
    return {
      seconds,
      rssMb,
      peakRssMb,
      firstMs: first,
      restMs,
      bytes: data.bytes,
      arrived,
      records: data.records,
    }
  } finally {
    sink.close()
    stage.close()
  }
}
