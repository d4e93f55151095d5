/** What becomes of the objects that are found in a stream of JSON. */
export interface JsonStreamOptions {
  /** Depths at which objects are wanted: 0 for a row of objects, 1 and 2 for the members and lists of one. */
  minDepth: number
  maxDepth: number
  /** Larger ones are passed over. */
  maxObjectBytes: number
  /** The text of an object and the depth at which it stands. */
  onObject(text: string, depth: number): void
  /** An object beyond the limit: how it begins, and its size. */
  onOversize(head: string, bytes: number): void
}

const HEAD_BYTES = 4096
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Cuts a stream of JSON, which may come in pieces split anywhere, into the objects at some depth, so that of a long list
 * only one item is in memory at a time. It looks at brackets and strings and at nothing else: whether an object is
 * well-formed is for `JSON.parse` to say.
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
  /** The depth of the object that is being collected, or -1. */
  #objectDepth = -1
  /** Where it begins in the piece of the moment. */
  #objectStart = 0
  #parts: Buffer[] = []
  #bytes = 0

  constructor(options: JsonStreamOptions) {
    this.#options = options
  }

  /** Between two whole values: a stream that ends elsewhere was cut off. */
  get isComplete(): boolean {
    return this.#depth === 0
  }

  /** Throws a SyntaxError for what cannot be JSON objects. */
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
      if (this.#depth === 0 && c > 0x20 && c !== 0x7d)
        throw new SyntaxError('no object where one was expected')
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
    if (--this.#depth < 0) throw new SyntaxError('a bracket closes that was not opened')
    if (this.#depth !== this.#objectDepth) return
    this.#append(piece, this.#objectStart, end)
    this.#emit()
  }

  /** To behind the closing quote, or to the end of the piece. */
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
    const held = this.#bytes
    this.#bytes += end - start
    if (this.#bytes <= this.#options.maxObjectBytes) this.#parts.push(Buffer.from(piece.subarray(start, end)))
    else if (held <= this.#options.maxObjectBytes) {
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
