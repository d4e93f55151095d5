/** Turns the bytes of one sender into records, as they come. Bytes that are not consumed are offered again, with more behind them. */
export interface StreamReader {
  /**
   * Reads src[start, end) and returns the offset up to which bytes are consumed: what follows is the beginning of a message, or there
   * was no memory for it (`isFull`). `isLast`: nothing follows, so that a message without an end is complete. May change the bytes.
   */
  read(src: Buffer, start: number, end: number, isLast: boolean): number
  /** True when the last call of `read` ended because of the memory limit. */
  readonly isFull: boolean
}

/** Limit of one message. */
export interface MessageLimit {
  readonly bytes: number
  /** Name of the option that sets it. */
  readonly option: string
}
