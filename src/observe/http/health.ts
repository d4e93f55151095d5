import { escapeControls, truncate } from '../../core/escape-controls.ts'
import type { OutputDown, Snapshot, Unkept } from '../../core/snapshot.ts'
import { MAX_TIMER_MS } from '../../lib/async/timer.ts'
import { durationText } from '../../lib/text/duration.ts'

export interface HealthOptions {
  /** Health_Check; when false, errors and failed retries do not count and are not sampled. */
  enabled: boolean
  errorsCount: number
  retryFailureCount: number
  periodMs: number
  /** Hc_Output_Down: time for which an output may be down; 0 for any time. */
  outputDownMs: number
}

/** The document of `/api/v2/health` with the names of fluent-bit; `period_limit` in seconds. */
export interface Health {
  status: 'ok' | 'error'
  errors: number
  retries_failed: number
  error_limit: number
  retry_failure_limit: number
  period_limit: number
  /** Seconds of Hc_Output_Down. */
  output_down_limit: number
  /** Outputs and filters whose dead letters cannot be written, also those within the limit. */
  dead_letters: StuckLetters[]
  /** The buffer on disk while it cannot be written or read, also within the limit; absent when there is none or it can. */
  buffer?: StuckBuffer
  /** Outputs that are down, also those within the limit. */
  outputs: DownOutput[]
}

interface Stuck {
  /** Time of the first record that could not be kept, as ISO 8601. */
  since: string
  seconds: number
  /** Names the file or folder, and its limit. */
  reason: string
  /** What to do. */
  hint: string
}

interface StuckLetters extends Stuck {
  /** Name of the output or filter. */
  name: string
}

interface StuckBuffer extends Stuck {
  folder: string
  /** What cannot be done. */
  failure: 'write' | 'read'
}

interface DownOutput {
  name: string
  /** Time of the first failure, as ISO 8601. */
  since: string
  seconds: number
  attempts: number
  reason: string
}

interface Counts {
  atMs: number
  errors: number
  retriesFailed: number
}

/**
 * Counts errors and chunks dropped after Retry_Limit within the last Hc_Period, from periodic samples of the totals.
 *
 * ```
 *   samples   s1    s2    s3    s4 ... now
 *                |<------ period ------->|      counted: now - s1, the latest sample before the period
 * ```
 * So the window is the period plus up to one sampling interval, never less: no error is missed, it only counts a little
 * longer. Until the first period is over, everything since the start counts.
 */
export class HealthWindow {
  #options: HealthOptions
  #samples: Counts[]

  constructor(options: HealthOptions, startedMs: number) {
    this.#options = options
    this.#samples = [{ atMs: startedMs, errors: 0, retriesFailed: 0 }]
  }

  /** Interval of calls of `sample`; about SAMPLES_PER_PERIOD are kept for a period. */
  get intervalMs(): number {
    return Math.min(MAX_TIMER_MS, Math.max(MIN_INTERVAL_MS, this.#options.periodMs / SAMPLES_PER_PERIOD))
  }

  sample(snapshot: Snapshot): void {
    const now = countsOf(snapshot)
    const last = this.#samples.at(-1)
    // A clock that was set back would keep old samples forever: start over.
    if (last !== undefined && now.atMs < last.atMs) this.#samples = []
    this.#samples.push(now)
    const from = now.atMs - this.#options.periodMs
    while (this.#samples.length > 1 && (this.#samples[1] as Counts).atMs <= from) this.#samples.shift()
  }

  /** Returns the health at the time of the snapshot. */
  check(snapshot: Snapshot): Health {
    const { enabled, errorsCount, retryFailureCount, periodMs, outputDownMs } = this.#options
    const now = countsOf(snapshot)
    const from = now.atMs - periodMs
    const base = this.#samples.findLast((sample) => sample.atMs <= from) ?? this.#samples[0] ?? now
    const errors = enabled ? now.errors - base.errors : 0
    const retriesFailed = enabled ? now.retriesFailed - base.retriesFailed : 0
    const outputs = downOutputs(snapshot)
    const letters = stuckLetters(snapshot)
    const buffer = stuckBuffer(snapshot)
    const down = [...letters, ...(buffer === undefined ? [] : [buffer]), ...outputs]
    const isDown = outputDownMs > 0 && down.some(({ seconds }) => seconds * 1000 >= outputDownMs)
    return {
      status: isDown || errors > errorsCount || retriesFailed > retryFailureCount ? 'error' : 'ok',
      errors,
      retries_failed: retriesFailed,
      error_limit: errorsCount,
      retry_failure_limit: retryFailureCount,
      period_limit: Math.round(periodMs / 1000),
      output_down_limit: outputDownMs / 1000,
      dead_letters: letters,
      ...(buffer === undefined ? {} : { buffer }),
      outputs,
    }
  }
}

function downOutputs({ outputs, nowMs }: Snapshot): DownOutput[] {
  return outputs.flatMap(({ name, down }) => (down === undefined ? [] : [downOutput(name, down, nowMs)]))
}

function downOutput(name: string, { sinceMs, attempts, reason }: OutputDown, nowMs: number): DownOutput {
  return { name, ...ageOf(sinceMs, nowMs), attempts, reason: oneLine(reason) }
}

function stuckLetters({ filters, outputs, nowMs }: Snapshot): StuckLetters[] {
  return [...filters, ...outputs].flatMap(({ name, unkept }) =>
    unkept === undefined ? [] : [stuckOf(name, unkept, nowMs)],
  )
}

function stuckBuffer({ buffer, nowMs }: Snapshot): StuckBuffer | undefined {
  if (buffer === undefined) return undefined
  const { problem, readProblem } = buffer
  const worst = problem ?? readProblem
  if (worst === undefined) return undefined
  const failure = problem === undefined ? 'read' : 'write'
  return { folder: oneLine(buffer.folder), failure, ...stuck(worst, nowMs) }
}

function stuckOf(name: string, unkept: Unkept, nowMs: number): StuckLetters {
  return { name, ...stuck(unkept, nowMs) }
}

function stuck({ sinceMs, reason, hint }: Unkept, nowMs: number): Stuck {
  return { ...ageOf(sinceMs, nowMs), reason: oneLine(reason), hint: oneLine(hint) }
}

function ageOf(sinceMs: number, nowMs: number): { since: string; seconds: number } {
  const seconds = Math.max(0, Math.round(nowMs - sinceMs)) / 1000
  return { since: new Date(sinceMs).toISOString(), seconds }
}

/**
 * Returns a line for everything that is wrong. What cannot be kept comes first: it holds up the inputs, and is what has
 * to be done something about, whatever the output fails with.
 */
export function healthLines({
  dead_letters,
  buffer,
  outputs,
}: Pick<Health, 'dead_letters' | 'buffer' | 'outputs'>): string[] {
  return [
    ...dead_letters.map(stuckText),
    ...(buffer === undefined ? [] : [bufferText(buffer)]),
    ...outputs.map(downText),
  ]
}

function bufferText({ folder, failure, since, seconds, reason, hint }: StuckBuffer): string {
  const age = `since ${since} (${durationText(seconds * 1000)})`
  if (failure === 'read')
    return `the buffer ${folder} has not been readable ${age}: ${reason}; what is on disk waits: ${hint}`
  return `the buffer ${folder} has not been writable ${age}: ${reason}; records wait, and their inputs pause: ${hint}`
}

function stuckText({ name, since, seconds, reason, hint }: StuckLetters): string {
  const age = `since ${since} (${durationText(seconds * 1000)})`
  return `${oneLine(name)} cannot store rejected records ${age}: ${reason}; records wait, and their inputs pause: ${hint}`
}

/** Returns `forward.0 has been down since 2026-11-21T06:00:00.123Z (12 s, 26 attempts): reason`. */
function downText({ name, since, seconds, attempts, reason }: DownOutput): string {
  const times = attempts === 1 ? '1 attempt' : `${attempts} attempts`
  return `${oneLine(name)} has been down since ${since} (${durationText(seconds * 1000)}, ${times}): ${reason}`
}

/** Bounds what a peer or a path contributed. */
function oneLine(text: string): string {
  return escapeControls(truncate(text, MAX_REASON_CHARS))
}

const MAX_REASON_CHARS = 500
const SAMPLES_PER_PERIOD = 12
const MIN_INTERVAL_MS = 1000

function countsOf({ nowMs, outputs }: Snapshot): Counts {
  let errors = 0
  let retriesFailed = 0
  for (const output of outputs) {
    errors += output.errors
    retriesFailed += output.retriesFailed
  }
  return { atMs: nowMs, errors, retriesFailed }
}
