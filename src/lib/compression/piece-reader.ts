/** Decompresses a payload piece by piece into buffers of the caller. */
export interface PieceReader {
  /** True when all of the output has been returned. */
  readonly isAtEnd: boolean
  /** Writes the next part of the output to buf[start, end); returns its size. Throws `Malformed`. */
  read(buf: Buffer, start: number, end: number): number
  close(): void
}
