import { SLICE_MS } from './slices.ts'

/** Bytes of lines after which the time is taken; taking it costs as much as a short line. */
export const CHECK_BYTES = 4096
/** What each line counts in addition to its bytes. */
export const LINE_COST = 64

/**
 * Bounds the time of a turn of reading: a line may take milliseconds where an expression needs all of its steps. What is
 * left of a block is read again in the next turn. The time is taken after each block, and within one after CHECK_BYTES,
 * each line counted with LINE_COST more; not for lines that a wasm encoder writes, whose time is bounded by their bytes.
 */
export class TurnTime {
  #endMs = 0

  /** Begins a turn. */
  start(): void {
    this.#endMs = performance.now() + SLICE_MS
  }

  get isOver(): boolean {
    return performance.now() >= this.#endMs
  }
}
