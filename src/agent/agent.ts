import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { ERROR_CODES, exitStatusOf, formatLocation, messageOf, ShipperError } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import type { Plan } from '../core/plan.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { Assembly } from '../engine/assembly.ts'
import { systemClock } from '../engine/clock.ts'
import { loadParts, type Parts } from '../engine/parts.ts'
import { problemOf, type RunningInput } from '../engine/stages.ts'
import { settlesWithin } from '../lib/async/sleep.ts'
import { EarlyLog } from '../observe/log/early-log.ts'
import { createLog, type Log, type LogLevel } from '../observe/log/log.ts'
import { isTerminal } from '../observe/log/sink.ts'
import { ChunkGarbage } from './chunk-garbage.ts'
import { CompileOnWork } from './compile-on-work.ts'
import { discardAssembly, type PlanCheck, withPlaceProblems } from './dry-run.ts'
import { EventLoopWatch } from './event-loop.ts'
import { limitGarbage } from './garbage-limit.ts'
import { IdleMemory, shrinkRuntime } from './idle-memory.ts'
import { LastHandler, stackOf } from './last-handler.ts'
import { releaseCleanPages } from './release-pages.ts'
import { ServiceManager } from './service-manager.ts'
import { StatusSentence, statusSource } from './status-sentence.ts'
import { fateOf, startLine, stopLine } from './summary.ts'

interface AgentOptions {
  version: string
  /** Names of all plugins for /api/v1/plugins. */
  plugins: { inputs: string[]; filters: string[]; outputs: string[] }
  /** Configuration file as it was given, for the first line of the log. */
  config?: string | undefined
}

/** Reason why the agent ends: a signal, all finite inputs were read, stdout has no reader, a filter ends it, an input or the buffer failed, or a defect. */
type EndReason = 'signal' | 'finished' | 'readerClosed' | 'filter' | 'failed' | 'defect'

/** Time for flushes to react to an abort before they are abandoned. */
const MAX_ABORT_MS = 500
const PROGRESS_INTERVAL_MS = 200
/** Time that a stop after a defect waits for acknowledgements when Grace has no limit: what is broken may be the output. */
const DEFECT_GRACE_MS = 5000
/** Time that the rest of this stop may take. */
const DEFECT_CLOSE_MS = 5000
/** Time that the last sync of the buffer may take: a disk may never answer. */
const BUFFER_CLOSE_MS = 5000
/** Exit status of a program that SIGPIPE ends, as `yes` in `yes | head`. */
const SIGPIPE_STATUS = 141
/** Time after SIGCONT in which a stop signal cancels its dump: service managers send both. */
const CONTINUE_MS = 250
/** Interval and limit of the wait for the inputs' first look, for the first line of the log. */
const FOUND_INTERVAL_MS = 20
const MAX_FOUND_MS = 5000

/**
 * Runs the plan until it ends; resolves with the exit status. Reports everything, errors too, in the log. When the plan has
 * problems that `checkPlan` finds, it resolves with those, and has opened and logged nothing.
 */
export async function runAgent(plan: Plan, options: AgentOptions): Promise<number | PlanCheck> {
  const early = new EarlyLog()
  const agent = new Agent(plan, options, early, await loadParts(plan))
  const { problems } = agent
  if (problems.length > 0) {
    await agent.discard()
    return { problems, warnings: early.warnings }
  }
  let log: Log
  try {
    log = openLog(plan)
  } catch (error) {
    await agent.discard()
    writeError(error)
    return exitStatusOf(error)
  }
  early.open(log)
  try {
    return await agent.run(log)
  } catch (error) {
    logError(log, error)
    // With -q the log is off, and a status alone does not say what to do.
    if (plan.service.logLevel === 'off') writeError(error)
    return exitStatusOf(error)
  } finally {
    log.close()
  }
}

/** Writes why the agent ends to stderr, without the log. */
function writeError(error: unknown): void {
  const hint = error instanceof ShipperError && error.hint !== '' ? `; ${error.hint}` : ''
  process.stderr.write(`${escapeControls(`shipper: ${messageOf(error)}${hint}`)}\n`)
}

function openLog(plan: Plan): Log {
  const { logLevel, logFile, logFormat } = plan.service
  return createLog({
    level: logLevel,
    clock: systemClock,
    format: logFormat,
    ...(logFile === undefined ? {} : { file: logFile }),
  })
}

function logError(log: Log, error: unknown): void {
  const known = error instanceof ShipperError ? error : undefined
  const what =
    known !== undefined && known.code !== 'E_INTERNAL'
      ? { code: known.code, hint: known.hint }
      : { code: 'E_INTERNAL', hint: ERROR_CODES.E_INTERNAL.remedy, stack: stackOf(known?.cause ?? error) }
  const place = formatLocation(known?.location)
  log.child(known?.stage ?? 'shipper').error(`${place === '' ? '' : `${place}: `}${messageOf(error)}`, what)
}

class Agent {
  readonly #plan: Plan
  readonly #options: AgentOptions
  /** Set by `run`. */
  #log!: Log
  readonly #assembly: Assembly
  readonly #eventLoop: EventLoopWatch
  readonly #lastHandler: LastHandler
  readonly #compiler: CompileOnWork
  readonly #idleMemory: IdleMemory
  /** Aborted to stop the inputs. */
  readonly #inputs = new AbortController()
  /** Aborted to end flushes that have no acknowledgement yet. */
  readonly #flushes = new AbortController()
  readonly #finishedInputs = new Set<string>()
  /** Descriptions of what finished inputs could not read. */
  readonly #unread: string[] = []
  readonly #end = deferred<EndReason>()
  /** Resolved by the first stop signal. */
  readonly #stopSignal = deferred<void>()
  /** True when there is no output: nothing may be read, because it would be lost. */
  readonly #isIdle: boolean
  /** Exit status that a finished input has asked for; 0: none. */
  #inputStatus = 0
  /** Exit status that a filter has asked for. */
  #filterStatus: number | undefined
  /** Error of the first input that failed, at any time, or of the buffer that another agent may have used. */
  #failure: { error: unknown } | undefined

  constructor(plan: Plan, options: AgentOptions, log: EarlyLog, parts: Parts) {
    this.#plan = plan
    this.#options = options
    this.#isIdle = plan.outputs.length === 0
    const garbageLimit = limitGarbage(systemClock)
    this.#compiler = new CompileOnWork(garbageLimit.clock, () => this.#records())
    const losesDatagrams = plan.inputs.some(
      ({ spec, options: own }) => spec.listensOn?.(own as never)?.protocol === 'udp',
    )
    this.#eventLoop = new EventLoopWatch(this.#compiler.clock, log.child('shipper'), losesDatagrams)
    this.#idleMemory = new IdleMemory(systemClock, () => {
      shrinkRuntime()
      this.#compiler.idle()
    })
    this.#lastHandler = new LastHandler({
      log: log.child('shipper'),
      clock: systemClock,
      stop: () => this.#stop('defect'),
      limitMs: this.#defectGraceMs + MAX_ABORT_MS + DEFECT_CLOSE_MS,
      closeLog: () => this.#log.close(),
    })
    const garbage = new ChunkGarbage(undefined, () => garbageLimit.look())
    this.#assembly = new Assembly(plan, {
      parts,
      onChunk: () => garbage.count(),
      onGarbage: (bytes) => garbage.add(bytes),
      clock: this.#eventLoop.clock,
      log: (name, level, suppressMs) => log.child(name, level as LogLevel | undefined, suppressMs),
      agent: { version: options.version, id: machineId(), hostname: hostname() },
      tapLog: (take) => log.tap(take),
      agentMetrics: async () => {
        const { metricFamilies } = await import('../observe/http/metrics.ts')
        return metricFamilies(this.#snapshot(), 2)
      },
      openOffsets: async (path, offsetOptions, logger) => {
        const { openOffsets } = await import('../store/open.ts')
        return openOffsets(path, offsetOptions, { log: logger })
      },
      takeLock: async (path) => {
        const [{ takeLock }, { loadSqlite }] = await Promise.all([
          import('../store/agent-lock.ts'),
          import('../store/driver.ts'),
        ])
        return takeLock(await loadSqlite(), path)
      },
      openSegments: async (...given) => {
        const { openBuffer } = await import('./open-buffer.ts')
        return openBuffer(plan, ...given, (error) => this.#failed(error))
      },
      finished: (name, incomplete, status) => this.#inputFinished(name, incomplete, status),
      readerClosed: () => this.#end.resolve('readerClosed'),
      endRun: (name, status, reason) => {
        if (this.#filterStatus !== undefined) return
        this.#filterStatus = status
        log.child(name).error(`ends the run with status ${status}: ${reason}`, { code: 'E_RUN_ENDED' })
        this.#end.resolve('filter')
      },
      signal: this.#flushes.signal,
    })
  }

  /** Reasons for which it cannot be run. */
  get problems(): ShipperError[] {
    return withPlaceProblems(this.#assembly.problems, this.#plan)
  }

  /** Ends an agent that is not run. */
  async discard(): Promise<void> {
    await discardAssembly(this.#assembly, this.#flushes)
  }

  async run(all: Log): Promise<number> {
    this.#log = all
    const log = all.child('shipper')
    const removeLastHandler = this.#lastHandler.install()
    const removeHandlers = this.#handleSignals(log)
    for (const warning of this.#plan.warnings) log.warn(warning)
    let http: { close(): Promise<void> } | undefined
    let status = 1
    let closed = false
    let stopReleasing = () => {}
    const manager = await this.#openServiceManager(log)
    let hasStarted = false
    try {
      http = await this.#startHttp()
      if (!this.#isIdle) await this.#assembly.start()
      stopReleasing = await releaseCleanPages(this.#eventLoop.clock)
      manager?.ready()
      hasStarted = true
      status = await this.#runToEnd(log, manager)
    } finally {
      stopReleasing()
      manager?.stopping()
      closed = await this.#close()
      await http?.close()
      this.#eventLoop.stop()
      this.#idleMemory.stop()
      removeHandlers()
      removeLastHandler()
      // The last line, after everything that may still be said.
      this.#log.flush()
      const level = status === SIGPIPE_STATUS && this.#assembly.outputs.length === 1 ? 'debug' : 'info'
      if (hasStarted) log[level](stopLine(this.#plan, this.#assembly, this.#filterStatus !== undefined))
    }
    if (this.#lastHandler.hasCaught) return ERROR_CODES.E_INTERNAL.exit
    return closed ? status : 1
  }

  /** Starts the pulse; it is a sign of life for the service manager, if there is one. */
  async #openServiceManager(log: ReturnType<Log['child']>): Promise<ServiceManager | undefined> {
    const sentence = new StatusSentence(systemClock)
    const status = (): string => sentence.of(statusSource(this.#assembly))
    const manager = await ServiceManager.open(process.env, log, status)
    const records = () => this.#records()
    this.#idleMemory.start(records)
    const beat = (): void => {
      manager?.pulse()
      this.#idleMemory.check(records)
    }
    this.#eventLoop.start({ beat, maxMs: manager?.pulseMs, records })
    return manager
  }

  /** Returns the number of records so far. */
  #records(): number {
    return this.#assembly.inputs.reduce((sum, { stage }) => sum + stage.records, 0)
  }

  async #runToEnd(log: ReturnType<Log['child']>, manager?: ServiceManager): Promise<number> {
    const runs = this.#isIdle ? [] : this.#assembly.inputs.map((input) => this.#runInput(input))
    const stopProgress = this.#isIdle ? undefined : await this.#startProgress()
    const started = this.#logStart(log)
    const reason = await this.#end.promise
    // What runs is said before its end, also when that comes at once.
    await started
    manager?.stopping()
    this.#inputs.abort()
    const isComplete = await this.#drain(reason, runs, log)
    stopProgress?.()
    if (this.#failure !== undefined) throw this.#failure.error
    return this.#status(reason, isComplete, log)
  }

  /** Closes all stages. Flushes get a moment to react to the abort: an ack that is on its way still moves its offset. */
  async #close(): Promise<boolean> {
    this.#inputs.abort()
    this.#flushes.abort()
    this.#assembly.stop()
    await settlesWithin(this.#assembly.settled(), MAX_ABORT_MS, systemClock)
    const closed = await this.#assembly.closeInputs()
    await settlesWithin(this.#assembly.closeOutputs(), MAX_ABORT_MS, systemClock)
    let isBufferClosed = false
    const close = async (): Promise<void> => {
      isBufferClosed = await this.#assembly.closeBuffer()
    }
    await settlesWithin(close(), BUFFER_CLOSE_MS, systemClock)
    return closed && isBufferClosed
  }

  async #runInput(running: RunningInput): Promise<void> {
    try {
      await running.input.run(this.#inputs.signal)
    } catch (error) {
      const plan = this.#plan.inputs.find(({ name }) => name === running.name)
      this.#failed(plan === undefined ? error : problemOf(plan, error))
    }
  }

  #failed(error: unknown): void {
    this.#failure ??= { error }
    this.#end.resolve('failed')
  }

  /** Waits for every ack: without a limit when the inputs have finished, for `Grace` after a signal or a failure. */
  async #drain(reason: EndReason, runs: Promise<void>[], log: ReturnType<Log['child']>): Promise<boolean> {
    const grace = this.#plan.service.grace
    const graceMs = grace < 0 ? Number.POSITIVE_INFINITY : grace * 1000
    // What is broken may be what settles.
    if (reason === 'defect') {
      this.#assembly.stopReading()
      return settlesWithin(
        Promise.all(runs).then(() => this.#assembly.settled()),
        this.#defectGraceMs,
        systemClock,
      )
    }
    let haveEnded = false
    const settled = Promise.all(runs).then(() => {
      haveEnded = true
      return this.#assembly.settled()
    })
    if (reason !== 'finished') this.#assembly.stopReading()
    if (reason === 'failed' || reason === 'readerClosed' || reason === 'filter')
      return settlesWithin(settled, graceMs, systemClock)
    if (reason === 'finished') {
      const first = await Promise.race([settled.then(() => 'settled'), this.#stopSignal.promise])
      if (first === 'settled') return true
      this.#assembly.stopReading()
    }
    const limit = grace < 0 ? 'without a time limit' : `up to ${grace} s`
    log.info(`stopping: waiting ${limit} for acknowledgements`)
    const isComplete = await settlesWithin(settled, graceMs, systemClock)
    if (!isComplete) {
      const open = this.#assembly.inputs.filter(({ stage }) => stage.openChunks > 0)
      const { buffer } = this.#assembly
      if (open.length === 0 && haveEnded && buffer?.isDrained === false)
        log.warn('stopping before everything in the buffer was sent: the next run sends the rest')
      else if (open.length === 0)
        log.warn('stopping before an input has ended: what it was doing is left to the next run')
      else log.warn(`stopping before all records were acknowledged: ${fateOf(this.#plan, open)}`)
    }
    return isComplete
  }

  #status(reason: EndReason, isComplete: boolean, log: ReturnType<Log['child']>): number {
    if (this.#filterStatus !== undefined) return this.#filterStatus
    if (reason === 'readerClosed') return SIGPIPE_STATUS
    if (this.#isIdle) return 0
    const finite = this.#assembly.inputs.filter((i) => i.input.finite)
    if (finite.length === 0) return 0
    const dropped = finite.reduce((n, i) => n + i.stage.droppedRecords, 0)
    const aborted = finite.reduce((n, i) => n + i.stage.abortedRecords, 0)
    const isRead = finite.every(
      ({ name, input }) => this.#finishedInputs.has(name) || input.isWaiting === true,
    )
    const kept = this.#assembly.buffer?.records ?? 0
    const isDrained = (reason === 'finished' || isRead) && isComplete && aborted + kept === 0
    const missing = [...this.#unread]
    if (dropped > 0) missing.push(dropped === 1 ? '1 record was dropped' : `${dropped} records were dropped`)
    const lost = this.#assembly.buffer?.lostText
    if (lost !== undefined) missing.push(`${lost} lost in damaged files of the buffer`)
    if (isDrained && missing.length === 0) return this.#inputStatus
    log.error(missing.length > 0 ? missing.join(', ') : 'ended before all records were acknowledged', {
      code: 'E_RUN_INCOMPLETE',
      hint: isDrained
        ? 'what is named was not read or not delivered; log lines above may have the reason'
        : kept > 0 && aborted === 0
          ? 'what was not sent is in the buffer on disk, and the next run sends it'
          : `what is not acknowledged: ${fateOf(this.#plan, finite)}`,
    })
    return 1
  }

  #inputFinished(name: string, incomplete: string | undefined, status = 0): void {
    this.#finishedInputs.add(name)
    this.#inputStatus ||= status
    if (incomplete !== undefined) this.#unread.push(incomplete)
    const open = this.#assembly.inputs.filter((i) => i.input.finite && !this.#finishedInputs.has(i.name))
    if (open.length === 0) this.#end.resolve('finished')
  }

  #stop(reason: EndReason): void {
    this.#end.resolve(reason)
    this.#stopSignal.resolve()
  }

  get #defectGraceMs(): number {
    const { grace } = this.#plan.service
    return grace < 0 ? DEFECT_GRACE_MS : grace * 1000
  }

  #snapshot(): Snapshot {
    return { ...this.#assembly.snapshot(), eventLoop: this.#eventLoop.snapshot() }
  }

  /** Stops with grace at the first signal and exits at the second. Returns a function that removes the handlers. */
  #handleSignals(log: ReturnType<Log['child']>): () => void {
    let stopping = false
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) {
        log.warn(`received ${signal} again: exiting immediately`)
        this.#lastHandler.leave()
        this.#log.close()
        process.exit(1)
      }
      stopping = true
      log.info(`received ${signal}: stopping`)
      this.#stop('signal')
    }
    const dump = async () => {
      const { dumpLines } = await import('../observe/terminal/dump.ts')
      if (!stopping) this.#log.block('shipper', dumpLines(this.#snapshot()))
    }
    // `timeout` and service managers send SIGCONT together with SIGTERM, and either may come first.
    const dumpLater = () => {
      if (!stopping) setTimeout(dump, CONTINUE_MS).unref()
    }
    const handlers: [NodeJS.Signals, (signal: NodeJS.Signals) => void][] = [
      ['SIGTERM', stop],
      ['SIGINT', stop],
      ['SIGQUIT', stop],
      ['SIGUSR1', dump],
      ['SIGCONT', dumpLater],
    ]
    // `nohup` ignores SIGHUP, and a handler would undo that.
    if (!isHangUpIgnored()) handlers.push(['SIGHUP', stop])
    for (const [signal, handler] of handlers) process.on(signal, handler)
    return () => {
      for (const [signal, handler] of handlers) process.off(signal, handler)
    }
  }

  /** Logs what runs, when the inputs have had their first look. */
  async #logStart(log: ReturnType<Log['child']>): Promise<void> {
    const { version, config } = this.#options
    const { inputs } = this.#assembly
    const isOpen = (): boolean =>
      !this.#isIdle && inputs.some(({ input }) => input.found !== undefined && input.found() === undefined)
    let hasEnded = false
    const end = this.#end.promise.then(() => {
      hasEnded = true
    })
    for (let ms = 0; isOpen() && !hasEnded && ms < MAX_FOUND_MS; ms += FOUND_INTERVAL_MS)
      await Promise.race([end, new Promise((resolve) => setTimeout(resolve, FOUND_INTERVAL_MS).unref())])
    if (this.#failure === undefined) log.info(await startLine(this.#plan, inputs, version, config))
  }

  async #startHttp(): Promise<{ close(): Promise<void> } | undefined> {
    const service = this.#plan.service
    if (!service.httpServer) return undefined
    const { startHttp } = await import('../observe/http/server.ts')
    const health = {
      enabled: service.healthCheck,
      errorsCount: service.hcErrorsCount,
      retryFailureCount: service.hcRetryFailureCount,
      periodMs: service.hcPeriod,
      outputDownMs: service.hcOutputDown,
    }
    const { httpListen: listen, httpPort: port, httpAllowedHosts: allowedHosts } = service
    const { storageMetrics: hasStorage } = service
    const options = { listen, port, health, allowedHosts, plugins: this.#options.plugins, hasStorage }
    return startHttp(options, () => this.#snapshot(), this.#log.child('http'))
  }

  /** Draws the progress bar of a finite run on a terminal; resolves with a function that ends it. */
  async #startProgress(): Promise<(() => void) | undefined> {
    const finite = this.#assembly.inputs.filter((i) => i.input.finite && i.input.totalBytes !== undefined)
    if (finite.length === 0 || !isTerminal(2)) return undefined
    const { createProgress } = await import('../observe/terminal/progress-bar.ts')
    const total = () => finite.reduce((n, i) => n + (i.input.totalBytes?.() ?? 0), 0)
    const done = () => finite.reduce((n, i) => n + i.stage.settledBytes, 0)
    let bar: ReturnType<typeof createProgress> | undefined
    const draw = () => {
      // The total is unknown until the files are found.
      if (total() === 0) return
      bar ??= createProgress({ stream: process.stderr, totalBytes: total() })
      this.#log.overlaid = true
      bar.update(done(), total())
    }
    const timer = setInterval(draw, PROGRESS_INTERVAL_MS)
    return () => {
      clearInterval(timer)
      draw()
      bar?.stop()
      this.#log.overlaid = false
    }
  }
}

/** Creates a promise together with its resolve function; `Promise.withResolvers` needs Node 22. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((resolvePromise) => {
    resolve = resolvePromise
  })
  return { promise, resolve }
}

const IGNORED_SIGNALS = /^SigIgn:\s*([0-9a-f]+)$/m

/** Returns true when the process was started with SIGHUP ignored. */
function isHangUpIgnored(): boolean {
  try {
    const [, mask = '0'] = IGNORED_SIGNALS.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
    return (BigInt(`0x${mask}`) & 1n) === 1n
  } catch {
    return false
  }
}

/**
 * Returns an id that is stable on this machine and does not reveal its machine-id, which is secret. In a Kubernetes pod it
 * is made of NODE_NAME where set: host name and machine-id are those of the pod, which changes with each restart.
 */
function machineId(): string {
  const text = process.env.NODE_NAME || storedMachineId() || hostname()
  return createHash('sha1').update(`shipper:${text}`).digest('hex').slice(0, 12)
}

/** Returns the machine-id, or an empty string where there is none, as in many containers. */
function storedMachineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return ''
  }
}
