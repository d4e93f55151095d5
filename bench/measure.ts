import { readdirSync, readFileSync } from 'node:fs'

/** Resources that a process used from start to end, in MB and ms; CPU is user + system time of all its threads. */
export interface Usage {
  exitCode: number
  wallMs: number
  cpuMs: number
  userMs: number
  systemMs: number
  /** VmHWM, sampled until the end: growth in the last few milliseconds is missed. */
  peakRssMb: number
  voluntarySwitches: number
  involuntarySwitches: number
}

export interface Memory {
  rssMb: number
  anonymousMb: number
}

const SAMPLE_INTERVAL_MS = 10
const RUN_TIMEOUT_MS = 180_000

const HWM = /^VmHWM:\s+(\d+) kB/m
const RSS = /^Rss:\s+(\d+) kB/m
const ANONYMOUS = /^Anonymous:\s+(\d+) kB/m
const VOLUNTARY = /^voluntary_ctxt_switches:\s+(\d+)/m
const INVOLUNTARY = /^nonvoluntary_ctxt_switches:\s+(\d+)/m

/** A child process whose resources are measured. */
export class Child {
  readonly pid: number
  readonly startedMs = performance.now()
  readonly ended: Promise<Usage>
  #process: Bun.Subprocess<'ignore', 'ignore', 'pipe'>
  #peakKb = 0
  #stderr = ''

  constructor(command: string[], timeoutMs = RUN_TIMEOUT_MS) {
    const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' })
    this.#process = child
    this.pid = child.pid
    // Memory is sampled because ru_maxrss is valid only for large children: it starts at the value of the parent.
    const sampler = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS)
    const killer = setTimeout(() => this.kill('SIGKILL'), timeoutMs)
    const stderrRead = this.#read(child.stderr)
    this.ended = child.exited.then(async (exitCode) => {
      const wallMs = performance.now() - this.startedMs
      clearInterval(sampler)
      clearTimeout(killer)
      await stderrRead
      return { exitCode, wallMs, peakRssMb: (this.#peakKb * 1024) / 1e6, ...accounting(child) }
    })
  }

  /** Last 4,000 characters of its stderr. */
  get stderr(): string {
    return this.#stderr
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.#process.exitCode === null) this.#process.kill(signal)
  }

  async stop(): Promise<Usage> {
    this.kill()
    return this.ended
  }

  #sample(): void {
    this.#peakKb = Math.max(this.#peakKb, number(read(`/proc/${this.pid}/status`), HWM))
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    for await (const part of stream) this.#stderr = (this.#stderr + decoder.decode(part)).slice(-4000)
  }
}

/** Runs a command to its end; throws with the end of its stderr if it fails. */
export async function measure(command: string[]): Promise<Usage> {
  const child = new Child(command)
  const usage = await child.ended
  if (usage.exitCode !== 0) {
    throw new Error(`exit status ${usage.exitCode} of ${command.join(' ')}\n${child.stderr}`)
  }
  return usage
}

/** Returns the operating system's accounting of the child (wait4), without sampling. */
function accounting(child: Bun.Subprocess) {
  const used = child.resourceUsage()
  if (used === undefined) throw new Error(`no resource usage of process ${child.pid}`)
  return {
    cpuMs: Number(used.cpuTime.total) / 1e3,
    userMs: Number(used.cpuTime.user) / 1e3,
    systemMs: Number(used.cpuTime.system) / 1e3,
    voluntarySwitches: used.contextSwitches.voluntary,
    involuntarySwitches: used.contextSwitches.involuntary,
  }
}

export function memoryOf(pid: number): Memory {
  const text = read(`/proc/${pid}/smaps_rollup`)
  return { rssMb: (number(text, RSS) * 1024) / 1e6, anonymousMb: (number(text, ANONYMOUS) * 1024) / 1e6 }
}

export interface ThreadUse {
  cpuMs: number
  switches: number
}

/** Returns the CPU time and context switches so far of each thread of a running process. */
export function threadsOf(pid: number): Map<string, ThreadUse> {
  const directory = `/proc/${pid}/task`
  const use = (id: string): ThreadUse => {
    const status = read(`${directory}/${id}/status`)
    return {
      // schedstat counts nanoseconds, /proc/PID/stat only ticks of 10 ms.
      cpuMs: Number(read(`${directory}/${id}/schedstat`).split(' ')[0]) / 1e6,
      switches: number(status, VOLUNTARY) + number(status, INVOLUNTARY),
    }
  }
  return new Map(readdirSync(directory).map((id) => [id, use(id)]))
}

/** Returns the use of the threads between two samples, without threads that ended: their last use is not known. */
export function usedBetween(before: Map<string, ThreadUse>, after: Map<string, ThreadUse>): ThreadUse {
  const used = { cpuMs: 0, switches: 0 }
  for (const [id, { cpuMs, switches }] of after) {
    used.cpuMs += cpuMs - (before.get(id)?.cpuMs ?? 0)
    used.switches += switches - (before.get(id)?.switches ?? 0)
  }
  return used
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function number(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0)
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

export function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
