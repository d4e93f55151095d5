/** Depths, limit and callbacks of a JsonStream. */
export interface JsonStreamOptions {
  /**
   * Depths at which objects are extracted: 0 for concatenated objects, 1 and 2 for the members of one and their lists.
   */
  minDepth: number
  maxDepth: number
  /** Size in bytes above which an object is skipped. */
  maxObjectBytes: number
  /** Called with the text of an object and its depth. */
  onObject(text: string, depth: number): void
  /** Called for a skipped object, with its first HEAD_BYTES bytes and its size. */
  onOversize(head: string, bytes: number): void
}

const HEAD_BYTES = 4096
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
  #parts: Buffer[] = []
  #bytes = 0

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
    }
    this.#depth++
  }

  #closeBracket(piece: Buffer, end: number): void {
    if (--this.#depth < 0) throw new SyntaxError('unexpected closing bracket')
    if (this.#depth !== this.#objectDepth) return
    this.#append(piece, this.#objectStart, end)
    this.#emit()
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

  #append(piece: Buffer, start: number, end: number): void {
    const before = this.#bytes
    this.#bytes += end - start
    if (this.#bytes <= this.#options.maxObjectBytes) this.#parts.push(Buffer.from(piece.subarray(start, end)))
    else if (before <= this.#options.maxObjectBytes) {
      const head = Buffer.concat([...this.#parts, piece.subarray(start, end)]).subarray(0, HEAD_BYTES)
      this.#parts = [Buffer.from(head)]
    }
  }

  #emit(): void {
    const parts = this.#parts
    const bytes = this.#bytes
    const depth = this.#objectDepth
    this.#parts = []
    this.#bytes = 0
    this.#objectDepth = -1
    const text = (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString()
    if (bytes > this.#options.maxObjectBytes) this.#options.onOversize(text, bytes)
    else this.#options.onObject(text, depth)
  }
}
