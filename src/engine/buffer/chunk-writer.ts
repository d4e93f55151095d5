import { messageOf, ShipperError } from '../../core/error.ts'
import type { Clock, Logger, TimerHandle } from '../../core/services.ts'
import type { Unkept } from '../../core/snapshot.ts'
import type { SegmentLog } from '../../lib/segments/types.ts'
import { durationText } from '../../lib/text/duration.ts'
import { type RetryPolicy, retryWaitMs } from '../retry.ts'
import type { BufferedChunk } from './buffered-chunk.ts'

interface WriterOptions {
  folder: string
  retry: RetryPolicy
  clock: Clock
  log: Logger
  /** Time that outputs which have a chunk get to settle it before it is written. */
  promptMs: number
  /** Called with the chunks that a sync has put on disk, in order. */
  onSynced: (chunks: readonly BufferedChunk[]) => void
  /** Called when writing begins to fail. */
  onFailing: () => void
}

/**
 * Writes chunks to the log in the order of their arrival, and syncs. Chunks that come while a sync is under way
 * share the next one. What cannot be written, and what a failed sync leaves in doubt, waits in memory and is
 * tried again after a wait that grows.
 *
 * A chunk that all of its outputs have, or will have soon, is not written at once: while outputs answer
 * promptly, it settles within `promptMs`, and is never written. It is acknowledged when it has settled or is on
 * disk.
 */
export class ChunkWriter {
  readonly #options: WriterOptions
  #log: SegmentLog | undefined
  /** Written and not synced, in order. */
  readonly #written = new Set<BufferedChunk>()
  /** Not written, in order; all of them come after the written ones. */
  #unwritten = new Set<BufferedChunk>()
  #isSyncing = false
  /** Number of failed syncs of the log that were handled. */
  #cuts = 0
  #failures = 0
  /** Timer of the next attempt after a failure, and of the time that outputs get. */
  #timer: TimerHandle | undefined
  #promptTimer: TimerHandle | undefined
  /** True while chunks settle within `promptMs`. */
  #isPrompt = true
  #isStopped = false
  problem: Unkept | undefined

  constructor(options: WriterOptions) {
    this.#options = options
  }

  open(log: SegmentLog): void {
    this.#log = log
    this.#cuts = log.cuts
    this.#writeAll()
  }

  /** Number of chunks that wait to be written, and their bytes. */
  get unwritten(): { chunks: number; bytes: number } {
    let bytes = 0
    for (const { chunk } of this.#unwritten) bytes += chunk.size
    return { chunks: this.#unwritten.size, bytes }
  }

  /** Names of the inputs whose chunks wait to be written. */
  get waitingInputs(): string[] {
    return [...new Set([...this.#unwritten].map(({ chunk }) => chunk.input))]
  }

  get isFailing(): boolean {
    return this.problem !== undefined
  }

  /** True when nothing is left that is not on disk. */
  get isEmpty(): boolean {
    return this.#written.size === 0 && this.#unwritten.size === 0
  }

  /** Takes a chunk that was offered to its outputs. */
  add(chunk: BufferedChunk): void {
    chunk.arrivedMs = this.#options.clock.nowMs()
    this.#unwritten.add(chunk)
    // It waits for what could not be written before it.
    if (this.#timer !== undefined) return
    const { promptMs } = this.#options
    if (this.#isPrompt && promptMs > 0 && !this.#isStopped && chunk.isWithOutputs) this.#armPrompt(promptMs)
    else this.#writeAll()
  }

  #armPrompt(ms: number): void {
    this.#promptTimer ??= this.#options.clock.after(ms, () => {
      this.#promptTimer = undefined
      const [first] = this.#unwritten
      if (first === undefined || this.#timer !== undefined) return
      const { promptMs, clock } = this.#options
      const leftMs = first.arrivedMs + promptMs - clock.nowMs()
      // After the wall clock was set back, more than the whole time is left.
      if (leftMs > 0 && leftMs <= promptMs) this.#armPrompt(leftMs)
      else {
        this.#isPrompt = false
        this.#writeOverdue(first.arrivedMs + promptMs / 2)
      }
    })
  }

  /** Forgets a chunk that need not be written any more, as all outputs have settled it. */
  remove(chunk: BufferedChunk): void {
    const ms = this.#options.clock.nowMs() - chunk.arrivedMs
    this.#isPrompt = ms <= this.#options.promptMs
    this.#written.delete(chunk)
    this.#unwritten.delete(chunk)
  }

  /** Tries to write what is left for the last time, and gives up what cannot be written. */
  stop(): void {
    this.#isStopped = true
    this.#options.clock.cancel(this.#timer)
    this.#options.clock.cancel(this.#promptTimer)
    this.#timer = this.#promptTimer = undefined
    this.#writeAll()
    this.#abandon()
  }

  #abandon(): void {
    for (const chunk of [...this.#unwritten]) chunk.abandon()
  }

  /** Writes what came until then; the rest is likely to settle in its time. */
  #writeOverdue(untilMs: number): void {
    this.#writeAll(untilMs)
    const isWaiting = this.#unwritten.size > 0 && this.#timer === undefined
    if (isWaiting && this.#log !== undefined) this.#armPrompt(this.#options.promptMs / 2)
  }

  /** Writes what came until then, in order. */
  #writeAll(untilMs = Number.POSITIVE_INFINITY): void {
    const log = this.#log
    if (log === undefined) return
    if (log.cuts !== this.#cuts) this.#takeBack(log)
    for (const chunk of this.#unwritten) {
      if (chunk.arrivedMs > untilMs) break
      try {
        chunk.stored = log.append(chunk.chunk, chunk.outputs)
      } catch (error) {
        this.#failed(error)
        break
      }
      this.#unwritten.delete(chunk)
      this.#written.add(chunk)
      for (const route of chunk.routes) if (route.isOpen) route.reader.written(route)
    }
    if (this.#written.size > 0 && !this.#isSyncing) {
      this.#isSyncing = true
      // What else comes in this turn shares the sync.
      queueMicrotask(() => void this.#sync(log))
    }
  }

  async #sync(log: SegmentLog): Promise<void> {
    while (this.#written.size > 0) {
      const last = lastOf(this.#written)
      const { cuts } = log
      try {
        await log.sync()
      } catch (error) {
        // What came since the cut may be written again already.
        if (log.cuts !== this.#cuts) this.#takeBack(log)
        this.#failed(error)
        if (this.#isStopped) this.#abandon()
        if (log.cuts === cuts) break
        continue
      }
      this.#succeeded()
      const synced: BufferedChunk[] = []
      for (const chunk of this.#written) {
        if (chunk.sequence > last) break
        synced.push(chunk)
      }
      for (const chunk of synced) this.#written.delete(chunk)
      this.#options.onSynced(synced)
    }
    this.#isSyncing = false
  }

  /** Takes back what was written since the last good sync: it is no longer part of the log. */
  #takeBack(log: SegmentLog): void {
    this.#cuts = log.cuts
    for (const chunk of this.#written) chunk.stored = undefined
    this.#unwritten = new Set([...this.#written, ...this.#unwritten])
    this.#written.clear()
  }

  #failed(error: unknown): void {
    const { clock, log, retry, onFailing } = this.#options
    const reason = messageOf(error)
    const hint = error instanceof ShipperError ? error.hint : ''
    const isFirst = this.problem === undefined
    this.problem = { sinceMs: this.problem?.sinceMs ?? clock.nowMs(), reason, hint }
    if (isFirst) {
      const code = error instanceof ShipperError ? error.code : 'E_INTERNAL'
      const what =
        error instanceof ShipperError
          ? reason
          : `cannot write to the buffer ${this.#options.folder}: ${reason}`
      log.error(`${what}${pausesText(this.waitingInputs)}`, { code, hint }, 'buffer')
    }
    this.#failures++
    if (!this.#isStopped)
      this.#timer ??= clock.after(retryWaitMs(retry, this.#failures), () => {
        this.#timer = undefined
        if (this.isEmpty) this.#recovered('nothing is left to be written to', ',')
        else this.#writeAll()
      })
    if (isFirst) onFailing()
  }

  #succeeded(): void {
    if (this.#unwritten.size === 0) this.#recovered('writing to', ' has resumed')
  }

  #recovered(before: string, behind: string): void {
    if (this.problem === undefined) return
    const { clock, log, folder } = this.#options
    const forText = durationText(clock.nowMs() - this.problem.sinceMs)
    this.problem = undefined
    this.#failures = 0
    log.info(`${before} the buffer ${folder}${behind} after ${forText}`)
  }
}

function pausesText(inputs: readonly string[]): string {
  if (inputs.length === 0) return ''
  const names = inputs.join(', ')
  return inputs.length === 1
    ? `; input ${names} pauses at its memory limit`
    : `; inputs ${names} pause at their memory limits`
}

function lastOf(chunks: ReadonlySet<BufferedChunk>): number {
  let last = -1
  for (const { sequence } of chunks) last = Math.max(last, sequence)
  return last
}
