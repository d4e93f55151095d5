import type { Counters } from '../../core/services.ts'

/** Why records did not take a fast path, and what that means. */
const FALLBACK_REASONS = {
  small:
    'read a few at a time, or among the first for an expression: a WebAssembly module is made only for more',
  options: 'options that the fast path does not have',
  form: 'a record or line format that the fast path does not support',
  keys: 'more keys than the fast path has space for',
  size: 'longer than the fast path has space for',
  parser: 'a parser that the fast path does not have',
  mixed: 'supported, but among too many records that are not',
} as const
export type FallbackReason = keyof typeof FALLBACK_REASONS

/** Counters of a plugin with a fast path: each record is counted by one of them. `what`: what is done with the records. */
export function pathCounters(what: string, ...reasons: FallbackReason[]) {
  return {
    fast_path_records: `records ${what} by WebAssembly`,
    fallback_records: {
      help: `records ${what} by the slower way, which has the same result`,
      reasons: Object.fromEntries(reasons.map((reason) => [reason, FALLBACK_REASONS[reason]])),
    },
  }
}

/** Lines that the encoder did not know, in excess of those it wrote, after which it is not tried again in a block. */
const MAX_EXCESS_MISSES = 16

/**
 * Decides whether the next line of a block (entry, record of a chunk) is worth offering to a wasm encoder. An encoder
 * stops before a line that it does not know; the caller then calls `miss` and writes this line by the fallback.
 *
 * The rule: each block begins with a credit of 16. A miss takes one, a line that the encoder wrote gives one back, up to
 * 16 again. With no credit left the rest of the block goes to the fallback. So a block of unknown lines costs 16 calls,
 * and a mixed block stays on the fast path while at least every second line is known. Below that there is nothing to
 * gain: the calls that miss cost about what the known lines save.
 *
 * ```
 *   const encoder = ...                      // undefined: none that can write this block
 *   fastPath.begin(encoder !== undefined)
 *   while (there are lines) {
 *     if (fastPath.isOpen) {
 *       run the encoder
 *       if (it wrote lines) { fastPath.hit(lines); continue }
 *       fastPath.miss(reason)
 *     }
 *     write one line by the fallback
 *     fastPath.fallback()
 *   }
 *   fastPath.report(counters)              // only for a plugin that has the counters of pathCounters
 * ```
 */
export class FastPath {
  #credit = 0
  /** Reason for a record that is written by the fallback now. */
  #reason: FallbackReason = 'form'
  /** True when the encoder was offered a record of the block that it did not know. */
  #missed = false
  /** Records since the last report. */
  #written = 0
  /** Records that the fallback wrote since then, for the present reason and for earlier ones. */
  #lines = 0
  readonly #earlier = new Map<FallbackReason, number>()

  /**
   * Begins a block. `canEncode`: there is an encoder for it; without one the fast path stays closed, for `reason`.
   */
  begin(canEncode: boolean, reason: FallbackReason = 'options'): void {
    this.#credit = canEncode ? MAX_EXCESS_MISSES : 0
    this.#setReason(reason)
    this.#missed = false
  }

  /** True while the encoder is to be tried. */
  get isOpen(): boolean {
    return this.#credit > 0
  }

  /** Records that the encoder wrote this many lines. */
  hit(lines: number): void {
    this.#written += lines
    this.#credit = Math.min(MAX_EXCESS_MISSES, this.#credit + lines)
  }

  /** Records that the encoder wrote this many lines, but not what is in them, which is counted as a fallback. */
  assisted(lines: number, reason: FallbackReason): void {
    this.#credit = Math.min(MAX_EXCESS_MISSES, this.#credit + lines)
    this.#earlier.set(reason, (this.#earlier.get(reason) ?? 0) + lines)
  }

  /** Records that the encoder did not know the line it was offered, or had no space for it. */
  miss(reason: FallbackReason = 'form'): void {
    this.#credit--
    this.#missed = true
    this.#setReason(reason)
  }

  /** Records that the fallback wrote this many lines: the one that was missed, or some of a block that has no encoder. */
  fallback(lines = 1): void {
    this.#lines += lines
    if (this.#credit === 0 && this.#missed) this.#setReason('mixed')
  }

  #setReason(reason: FallbackReason): void {
    if (reason === this.#reason) return
    if (this.#lines > 0) this.#earlier.set(this.#reason, (this.#earlier.get(this.#reason) ?? 0) + this.#lines)
    this.#lines = 0
    this.#reason = reason
  }

  /** Adds the records since the last report to the counters of the plugin: once for each block or chunk. */
  report(counters: Counters): void {
    if (this.#written > 0) counters.add('fast_path_records', this.#written)
    this.#written = 0
    if (this.#lines > 0) counters.add('fallback_records', this.#lines, this.#reason)
    this.#lines = 0
    for (const [reason, lines] of this.#earlier) counters.add('fallback_records', lines, reason)
    this.#earlier.clear()
  }
}
