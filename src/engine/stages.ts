import { messageOf, ShipperError } from '../core/error.ts'
import type { Family } from '../core/metric-family.ts'
import type { Plan } from '../core/plan.ts'
import type { Input, Output } from '../core/plugin.ts'
import type { CounterTable, Logger } from '../core/services.ts'
import type { FilterSnapshot, InputSnapshot, OutputSnapshot } from '../core/snapshot.ts'
import { withMatchReason } from '../lib/regex/counters.ts'
import type { Account } from './budget.ts'
import type { CounterMap } from './counters.ts'
import type { FilterLetters } from './dead-letters/filter-letters.ts'
import type { InputStage } from './input-stage.ts'
import type { FilterStage } from './path.ts'
import type { OutputQueue } from './queue.ts'

interface Running {
  name: string
  plugin: string
  counters: CounterMap
}

export interface RunningInput extends Running {
  input: Input
  stage: InputStage
  account: Account
  log: Logger
}

export interface RunningFilter extends Running {
  stage: FilterStage
  /** Undefined for a filter that fails on no record. */
  letters: FilterLetters | undefined
  /** See `Filter.metrics`. */
  metrics: (() => Family[]) | undefined
}

export interface RunningOutput extends Running {
  output: Output
  queue: OutputQueue
}

/** Returns true while an input, or some source of it, is not read because of memory. */
export function isPaused({ account, stage }: Pick<RunningInput, 'account' | 'stage'>): boolean {
  return account.paused || stage.isHeldBack
}

/** Returns the state of an input for the agent's snapshot. */
export function inputSnapshot(running: RunningInput): InputSnapshot {
  const { input, stage, account } = running
  return {
    ...common(running),
    records: stage.records,
    bytes: stage.bytes,
    memory: account.used,
    memoryLimit: account.limitBytes,
    paused: isPaused(running),
    chunks: stage.openChunks,
    status: input.status?.(),
  }
}

/** Returns the state of a filter for the agent's snapshot. */
export function filterSnapshot(running: RunningFilter): FilterSnapshot {
  const { letters, stage, metrics } = running
  return {
    ...common(running),
    ...stage.stats,
    unkept: letters?.unkept,
    ...(metrics === undefined ? {} : { metrics }),
  }
}

/** Returns the state of an output for the agent's snapshot. */
export function outputSnapshot(running: RunningOutput): OutputSnapshot {
  const { queue, output } = running
  return {
    ...common(running),
    ...queue.stats,
    held: output.held?.(),
    waiting: queue.waiting,
    inFlight: queue.inFlight,
    retrying: queue.retrying,
    retryAtMs: queue.retryAtMs,
    lastError: queue.lastError,
    down: queue.down,
    unkept: queue.unkept,
    lastDeliveryMs: queue.lastDeliveryMs,
  }
}

function common({ name, plugin, counters }: Running) {
  return { name, plugin, ...counters.snapshot() }
}

export type AnyStage = Plan['inputs' | 'filters' | 'outputs'][number]

/**
 * Adds the names of plugin and stage and a location to an error of a stage that cannot be created or started, or that fails: the
 * location of the option named by it, else of the stage.
 */
export function problemOf(plan: AnyStage, error: unknown): ShipperError {
  const { spec, location, optionLocations } = plan
  const stage = plan.logName ?? plan.name
  const text = `[${spec.name}] ${messageOf(error)}`
  if (!(error instanceof ShipperError))
    return new ShipperError('E_INTERNAL', text, { location, stage, cause: error })
  const { code, hint, option } = error
  const blamed =
    error.location ?? (option === undefined ? undefined : optionLocations.get(option)) ?? location
  return new ShipperError(code, text, { hint, location: blamed, stage, cause: error })
}

/** Returns the counters of a filter or output. */
export function countersOf({ spec, common }: Plan['filters' | 'outputs'][number]): CounterTable {
  return common.matchRegex === undefined ? (spec.counters ?? {}) : withMatchReason(spec.counters)
}
