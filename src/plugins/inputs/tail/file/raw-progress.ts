import type { Descriptor } from './descriptor.ts'
import { MARKER_BYTES, peek } from './fingerprint.ts'

const NO_BYTES: Buffer = Buffer.alloc(0)

/**
 * How far a compressed file has been read, with the bytes by which a rewrite is recognized: the first ones
 * of the file, and the last ones read. Appending changes neither.
 */
export class RawProgress {
  readonly #descriptor: Descriptor
  #end: number
  #first = NO_BYTES
  #last = NO_BYTES

  /** `end`: position at which reading begins. */
  constructor(descriptor: Descriptor, end: number) {
    this.#descriptor = descriptor
    this.#end = end
  }

  /** Number of compressed bytes read so far. */
  get end(): number {
    return this.#end
  }

  /** Takes the first bytes of the file, unless they are known. */
  loadFirst(): void {
    if (this.#first.length === 0)
      this.#first = Buffer.from(peek(this.#descriptor.fd, 0, MARKER_BYTES) ?? NO_BYTES)
  }

  /** Takes the bytes before the position, which an earlier run has read. */
  loadLast(): void {
    this.#last = Buffer.from(peek(this.#descriptor.fd, this.#end - MARKER_BYTES, MARKER_BYTES) ?? this.#last)
  }

  /** Records that `raw` was read at the position. */
  record(raw: Buffer): void {
    this.#end += raw.length
    this.#last = Buffer.from(raw.subarray(Math.max(0, raw.length - MARKER_BYTES)))
  }

  /** Goes back to a position of the same content. */
  goBackTo(position: number): void {
    this.#end = position
    this.#last = NO_BYTES
  }

  /** Begins with another content. */
  restart(): void {
    this.goBackTo(0)
    this.#first = NO_BYTES
  }

  /**
   * True when the file, which has `size` bytes now, was truncated or has other bytes. During a rewrite the
   * last bytes read may already be those of the new content.
   */
  isRewritten(size: number): boolean {
    return (
      size < this.#end ||
      this.#hasOtherAt(this.#end - this.#last.length, this.#last) ||
      this.#hasOtherAt(0, this.#first)
    )
  }

  #hasOtherAt(position: number, known: Buffer): boolean {
    const bytes = known.length === 0 ? undefined : peek(this.#descriptor.fd, position, known.length)
    return bytes !== undefined && !bytes.equals(known)
  }
}
