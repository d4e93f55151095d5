import { createHash } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { exitStatusOf, messageOf, ShipperError } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import type { Plan } from '../core/plan.ts'
import { Assembly } from '../engine/assembly.ts'
import { systemClock } from '../engine/clock.ts'
import type { RunningInput } from '../engine/stages.ts'
import { settlesWithin } from '../lib/async/sleep.ts'
import { createLog, type Log, type LogLevel } from '../observe/log/log.ts'
import { releaseCleanPages } from './release-pages.ts'

interface AgentOptions {
  version: string
  /** Names for /api/v1/plugins. */
  plugins: { inputs: string[]; filters: string[]; outputs: string[] }
}

/** Why the agent ends: a signal, every finite input has been read, or an input failed. */
type End = { why: 'signal' | 'finished' | 'failed' }

/** Time for flushes to answer an abort before they are left behind. */
const ABORT_MS = 500

/** Runs the plan until it ends; resolves with the exit status. Everything that it says goes to the log. */
export async function runAgent(plan: Plan, options: AgentOptions): Promise<number> {
  let log: Log
  try {
    log = openLog(plan)
  } catch (error) {
    const hint = error instanceof ShipperError ? `; ${error.hint}` : ''
    process.stderr.write(`${escapeControls(`shipper: ${messageOf(error)}${hint}`)}\n`)
    return exitStatusOf(error)
  }
  try {
    return await new Agent(plan, options, log).run()
  } catch (error) {
    logError(log, error)
    return exitStatusOf(error)
  } finally {
    log.close()
  }
}

function openLog(plan: Plan): Log {
  const { logLevel, logFile } = plan.service
  return createLog({
    level: logLevel,
    clock: systemClock,
    ...(logFile === undefined ? {} : { file: logFile }),
  })
}

function logError(log: Log, error: unknown): void {
  const known =
    error instanceof ShipperError ? { code: error.code, hint: error.hint } : { code: 'E_INTERNAL' }
  log.child('shipper').error(messageOf(error), known)
}

class Agent {
  readonly #plan: Plan
  readonly #options: AgentOptions
  readonly #log: Log
  readonly #assembly: Assembly
  readonly #inputs = new AbortController()
  readonly #flushes = new AbortController()
  readonly #finished = new Set<string>()
  /** What inputs that have finished could not read. */
  readonly #incomplete: string[] = []
  readonly #ended: Promise<End>
  #end!: (end: End) => void
  readonly #signalled: Promise<void>
  #signal!: () => void
  /** Of the first input that failed, whenever that was. */
  #failure: { error: unknown } | undefined

  constructor(plan: Plan, options: AgentOptions, log: Log) {
    this.#plan = plan
    this.#options = options
    this.#log = log
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#signalled = new Promise((resolve) => {
      this.#signal = resolve
    })
    this.#assembly = new Assembly(plan, {
      clock: systemClock,
      log: (name, level, suppressMs) => log.child(name, level as LogLevel | undefined, suppressMs),
      agent: { version: options.version, id: machineId(), hostname: hostname() },
      openOffsets: async (path, o, logger) => {
        const { openOffsets } = await import('../store/open.ts')
        return openOffsets(path, o, { log: logger })
      },
      finished: (name, incomplete) => this.#noteFinished(name, incomplete),
      signal: this.#flushes.signal,
    })
  }

  async run(): Promise<number> {
    const log = this.#log.child('shipper')
    const unlisten = this.#listen(log)
    for (const warning of this.#plan.warnings) log.warn(warning)
    let http: { close(): Promise<void> } | undefined
    let status = 1
    let closed = false
    let stopGivingBack = () => {}
    try {
      http = await this.#startHttp()
      await this.#assembly.start()
      stopGivingBack = await releaseCleanPages(systemClock)
      status = await this.#runToEnd(log)
    } finally {
      stopGivingBack()
      closed = await this.#close()
      await http?.close()
      unlisten()
    }
    return closed ? status : 1
  }

  async #runToEnd(log: ReturnType<Log['child']>): Promise<number> {
    const runs = this.#assembly.inputs.map((i) => this.#runInput(i))
    const bar = await this.#startProgress()
    const end = await this.#ended
    this.#inputs.abort()
    const complete = await this.#drain(end, runs, log)
    bar?.()
    if (this.#failure !== undefined) throw this.#failure.error
    return this.#status(end, complete, log)
  }

  /** Flushes get a moment to answer the abort: an ack that is on its way still moves its position. */
  async #close(): Promise<boolean> {
    this.#inputs.abort()
    this.#flushes.abort()
    this.#assembly.stop()
    await settlesWithin(this.#assembly.settled(), ABORT_MS, systemClock)
    const inputs = await this.#assembly.closeInputs()
    await settlesWithin(this.#assembly.closeOutputs(), ABORT_MS, systemClock)
    return inputs
  }

  async #runInput(running: RunningInput): Promise<void> {
    try {
      await running.input.run(this.#inputs.signal)
    } catch (error) {
      this.#failure ??= { error }
      this.#end({ why: 'failed' })
    }
  }

  /** Waits for every ack: without limit when the inputs are at their end, for `Grace` after a signal. */
  async #drain(end: End, runs: Promise<void>[], log: ReturnType<Log['child']>): Promise<boolean> {
    const grace = this.#plan.service.grace
    const graceMs = grace < 0 ? Number.POSITIVE_INFINITY : grace * 1000
    const settled = Promise.all(runs).then(() => this.#assembly.settled())
    if (end.why === 'failed') return settlesWithin(settled, graceMs, systemClock)
    if (end.why === 'finished') {
      const first = await Promise.race([settled.then(() => 'settled'), this.#signalled])
      if (first === 'settled') return true
    }
    log.info(`stopping: waiting up to ${grace < 0 ? 'for ever' : `${grace} s`} for acknowledgements`)
    const complete = await settlesWithin(settled, graceMs, systemClock)
    if (!complete)
      log.warn('stopped before everything was acknowledged: the rest is sent after the next start')
    return complete
  }

  #status(end: End, complete: boolean, log: ReturnType<Log['child']>): number {
    const finite = this.#assembly.inputs.filter((i) => i.input.finite)
    if (finite.length === 0) return 0
    const dropped = finite.reduce((n, i) => n + i.stage.droppedRecords, 0)
    const aborted = finite.reduce((n, i) => n + i.stage.abortedRecords, 0)
    const whole = end.why === 'finished' && complete && aborted === 0
    const missing = [...this.#incomplete]
    if (dropped > 0) missing.push(`${dropped} records were dropped`)
    if (whole && missing.length === 0) return 0
    log.error(missing.length > 0 ? missing.join(', ') : 'ended before everything was acknowledged', {
      code: 'E_RUN_INCOMPLETE',
      hint: whole
        ? 'see what was said of them before'
        : 'start again: it goes on from the last acknowledged byte',
    })
    return 1
  }

  #noteFinished(name: string, incomplete: string | undefined): void {
    this.#finished.add(name)
    if (incomplete !== undefined) this.#incomplete.push(incomplete)
    const open = this.#assembly.inputs.filter((i) => i.input.finite && !this.#finished.has(i.name))
    if (open.length === 0) this.#end({ why: 'finished' })
  }

  /** First signal: a stop with grace; second: at once, with what is committed. */
  #listen(log: ReturnType<Log['child']>): () => void {
    let stopping = false
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) {
        log.warn(`${signal} again: ending at once`)
        this.#log.close()
        process.exit(1)
      }
      stopping = true
      log.info(`${signal}: stopping`)
      this.#end({ why: 'signal' })
      this.#signal()
    }
    const dump = () => {
      // `timeout` and service managers send SIGCONT right behind SIGTERM.
      if (stopping) return
      void import('../observe/terminal/dump.ts').then(({ formatDump }) => {
        writeSync(2, formatDump(this.#assembly.snapshot()))
      })
    }
    const handlers: [NodeJS.Signals, (signal: NodeJS.Signals) => void][] = [
      ['SIGTERM', stop],
      ['SIGINT', stop],
      ['SIGQUIT', stop],
      ['SIGUSR1', dump],
      ['SIGCONT', dump],
    ]
    // `nohup` ignores it, and a handler would undo that.
    if (!ignoresHangUp()) handlers.push(['SIGHUP', stop])
    for (const [signal, handler] of handlers) process.on(signal, handler)
    return () => {
      for (const [signal, handler] of handlers) process.off(signal, handler)
    }
  }

  async #startHttp(): Promise<{ close(): Promise<void> } | undefined> {
    const s = this.#plan.service
    if (!s.httpServer) return undefined
    const { startHttp } = await import('../observe/http/server.ts')
    const health = {
      enabled: s.healthCheck,
      errorsCount: s.hcErrorsCount,
      retryFailureCount: s.hcRetryFailureCount,
      periodMs: s.hcPeriod,
    }
    const settings = { listen: s.httpListen, port: s.httpPort, health, plugins: this.#options.plugins }
    return startHttp(settings, () => this.#assembly.snapshot(), this.#log.child('http'))
  }

  /** The progress bar of a finite run on a terminal; the function ends it. */
  async #startProgress(): Promise<(() => void) | undefined> {
    const finite = this.#assembly.inputs.filter((i) => i.input.finite && i.input.totalBytes !== undefined)
    if (finite.length === 0 || !process.stderr.isTTY) return undefined
    const { createProgress } = await import('../observe/terminal/progress-bar.ts')
    const total = () => finite.reduce((n, i) => n + (i.input.totalBytes?.() ?? 0), 0)
    const done = () => finite.reduce((n, i) => n + i.stage.settledBytes, 0)
    let bar: ReturnType<typeof createProgress> | undefined
    const draw = () => {
      // Nothing is known before the files are found.
      if (total() === 0) return
      bar ??= createProgress({ stream: process.stderr, totalBytes: total() })
      this.#log.overlaid = true
      bar.update(done(), total())
    }
    const timer = setInterval(draw, 200)
    return () => {
      clearInterval(timer)
      draw()
      bar?.stop()
      this.#log.overlaid = false
    }
  }
}

const IGNORED_SIGNALS = /^SigIgn:\s*([0-9a-f]+)$/m

function ignoresHangUp(): boolean {
  try {
    const [, mask = '0'] = IGNORED_SIGNALS.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
    return (BigInt(`0x${mask}`) & 1n) === 1n
  } catch {
    return false
  }
}

/**
 * The same at every start on this machine, and not its secret machine-id itself. In a pod of Kubernetes it is the node's
 * name, where that is given: host name and machine-id are those of the pod, which is another one after each restart.
 */
function machineId(): string {
  const text = process.env.NODE_NAME || storedMachineId() || hostname()
  return createHash('sha1').update(`shipper:${text}`).digest('hex').slice(0, 12)
}

/** Empty where there is none, as in many containers. */
function storedMachineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return ''
  }
}
