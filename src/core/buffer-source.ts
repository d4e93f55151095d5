/**
 * A source of chunk buffers. Every byte handed out counts against the memory limits of the process and of the input
 * until the buffer is given back. The agent uses the implementation in `engine/budget.ts`.
 */
export interface BufferSource {
  /** Returns a buffer of at least `bytes` bytes, or undefined when a limit is reached: then wait with `waitForMemory()`. */
  take(bytes: number): Buffer | undefined
  /**
   * Returns a buffer even when a limit is reached: for bytes that exist already and cannot wait (a filter's output, a
   * compressed copy, the copy for a branch). It is counted, so later calls of `take` see it. The limit is exceeded by one
   * chunk and its copies at most, because such callers run one at a time.
   */
  force(bytes: number): Buffer
  /**
   * Returns a buffer that the caller may keep indefinitely (a read buffer). It is counted, but `take` never waits for it
   * to be given back; otherwise a line nearly as long as the limit would wait forever.
   */
  takeLongLived(bytes: number): Buffer
  /** Gives a buffer back; the caller must not use it afterwards. */
  give(buf: Buffer): void
}
