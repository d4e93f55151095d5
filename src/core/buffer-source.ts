/**
 * Where chunk buffers come from. Every byte handed out counts against the budget of the process and the limit of the
 * input until it is given back; `engine/budget.ts` is the one that runs in the agent.
 */
export interface BufferSource {
  /** A buffer of at least `bytes`, or undefined when the budget does not allow it now: wait with `waitForMemory()`. */
  take(bytes: number): Buffer | undefined
  /**
   * The same without asking: for bytes that exist already and cannot wait (a filter's output, a compressed copy).
   * Counted, so later `take`s see it; the overshoot is one chunk at most because such callers run one at a time.
   */
  force(bytes: number): Buffer
  /**
   * For as long as the caller likes (a read buffer): counted, but a `take` never waits for it to come back. Without it
   * one line nearly as long as the whole limit would wait for ever.
   */
  takeLongLived(bytes: number): Buffer
  give(buf: Buffer): void
}
