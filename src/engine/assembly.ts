import { dirname } from 'node:path'
import type { BufferSource } from '../core/buffer-source.ts'
import { Chunk, type ChunkInit } from '../core/chunk.ts'
import { messageOf, ShipperError } from '../core/error.ts'
import type { Family } from '../core/metric-family.ts'
import type { OffsetOptions, OffsetStore } from '../core/offset-store.ts'
import { parseRetryLimit } from '../core/options/retry-limit.ts'
import { secretValues } from '../core/options/secret-values.ts'
import { type Condition, deadLettersOf, type Plan, type ProcessorPlan, ROOT } from '../core/plan.ts'
import type {
  Ack,
  Filter,
  FilterContext,
  InputContext,
  Output,
  PluginContext,
  RegexLimit,
} from '../core/plugin.ts'
import type { Clock, LoggedLine, Logger } from '../core/services.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { matchTag } from '../core/tag.ts'
import { newRunId } from '../lib/plugin/run-id.ts'
import { BorrowedBuffers } from './borrowed-buffers.ts'
import { type Account, Budget } from './budget.ts'
import type { DiskBuffer, OpenSegments } from './buffer/disk-buffer.ts'
import { CounterMap } from './counters.ts'
import {
  DEAD_LETTER_COUNTERS,
  DeadLetters,
  FILTER_LETTER_COUNTERS,
  type Keeper,
} from './dead-letters/dead-letters.ts'
import { DeadLetterFiles } from './dead-letters/places.ts'
import { HeldUp } from './held-up.ts'
import { InputStage } from './input-stage.ts'
import { lineContext } from './line-context.ts'
import { MatchRouter } from './match-router.ts'
import { matchRouterOf, type Stages } from './match-routing.ts'
import { OwnFiles } from './own-files.ts'
import type { Parts } from './parts.ts'
import type { FilterStage, OutputStage } from './path.ts'
import { Pipeline } from './pipeline.ts'
import { OutputQueue } from './queue.ts'
import { CountedRegexLimit } from './regex-limit.ts'
import { capMsOf, type RetryPolicy } from './retry.ts'
import type { Router } from './router.ts'
import {
  type AnyStage,
  countersOf,
  filterSnapshot,
  inputSnapshot,
  outputSnapshot,
  problemOf,
  type RunningFilter,
  type RunningInput,
  type RunningOutput,
} from './stages.ts'
import { deadLetterFolderOf, stateFolderOf } from './state-folder.ts'
import { matches, type TagMatch, tagMatch } from './tag-match.ts'

interface AssemblyOptions {
  /** What `loadParts` has loaded for the plan. */
  parts: Parts
  clock: Clock
  log: (name: string, level?: string, suppressMs?: number) => Logger
  agent: PluginContext['agent']
  openOffsets: (path: string | undefined, options: OffsetOptions, log: Logger) => Promise<OffsetStore>
  /** See `OutputContext.takeLock`. */
  takeLock?: (path: string) => Promise<{ release(): void }>
  /** Called when an input has read everything it ever will; see `InputContext.finished`. */
  finished: (name: string, incomplete?: string, status?: number) => void
  /** Implements `InputContext.tapLog`; undefined where there is no log. */
  tapLog?: (take: (line: LoggedLine) => void) => () => void
  /** Returns the metrics of the agent. */
  agentMetrics?: () => Promise<Family[]>
  /** Called when what an output writes has no reader any more; its chunks are aborted. */
  readerClosed?: (name: string) => void
  /** Called when a filter ends the run; see `FilterContext.endRun`. */
  endRun?: (name: string, status: number, reason: string) => void
  /** Called for each chunk that goes through filters and to outputs. */
  onChunk?: () => void
  /** Called with the bytes of garbage that a filter has left; see `FilterContext.leftGarbage`. */
  onGarbage?: (bytes: number) => void
  /** Aborts flushes. */
  signal: AbortSignal
  /**
   * Opens the buffer on disk. Without it nothing is buffered, whatever the plan says: in a trial, a check and a replay, which may run
   * beside the agent that has it.
   */
  openSegments?: OpenSegments
  /** Returns what an output or filter does with records that it gives up; default: as the configuration says. */
  deadLetters?: (name: string) => Keeper
}

/**
 * An input without Mem_Buf_Limit may use Memory_Limit divided by this number. So one input cannot starve the others, and
 * chunks are sent while they are still in the processor's cache, which costs a quarter less CPU than with four times as
 * many chunks on their way.
 */
const INPUT_SHARE = 8
/** Part of Memory_Limit for what an output has taken over. */
const LATE_SHARE = 2
/** Part of Memory_Limit for chunks of all inputs that wait for acknowledgements only. */
const ACCEPTED_SHARE = 2
/** Pause between two looks for chunks without records. */
const RELEASE_MS = 100

const NO_PLACE =
  'no dead-letter file: a record on which the filter fails will wait, and its input with it; ' +
  'set Dead_Letter_File, On_Error, DB of an input, or storage.path'

const NO_PLACE_FOR_REFUSED =
  'no dead-letter file: a record that is refused will wait, and later records with its tag'
const NO_PLACE_HINT =
  'set Dead_Letter_File to a path, or to `off` to drop such records; with a DB of an input, a buffer on disk, or SHIPPER_STATE in the environment, there is a default'
/** Counter of outputs to which a peer may refuse single records for good. */
const REFUSED = 'refused_records'

/**
 * The parts of one agent, built from a plan; nothing runs yet. A stage that cannot be built is reported in `problems` and
 * does not hide problems of the others. An assembly with problems is incomplete: it can be closed, but not started.
 */
export class Assembly {
  readonly inputs: RunningInput[] = []
  readonly outputs: RunningOutput[] = []
  readonly problems: ShipperError[] = []
  readonly budget: Budget
  readonly #accepted: Account
  readonly pipeline: Pipeline
  readonly buffer: DiskBuffer | undefined
  readonly #filters: RunningFilter[] = []
  readonly #plans = new Map<RunningFilter | RunningOutput, AnyStage>()
  /** Filters that take tags for the identity of a source, and the pattern of these tags. */
  readonly #identities: { pattern: string; stage: FilterStage }[] = []
  /** Outputs that print metrics. */
  readonly #metricOutputs: { match: TagMatch; output: Output }[] = []
  readonly #plan: Plan
  readonly #options: AssemblyOptions
  readonly #clock: Clock
  readonly #log: AssemblyOptions['log']
  readonly #agent: AssemblyOptions['agent']
  readonly #runId = newRunId()
  readonly #startedMs: number
  readonly #heldUp: HeldUp
  #releasedMs = Number.NEGATIVE_INFINITY
  readonly #deadLetterFiles = new DeadLetterFiles()
  readonly #countersOfInputs = new Map<string, CounterMap>()
  /** Labels of the plan, see `FilterContext.labels`. */
  readonly #labels: ReadonlySet<string> | undefined
  /** By name of the input, what supplies its records again after a start. */
  readonly #readAgain: ReadonlyMap<string, 'input' | 'buffer'>
  #ownFiles: OwnFiles | undefined
  #namesOnWay: ReadonlySet<string> | undefined

  constructor(plan: Plan, options: AssemblyOptions) {
    this.#plan = plan
    this.#options = options
    this.#clock = options.clock
    this.#log = options.log
    this.#agent = options.agent
    this.#startedMs = options.clock.nowMs()
    this.budget = new Budget(plan.service.memoryLimit, plan.service.chunkSize)
    this.#accepted = this.budget.account(plan.service.memoryLimit / ACCEPTED_SHARE)
    const { routing } = plan
    if (routing !== undefined)
      this.#labels = new Set([...routing.labels.keys()].filter((name) => name !== ROOT))
    this.#readAgain = readAgainOf(plan, options.openSegments !== undefined)
    const log = options.log('engine')
    this.#heldUp = new HeldUp(log, (input, tag) => this.pipeline.outputsOf(input, tag))
    const borrowed = new BorrowedBuffers()
    const router = this.#makeRouter(borrowed)
    this.buffer = this.#makeBuffer()
    this.pipeline = new Pipeline(router, borrowed, log, options.onChunk, this.buffer)
    for (const input of plan.inputs) this.#try(input, () => this.inputs.push(this.#makeInput(input)))
  }

  #try(stage: AnyStage, make: () => void): void {
    try {
      make()
    } catch (error) {
      this.problems.push(problemOf(stage, error))
    }
  }

  /** Starts filters and outputs; throws the first of `problems`, if there are any. */
  async start(): Promise<void> {
    const [problem] = this.problems
    if (problem !== undefined) throw problem
    await this.buffer?.open()
    for (const running of this.#filters) await this.#located(running, () => running.stage.filter.start?.())
    for (const running of this.outputs) await this.#located(running, () => running.output.start?.())
    this.buffer?.run()
  }

  /** Adds to `problems` what the start of a filter would fail with. Starts nothing. */
  async check(): Promise<void> {
    for (const running of this.#filters) {
      try {
        await this.#located(running, () => running.stage.filter.check?.())
      } catch (error) {
        this.problems.push(error as ShipperError)
      }
    }
  }

  /** Adds name and location of the stage to an error of `run`. */
  async #located(stage: RunningFilter | RunningOutput, run: () => Promise<void> | void): Promise<void> {
    try {
      await run()
    } catch (error) {
      throw problemOf(this.#plans.get(stage) as AnyStage, error)
    }
  }

  /** Gives the buffers of chunks without records back, of all inputs: whoever waits for memory must not wait for these. */
  #releaseEmpty(): void {
    const nowMs = this.#clock.nowMs()
    // Some thousand connections may wait, and there may be as many tags.
    if (Math.abs(nowMs - this.#releasedMs) < RELEASE_MS) return
    this.#releasedMs = nowMs
    for (const { stage } of this.inputs) stage.releaseEmpty()
  }

  /** Sends a chunk through the named filter and to what follows it; returns false when there is no such filter. */
  resume(filter: string, chunk: Chunk, buffers: BufferSource, ack: Ack): boolean {
    const running = this.#filters.find(({ name }) => name === filter)
    if (running !== undefined) this.pipeline.resume(running.stage, chunk, buffers, ack)
    return running !== undefined
  }

  /** Seals all inputs and resolves when each of their chunks has settled, and what is in the buffer: see `DiskBuffer.settled`. */
  async settled(): Promise<void> {
    for (const { stage } of this.inputs) stage.sealAll()
    for (const { output, queue } of this.outputs)
      if (output.finish !== undefined) void queue.drained().then(() => output.finish?.())
    for (const { stage } of this.inputs) await stage.settled()
    await this.buffer?.settled()
    // The buffer does not wait for what is on disk, but an object that is begun is worth its end.
    for (const { output, queue } of this.outputs)
      if (queue.empty && queue.isReachable) await output.finish?.()
  }

  /** Leaves what is in the buffer, and in no memory, to the next run. */
  stopReading(): void {
    this.buffer?.stopReading()
  }

  stop(): void {
    for (const { stage } of this.inputs) stage.stop()
    for (const { queue } of this.outputs) queue.stop()
    this.buffer?.stop()
    for (const { letters } of this.#filters) letters?.stop()
  }

  /** Closes every input, even if others fail. Returns false when one failed; the log says why. */
  async closeInputs(): Promise<boolean> {
    const closed = this.inputs.map(({ name, input }) => this.#close(name, () => input.close()))
    return (await Promise.all(closed)).every(Boolean)
  }

  /** Closes every output and filter, even if others fail. Returns false when one failed; the log says why. */
  async closeOutputs(): Promise<boolean> {
    // Filters first: they may show their last metrics.
    const closed = [
      ...this.#filters.map(({ name, stage }) => this.#close(name, () => stage.filter.close?.())),
      ...this.outputs.map(({ name, output }) => this.#close(name, () => output.close())),
    ]
    return (await Promise.all(closed)).every(Boolean)
  }

  /** Closes the buffer, after inputs and outputs. Returns false when that failed; the log says why. */
  async closeBuffer(): Promise<boolean> {
    return this.#close('buffer', () => this.buffer?.close())
  }

  async #close(name: string, close: () => Promise<void> | void): Promise<boolean> {
    try {
      await close()
      return true
    } catch (error) {
      const code = error instanceof ShipperError ? error.code : 'E_INTERNAL'
      this.#log(name).error(
        `cannot close, some positions may not be stored and lines may be sent again: ${messageOf(error)}`,
        { code },
      )
      return false
    }
  }

  /** Returns the state of all stages; what concerns the whole process is added by the agent. */
  snapshot(): Omit<Snapshot, 'eventLoop'> {
    return {
      version: this.#agent.version,
      hostname: this.#agent.hostname,
      startedMs: this.#startedMs,
      nowMs: this.#clock.nowMs(),
      memory: { limit: this.budget.limitBytes, used: this.budget.used },
      inputs: this.inputs.map(inputSnapshot),
      filters: this.#filters.map(filterSnapshot),
      outputs: this.outputs.map(outputSnapshot),
      ...(this.buffer !== undefined && { buffer: this.buffer.snapshot() }),
    }
  }

  /** Makes filters, outputs and processors, and the router that knows the order in which records pass them. */
  #makeRouter(buffers: BorrowedBuffers): Router {
    const processors = new Map<ProcessorPlan, FilterStage>()
    const makeProcessors = (plans: readonly ProcessorPlan[] = [], reroutesFirst = false): FilterStage[] =>
      plans.flatMap((plan) => {
        const stage = this.#addFilter(plan, buffers, reroutesFirst)
        if (stage !== undefined) processors.set(plan, stage)
        return stage ?? []
      })
    for (const input of this.#plan.inputs) makeProcessors(input.processors, true)
    const filters = new Map<string, FilterStage>()
    for (const filter of this.#plan.filters) {
      const stage = this.#addFilter(filter, buffers)
      if (stage !== undefined) filters.set(filter.name, stage)
    }
    const outputs = new Map<string, OutputStage>()
    for (const output of this.#plan.outputs)
      this.#try(output, () => {
        const { running, match } = this.#makeOutput(output)
        this.outputs.push(running)
        this.#plans.set(running, output)
        const { name, queue } = running
        const wantsPlaces = output.spec.usesRecordIds?.(output.options as never) === true
        outputs.set(name, {
          ...match,
          name,
          queue,
          wantsPlaces,
          processors: makeProcessors(output.processors),
        })
      })
    const limits = new Map<Plan['inputs'][number], RegexLimit>()
    try {
      return this.#routerOf({
        filters,
        outputs,
        processors,
        isComplete: this.problems.length === 0,
        conditionOf: (input, condition) => {
          const limit = limits.get(input) ?? this.#routeLimit(input)
          limits.set(input, limit)
          return this.#conditions.compileCondition(condition, limit)
        },
      })
    } catch (error) {
      this.problems.push(
        error instanceof ShipperError
          ? error
          : new ShipperError('E_INTERNAL', messageOf(error), { cause: error }),
      )
      return new MatchRouter([], [])
    }
  }

  #routerOf(stages: Stages): Router {
    const { routing } = this.#plan
    if (routing === undefined) return matchRouterOf(this.#plan, stages)
    return loaded(this.#options.parts.orderedRouterOf)(this.#plan, routing, stages)
  }

  get #conditions(): NonNullable<Parts['conditions']> {
    return loaded(this.#options.parts.conditions)
  }

  #conditional(filter: Filter, condition: Condition, limit: RegexLimit): Filter {
    const { ConditionalFilter, compileCondition } = this.#conditions
    return new ConditionalFilter(filter, compileCondition(condition, limit))
  }

  #addFilter(plan: ProcessorPlan, buffers: BorrowedBuffers, reroutesFirst = false): FilterStage | undefined {
    let running: RunningFilter | undefined
    this.#try(plan, () => {
      running = this.#makeFilter(plan, buffers, reroutesFirst)
      this.#filters.push(running)
      this.#plans.set(running, plan)
    })
    return running?.stage
  }

  #routeLimit(plan: Plan['inputs'][number]): RegexLimit {
    const log = this.#log(plan.logName ?? plan.name, plan.common.logLevel, plan.common.logSuppressInterval)
    return this.#regexLimit(plan.common.regexStepLimit, this.#inputCounters(plan), log)
  }

  /** Counters of an input; the routes of the input, which are made before it, count there as well. */
  #inputCounters(plan: Plan['inputs'][number]): CounterMap {
    let counters = this.#countersOfInputs.get(plan.name)
    if (counters === undefined) {
      counters = new CounterMap(plan.spec.counters)
      this.#countersOfInputs.set(plan.name, counters)
    }
    return counters
  }

  #makeBuffer(): DiskBuffer | undefined {
    const { openSegments: open, parts } = this.#options
    const { buffer: plan } = this.#plan
    if (plan === undefined || open === undefined) return undefined
    const Buffer = loaded(parts.DiskBuffer)
    return new Buffer({
      plan,
      outputs: this.outputs,
      budget: this.budget,
      retry: this.#retryPolicy(Number.POSITIVE_INFINITY),
      clock: this.#clock,
      log: this.#log('buffer'),
      open,
      onDropped: (input, records) => this.#countDropped(input, records),
    })
  }

  #makeInput(plan: Plan['inputs'][number]): RunningInput {
    const limit = plan.common.memBufLimit || this.budget.limitBytes / INPUT_SHARE
    const account = this.budget.account(Math.min(limit, this.budget.limitBytes))
    const counters = this.#inputCounters(plan)
    const log = this.#log(plan.logName ?? plan.name, plan.common.logLevel, plan.common.logSuppressInterval)
    const isBuffered = this.buffer?.takes(plan.name) === true
    account.hasReserve = isBuffered
    if (isBuffered) this.budget.reservedBytes = this.budget.limitBytes / INPUT_SHARE
    const stage = new InputStage({
      name: plan.name,
      runId: this.#runId,
      chunkBytes: Math.min(this.#plan.service.chunkSize, Math.floor(account.limitBytes / 4)),
      // Half the limit, so that a second chunk can be filled while one waits for its ack.
      sizeWithin: (bytes) => this.budget.sizeWithin(bytes),
      filteredBytes: this.budget.sizeWithin(account.limitBytes / 2),
      flushMs: this.#plan.service.flush,
      account,
      clock: this.#clock,
      pipeline: this.pipeline,
      routable: plan.common.routable,
      isBuffered,
    })
    const ctx: InputContext = {
      ...this.#context(plan.name, log, counters),
      ...lineContext(
        this.#plan,
        log,
        this.#clock,
        this.#regexLimit(plan.common.regexStepLimit, counters, log),
      ),
      tag: plan.tag,
      configuredTag: plan.common.tag,
      flushMs: this.#plan.service.flush,
      isBuffered,
      wantsPlaces: this.pipeline.wantsPlaces,
      buffers: account,
      appender: (tag) => stage.appender(tag),
      sealAll: () => stage.sealAll(),
      room: (tag, unsettledBytes, wantedBytes) => stage.room(tag, unsettledBytes, wantedBytes),
      waitForRoom: () => stage.waitForRoom(),
      leftGarbage: (bytes) => this.#options.onGarbage?.(bytes),
      waitForMemory: (signal) => {
        this.#releaseEmpty()
        const wait = account.waitForMemory(signal)
        this.#heldUp.check(this.inputs, this.outputs)
        return wait
      },
      openOffsets: (path, options) => this.#options.openOffsets(path, options, log),
      ...(this.pipeline.mayWait && {
        ready: (tag: string, path: string, target?: string) => {
          let turnBytes: number | undefined
          const wait = this.pipeline.ready(plan.name, tag, path, {
            target,
            seal: () => stage.appender(tag).seal(),
            limit: (bytes) => stage.appender(tag).limit(bytes),
            limitTurn: (bytes) => {
              turnBytes = Math.min(bytes, turnBytes ?? bytes)
            },
          })
          return wait ?? turnBytes
        },
      }),
      isIdentity: (tag) => this.#isIdentity(plan.name, tag),
      finished: (incomplete, status) => this.#options.finished(plan.name, incomplete, status),
      ...this.#ownServices(plan.logName ?? plan.name),
    }
    const input = plan.spec.create(plan.options as never, ctx)
    return {
      name: plan.name,
      plugin: plan.spec.name,
      input,
      stage,
      account,
      counters,
      log,
    }
  }

  /** Returns what only inputs about the agent itself use. `logName`: the name under which the input logs. */
  #ownServices(logName: string): Pick<InputContext, 'tapLog' | 'agentMetrics' | 'showMetrics'> {
    const { tapLog, agentMetrics } = this.#options
    return {
      showMetrics: (tag, families) => this.#showMetrics(tag, families),
      ...(agentMetrics && { agentMetrics }),
      ...(tapLog && {
        tapLog: (take: (line: LoggedLine, isOnWay: boolean) => void) =>
          tapLog((line) => {
            if (line.instance !== logName) take(line, this.#isOnWay(line.instance))
          }),
      }),
    }
  }

  /** True for the engine, and the name under which a filter, an output or a processor logs. */
  #isOnWay(instance: string): boolean {
    this.#namesOnWay ??= new Set([
      'engine',
      ...[...this.#plans.values()].map(({ logName, name }) => logName ?? name),
    ])
    return this.#namesOnWay.has(instance)
  }

  #isIdentity(input: string, tag: string): boolean {
    return this.#identities.some(
      ({ pattern, stage }) =>
        matchTag(pattern, tag) && this.pipeline.path(input, tag).allFilters.includes(stage),
    )
  }

  #makeFilter(plan: ProcessorPlan, buffers: BorrowedBuffers, reroutesFirst: boolean): RunningFilter {
    const kept = deadLettersOf(plan)
    const counters = new CounterMap({ ...countersOf(plan), ...(kept && FILTER_LETTER_COUNTERS) })
    const log = this.#log(plan.logName ?? plan.name, plan.common.logLevel, plan.common.logSuppressInterval)
    const regexLimit = this.#regexLimit(plan.common.regexStepLimit, counters, log)
    const letters = kept && this.#filterLetters(plan.name, kept, buffers, log, counters)
    const ctx: FilterContext = {
      ...this.#context(plan.name, log, counters),
      ...lineContext(this.#plan, log, this.#clock, regexLimit),
      buffers,
      emit: (records, from, ack, label) =>
        this.pipeline.emit(stage, new Chunk(labelled(records, label), from), from, ack, label),
      reroute: (records, from, ack, label) => this.pipeline.reroute(stage, records, from, ack, label),
      mayReroute: () => this.pipeline.mayReroute(),
      labels: this.#labels,
      configFolder: this.#plan.configFile === undefined ? undefined : dirname(this.#plan.configFile),
      stateFolder: stateFolderOf(this.#plan),
      showMetrics: (tag, families) => this.#showMetrics(tag, families),
      readerClosed: () => this.#options.readerClosed?.(plan.name),
      endRun: (status, reason) => this.#options.endRun?.(plan.name, status, reason),
      leftGarbage: (bytes) => this.#options.onGarbage?.(bytes),
      reject: (chunk, start, end, reason) => {
        if (letters === undefined)
          throw new ShipperError('E_INTERNAL', `${plan.spec.name} has no options for dead letters`)
        letters.reject(chunk, start, end, reason)
      },
    }
    const stats = { records: 0, bytes: 0, addRecords: 0, dropRecords: 0, dropBytes: 0 }
    const { name, condition } = plan
    const made = plan.spec.create(plan.options as never, ctx)
    const filter = condition === undefined ? made : this.#conditional(made, condition, regexLimit)
    const stage: FilterStage = {
      ...tagMatch(plan, regexLimit),
      name,
      filter,
      stats,
      reroutesFirst,
      keepsPlaces: condition === undefined && plan.spec.keepsPlaces?.(plan.options as never) === true,
      mayReroute: plan.spec.newTags !== undefined,
    }
    const pattern = plan.spec.identityTags?.(plan.options as never)
    if (pattern !== undefined) this.#identities.push({ pattern, stage })
    const metrics = made.metrics === undefined ? undefined : () => made.metrics?.() ?? []
    return { name: plan.name, plugin: plan.spec.name, stage, counters, letters, metrics }
  }

  #filterLetters(
    name: string,
    kept: NonNullable<ReturnType<typeof deadLettersOf>>,
    borrowed: BorrowedBuffers,
    log: Logger,
    counters: CounterMap,
  ): InstanceType<NonNullable<Parts['FilterLetters']>> | undefined {
    const { FilterLetters } = this.#options.parts
    if (FilterLetters === undefined) return undefined
    const letters = this.#keeper(name, kept, log, counters)
    if (kept.onError === 'dead_letter' && !letters.isOff && !letters.hasFile) log.warn(NO_PLACE)
    const retry = this.#retryPolicy(Number.POSITIVE_INFINITY)
    const onDropped = (input: string, records: number): void => this.#countDropped(input, records)
    return new FilterLetters({ letters, retry, borrowed, clock: this.#clock, log, counters, onDropped })
  }

  /**
   * Lets a chunk that the peer has count for all such chunks and not for its input, which would read nothing until the acknowledgement:
   * that may take seconds. An input with Mem_Buf_Limit never has more than that.
   */
  #keepAccepted(chunk: Chunk): void {
    const accepted = this.#accepted
    const input = this.#plan.inputs.find(({ name }) => name === chunk.input)
    if (input === undefined || input.common.memBufLimit) return
    chunk.compact()
    if (accepted.used + chunk.buf.length > accepted.limitBytes) return
    if (this.budget.move(chunk.buf, accepted)) chunk.changeSource(accepted)
  }

  #makeOutput(plan: Plan['outputs'][number]): { running: RunningOutput; match: TagMatch } {
    const counters = new CounterMap({ ...countersOf(plan), ...DEAD_LETTER_COUNTERS })
    const log = this.#log(plan.logName ?? plan.name, plan.common.logLevel, plan.common.logSuppressInterval)
    // Buffers of an output (a compressed copy of a chunk) count for the process, not for an input.
    const account = this.budget.account(this.budget.limitBytes)
    const { takeLock } = this.#options
    let queue: OutputQueue | undefined
    const output = plan.spec.create(plan.options as never, {
      ...this.#context(plan.name, log, counters),
      signal: this.#options.signal,
      buffers: account,
      secrets: secretValues(plan.spec.options, plan.options as Record<string, unknown>),
      leftGarbage: (bytes) => this.#options.onGarbage?.(bytes),
      readerClosed: () => {
        queue?.stop()
        this.#options.readerClosed?.(plan.name)
      },
      stateFolder: stateFolderOf(this.#plan),
      ...(takeLock !== undefined && { takeLock }),
      isOwnFile: (path) => {
        this.#ownFiles ??= new OwnFiles(this.#plan)
        return this.#ownFiles.has(path)
      },
      reject: (chunk, start, end, reason) => queue?.reject(chunk, start, end, reason),
      isOverdue: (chunk) => queue?.isOverdue(chunk) === true,
      accepted: (chunk) => queue?.accepted(chunk),
      waitingChunks: (tag, count, isWanted) => queue?.waitingChunks(tag, count, isWanted) ?? [],
      late: {
        memoryBytes: this.budget.limitBytes / LATE_SHARE,
        takeOver: (chunk) => (queue as OutputQueue).takeOver(chunk),
        readAgainBy: ({ input }) => this.#readAgain.get(input),
        settling: () => {
          const open = this.inputs.map(({ stage }) => stage.settling())
          return () => open.every((isSettled) => isSettled())
        },
        peerFailed: (error) => queue?.peerFailed(error),
        endRun: (status, reason) => this.#options.endRun?.(plan.name, status, reason),
      },
    })
    const deadLetters = this.#keeper(plan.name, plan.common, log, counters)
    const retries = parseRetryLimit(plan.common.retryLimit) ?? Number.POSITIVE_INFINITY
    const mayWait = Object.hasOwn(countersOf(plan), REFUSED) && retries === Number.POSITIVE_INFINITY
    if (mayWait && !deadLetters.isOff && !deadLetters.hasFile)
      log.warn(NO_PLACE_FOR_REFUSED, { hint: NO_PLACE_HINT })
    queue = new OutputQueue({
      name: plan.name,
      output,
      deadLetters,
      deadLetterAfterMs: plan.common.deadLetterAfter,
      inFlight: plan.spec.inFlight,
      retry: this.#retryPolicy(retries),
      clock: this.#clock,
      log,
      buffered: bufferedOf(this.#plan),
      onAccepted: (chunk) => this.#keepAccepted(chunk),
      isCrowded: (chunk) =>
        this.inputs.some(({ name, stage }) => name === chunk.input && stage.isCrowded) ||
        (queue !== undefined && this.buffer?.isCrowded(queue, chunk) === true),
      onDropped: (input, records) => this.#countDropped(input, records),
      onFailing: (tag) => {
        for (const { stage } of this.inputs) stage.onFailing(tag)
      },
    })
    queue.outage.onChange.push(() => this.#heldUp.check(this.inputs, this.outputs))
    const match = tagMatch(plan, this.#regexLimit(plan.common.regexStepLimit, counters, log))
    if (plan.spec.printsMetrics) this.#metricOutputs.push({ match, output })
    return { running: { name: plan.name, plugin: plan.spec.name, output, queue, counters }, match }
  }

  #showMetrics(tag: string, families: () => Family[]): boolean {
    const outputs = this.#metricOutputs.filter(({ match }) => matches(match, tag))
    if (outputs.length === 0) return false
    const shown = families()
    for (const { output } of outputs) output.showMetrics?.(shown)
    return true
  }

  #countDropped(input: string, records: number): void {
    const source = this.inputs.find(({ name }) => name === input)
    if (source !== undefined) source.stage.droppedRecords += records
  }

  /** Returns what a stage does with the records that it gives up. */
  #keeper(
    name: string,
    { deadLetterFile, deadLetterLimit }: { deadLetterFile: string | undefined; deadLetterLimit: number },
    log: Logger,
    counters: CounterMap,
  ): Keeper {
    const instead = this.#options.deadLetters?.(name)
    if (instead !== undefined) return instead
    const place = this.#deadLetterFiles.placeOf(
      name,
      deadLetterFile,
      deadLetterLimit,
      deadLetterFolderOf(this.#plan),
    )
    return new DeadLetters({ owner: name, place, clock: this.#clock, log, counters })
  }

  #retryPolicy(limit: number): RetryPolicy {
    const { schedulerBase, schedulerCap } = this.#plan.service
    return { baseMs: schedulerBase, capMs: capMsOf(schedulerCap, schedulerBase), limit }
  }

  #regexLimit(own: number | undefined, counters: CounterMap, log: Logger): RegexLimit {
    return new CountedRegexLimit(own ?? this.#plan.service.regexStepLimit, counters, log)
  }

  #context(name: string, log: Logger, counters: CounterMap): PluginContext {
    return { name, log, counters, clock: this.#clock, agent: this.#agent }
  }
}

/** Returns records as they go to a label: what becomes of them there is not what becomes of those that go on. */
function labelled(records: ChunkInit, label: string | undefined): ChunkInit {
  return label === undefined ? records : { ...records, branch: `${records.branch ?? ''}>${label}` }
}

function bufferedOf({ inputs, buffer }: Plan): 'all' | 'some' | 'none' {
  if (buffer === undefined || buffer.inputs.length === 0) return 'none'
  return buffer.inputs.length === inputs.length ? 'all' : 'some'
}

/** Returns the names of inputs that have a buffer on disk, or a position. */
function readAgainOf({ inputs, buffer }: Plan, hasBuffer: boolean): Map<string, 'input' | 'buffer'> {
  const found = new Map<string, 'input' | 'buffer'>()
  for (const { name, spec, options } of inputs) {
    if (hasBuffer && buffer?.inputs.includes(name)) found.set(name, 'buffer')
    else if (spec.statePath?.(options as never) !== undefined) found.set(name, 'input')
  }
  return found
}

function loaded<P>(part: P | undefined): P {
  if (part === undefined) throw new ShipperError('E_INTERNAL', 'a part that the plan needs is not loaded')
  return part
}
