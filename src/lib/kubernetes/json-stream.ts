import { ShipperError } from '../../core/error.ts'

/** Depths, limit and callbacks of a JsonStream. */
export interface JsonStreamOptions {
  /**
   * Depths at which objects are extracted: 0 for concatenated objects, 1 and 2 for the members of one and their lists.
   */
  minDepth: number
  maxDepth: number
  /** Size in bytes above which an object is skipped. */
  maxObjectBytes: number
  /** Called with the text of an object, which is valid during the call, and its depth. */
  onObject(text: Buffer, depth: number): void
  /** Called for a skipped object, with its first HEAD_BYTES bytes and its size. */
  onOversize(head: string, bytes: number): void
}

const HEAD_BYTES = 4096
/** Maximum depth of a value: objects of the API have 20 levels at most. A deeper object counts as too large. */
const MAX_DEPTH = 100
/** Maximum number of values in one object: more take many times their size in memory. The object then counts as too large. */
const MAX_VALUES = 100_000
/** Sizes of the buffer for an object that is received in several pieces: its first one, and the largest that is kept. */
const MIN_BUFFER_BYTES = 65_536
const MAX_KEPT_BYTES = 1_048_576
const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Splits a stream of JSON, received in pieces split anywhere, into the objects at the given depths, so that only one
 * item of a long list is in memory at a time. It tracks only brackets and strings; `JSON.parse` decides whether an
 * object is well-formed.
 *
 * ```
 *   watch, depth 0       {"type":...}\n{"type":...}
 *   list, depths 1 to 2  {"metadata":{...},"items":[{...},{...}]}
 * ```
 */
export class JsonStream {
  readonly #options: JsonStreamOptions
  #depth = 0
  #inString = false
  #escaped = false
  /** Depth of the object being collected, or -1. */
  #objectDepth = -1
  /** Offset of that object in the current piece; 0 when it began in an earlier one. */
  #objectStart = 0
  /** The first `#collected` bytes of that object, from earlier pieces. */
  #buf = Buffer.alloc(0)
  #collected = 0
  /** Size of the object up to now, also of what is not collected. */
  #bytes = 0
  #values = 0

  constructor(options: JsonStreamOptions) {
    this.#options = options
  }

  /** True between two complete values; a stream that ends in another state was cut off. */
  get isComplete(): boolean {
    return this.#depth === 0
  }

  /** Processes the next piece; throws a SyntaxError when the stream cannot be JSON objects. */
  push(piece: Buffer): void {
    this.#objectStart = 0
    let p = 0
    while (p < piece.length) {
      if (this.#inString) {
        p = this.#skipString(piece, p)
        continue
      }
      const c = piece[p] as number
      if (c === QUOTE) this.#inString = true
      else if (c === 0x7b || c === 0x5b) this.#openBracket(c, p)
      else if (c === 0x7d || c === 0x5d) this.#closeBracket(piece, p + 1)
      else if (c === COMMA) this.#values++
      if (this.#depth === 0 && c > 0x20 && c !== 0x7d) throw new SyntaxError('expected a JSON object')
      p++
    }
    if (this.#objectDepth >= 0) this.#append(piece, this.#objectStart, piece.length)
  }

  #openBracket(bracket: number, at: number): void {
    const { minDepth: from, maxDepth: to } = this.#options
    if (this.#objectDepth < 0 && bracket === 0x7b && this.#depth >= from && this.#depth <= to) {
      this.#objectDepth = this.#depth
      this.#objectStart = at
      this.#values = 0
    }
    this.#values++
    if (++this.#depth <= MAX_DEPTH) return
    if (this.#objectDepth >= 0) this.#values = Number.POSITIVE_INFINITY
    else
      throw new ShipperError('E_PEER_PROTOCOL', `JSON is nested more than ${MAX_DEPTH} levels deep`, {
        retryable: true,
        hint: 'check that Kube_URL is an API server',
      })
  }

  #closeBracket(piece: Buffer, end: number): void {
    if (--this.#depth < 0) throw new SyntaxError('unexpected closing bracket')
    if (this.#depth !== this.#objectDepth) return
    const { maxObjectBytes, onObject, onOversize } = this.#options
    // Most objects are within one piece, and are not copied.
    const isWhole = this.#bytes === 0
    const bytes = this.#bytes + end - this.#objectStart
    if (!isWhole) this.#append(piece, this.#objectStart, end)
    const text = isWhole ? piece.subarray(this.#objectStart, end) : this.#buf.subarray(0, this.#collected)
    const isOversize = bytes > maxObjectBytes || this.#values > MAX_VALUES
    const depth = this.#objectDepth
    this.#objectDepth = -1
    this.#bytes = this.#collected = 0
    if (isOversize) onOversize(text.toString('utf8', 0, HEAD_BYTES), bytes)
    else onObject(text, depth)
    if (this.#buf.length > MAX_KEPT_BYTES) this.#buf = Buffer.alloc(0)
  }

  /** Returns the offset after the closing quote, or the end of the piece. */
  #skipString(piece: Buffer, from: number): number {
    let p = from
    if (this.#escaped) {
      this.#escaped = false
      p++
    }
    while (p < piece.length) {
      const c = piece[p++]
      if (c === QUOTE) {
        this.#inString = false
        return p
      }
      if (c === BACKSLASH) {
        if (p === piece.length) this.#escaped = true
        p++
      }
    }
    return p
  }

  /** Collects a part of the object; of one that is too large, only its head. */
  #append(piece: Buffer, start: number, end: number): void {
    this.#bytes += end - start
    const isOversize = this.#bytes > this.#options.maxObjectBytes || this.#values > MAX_VALUES
    const size = isOversize ? Math.min(this.#bytes, HEAD_BYTES) : this.#bytes
    if (size <= this.#collected) return
    if (size > this.#buf.length) {
      const larger = Buffer.allocUnsafe(Math.max(MIN_BUFFER_BYTES, size, 2 * this.#buf.length))
      this.#buf.copy(larger, 0, 0, this.#collected)
      this.#buf = larger
    }
    piece.copy(this.#buf, this.#collected, start, start + size - this.#collected)
    this.#collected = size
  }
}
