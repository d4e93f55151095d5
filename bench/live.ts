import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataset } from './data.ts'
import { Child, median, memoryOf, quantile, sleep, threadsOf, usedBetween } from './measure.ts'
import { Sink } from './sink.ts'
import { type Agent, drainCommand, followCommand, WORKLOADS } from './workloads.ts'

/** Figures of an idle agent. In all measurements of this file the sink is in this process, so there is one clock. */
export interface IdleResult {
  seconds: number
  rssMb: number
  anonymousMb: number
  cpuMsPerMinute: number
  switchesPerMinute: number
  threads: number
}

/** An agent that follows files which get a few lines now and then. */
export interface SteadyResult {
  flush: string
  seconds: number
  files: number
  linesPerS: number
  cpuMsPerS: number
  /** RSS, once per second. */
  rssMb: number[]
}

export interface DelayResult {
  flush: string
  delaysMs: number[]
  medianMs: number
  p95Ms: number
}

export interface RefusedResult {
  seconds: number
  /** RSS, once per second while the peer refuses. */
  rssMb: number[]
  peakRssMb: number
  /** Time from the return of the peer to the first chunk, and to the end of the drain. */
  firstMs: number
  restMs: number
  bytes: number
  arrived: number
  records: number
}

const FRAME_TIMEOUT_MS = 10_000
/** Delay before the idle time: in its first 30 s the garbage collector of the runtime wakes up every second. */
const SETTLE_MS = 35_000

const STEADY_FILES = 110
const STEADY_EVERY_MS = 100
/** In its first seconds the runtime compiles what is run often. */
const STEADY_SETTLE_MS = 40_000

/** A directory with a log file, and a sink that provides the next frame as a promise. */
class TestBed {
  readonly directory = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
  readonly log = join(this.directory, 'app.log')
  readonly sink = new Sink('count')
  #onNextFrame: ((ms: number) => void) | undefined

  constructor() {
    writeFileSync(this.log, '')
    this.sink.onFrame = () => this.#onNextFrame?.(performance.now())
  }

  get destination() {
    return { port: this.sink.port, db: join(this.directory, 'pos.db') }
  }

  append(): void {
    appendFileSync(this.log, 'INFO a line of some length, as an application may write it now and then\n')
  }

  /** Resolves to the time at which the next frame arrives. */
  nextFrame(child: Child): Promise<number> {
    return new Promise((done, fail) => {
      const timer = setTimeout(
        () => fail(new Error(`no chunk within 10 s; stderr:\n${child.stderr}`)),
        FRAME_TIMEOUT_MS,
      )
      this.#onNextFrame = (ms) => {
        clearTimeout(timer)
        this.#onNextFrame = undefined
        done(ms)
      }
    })
  }

  close(): void {
    this.sink.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Runs an agent that follows the log of the bed, and stops both in any case. */
async function follow<T>(
  agent: Agent,
  flush: string,
  body: (bed: TestBed, child: Child) => Promise<T>,
): Promise<T> {
  const bed = new TestBed()
  bed.append()
  const child = new Child(followCommand(agent, bed.log, bed.destination, { flush }), 600_000)
  try {
    return await body(bed, child)
  } finally {
    await child.stop()
    bed.close()
  }
}

/** Measures memory, CPU and context switches of an agent without input. */
export function idle(agent: Agent, seconds: number): Promise<IdleResult> {
  return follow(agent, '1', async (bed, child) => {
    await bed.nextFrame(child)
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

/** Measures an agent that follows the logs of a node: 110 files, each of which gets a line every 100 ms. */
export async function steady(agent: Agent, flush: string, seconds: number): Promise<SteadyResult> {
  const bed = new TestBed()
  const logs = Array.from({ length: STEADY_FILES }, (_, i) =>
    openSync(join(bed.directory, `pod-${i}.log`), 'a'),
  )
  const path = join(bed.directory, 'pod-*.log')
  const command = followCommand(agent, path, bed.destination, { flush, tag: 'kube.*' })
  const child = new Child(command, 600_000)
  const line = `${'x'.repeat(199)}\n`
  const writer = setInterval(() => {
    for (const log of logs) writeSync(log, line)
  }, STEADY_EVERY_MS)
  try {
    await sleep(STEADY_SETTLE_MS)
    const before = threadsOf(child.pid)
    const rssMb: number[] = []
    for (let i = 0; i < seconds; i++) {
      await sleep(1000)
      rssMb.push(memoryOf(child.pid).rssMb)
    }
    const { cpuMs } = usedBetween(before, threadsOf(child.pid))
    const linesPerS = (STEADY_FILES * 1000) / STEADY_EVERY_MS
    return { flush, seconds, files: STEADY_FILES, linesPerS, cpuMsPerS: cpuMs / seconds, rssMb }
  } finally {
    clearInterval(writer)
    await child.stop()
    for (const log of logs) closeSync(log)
    bed.close()
  }
}

/** Measures the time from the start of the process to the arrival of a line that existed before. */
export async function start(agent: Agent, flush: string, times: number): Promise<DelayResult> {
  const delays: number[] = []
  for (let i = 0; i < times; i++) {
    delays.push(
      await follow(agent, flush, async (bed, child) => (await bed.nextFrame(child)) - child.startedMs),
    )
  }
  return delayResult(flush, delays)
}

/** Measures the time from an append to its arrival; the pauses vary, so that no timer runs in step with them. */
export function append(agent: Agent, flush: string, times: number): Promise<DelayResult> {
  return follow(agent, flush, async (bed, child) => {
    await bed.nextFrame(child)
    const delays: number[] = []
    for (let i = 0; i < times; i++) {
      await sleep(50 + ((i * 37) % 101) + Number(flush) * 500)
      const frame = bed.nextFrame(child)
      const from = performance.now()
      bed.append()
      delays.push((await frame) - from)
    }
    return delayResult(flush, delays)
  })
}

function delayResult(flush: string, delaysMs: number[]): DelayResult {
  return { flush, delaysMs, medianMs: median(delaysMs), p95Ms: quantile(delaysMs, 0.95) }
}

/** Measures a drain that starts while nothing listens: memory must stay flat, and everything must arrive afterwards. */
export async function refused(agent: Agent, seconds: number, lines: number): Promise<RefusedResult> {
  const data = dataset('raw', lines)
  const raw = WORKLOADS.find((workload) => workload.name === 'raw')
  if (raw === undefined) throw new Error('no workload raw')
  const bed = new TestBed()
  const destination = bed.destination
  // From here on the port is known and free: connections to it are refused.
  bed.sink.close()
  const child = new Child(drainCommand(agent, raw, data.path, destination), 600_000)
  const rssMb: number[] = []
  for (let i = 0; i < seconds; i++) {
    await sleep(1000)
    rssMb.push(memoryOf(child.pid).rssMb)
  }
  const sink = new Sink('count', destination.port)
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
    bed.close()
  }
}
