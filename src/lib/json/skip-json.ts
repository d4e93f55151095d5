import { skipBlanks } from './json-to-msgpack.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Kinds of bytes between strings: 1 a string begins, 2 a container opens, 3 one closes. */
const KINDS = new Uint8Array(256)
KINDS[QUOTE] = 1
KINDS[0x7b] = KINDS[0x5b] = 2
KINDS[0x7d] = KINDS[0x5d] = 3

/**
 * Returns the offset after the JSON value at `at`, or -1. It looks at quotation marks and brackets only: what it passes over is not
 * known to be JSON.
 */
export function skipJson(src: Buffer, at: number, end: number): number {
  let depth = 0
  let p = at
  while (p < end) {
    const kind = KINDS[src[p] as number]
    if (kind === 0) {
      // A number or a word outside of containers ends before what separates values.
      if (depth === 0) return skipScalar(src, p, end)
      p++
      continue
    }
    if (kind === 1) {
      p = skipString(src, p, end)
      if (p < 0) return -1
    } else {
      depth += kind === 2 ? 1 : -1
      p++
    }
    if (depth <= 0) return depth === 0 ? p : -1
  }
  return -1
}

/** Returns the offset after the string whose quotation mark is at `at`, or -1. */
function skipString(src: Buffer, at: number, end: number): number {
  let p = at + 1
  while (p < end) {
    const c = src[p]
    if (c === QUOTE) return p + 1
    p += c === BACKSLASH ? 2 : 1
  }
  return -1
}

function skipScalar(src: Buffer, at: number, end: number): number {
  let p = at
  while (p < end) {
    const c = src[p] as number
    if (c === 0x2c || KINDS[c] === 3 || c <= 0x20) break
    p++
  }
  return p === at ? -1 : p
}

/**
 * A cursor over the members of a JSON object or the items of a list: `begin` at its first byte, then `next` until it returns false.
 * `isBad` is true when it then did not end as it has to.
 */
export class JsonWalker {
  isBad = false
  /** The key of a member, without its quotation marks, and its value; the item of a list. */
  keyStart = 0
  keyEnd = 0
  start = 0
  stop = 0
  #src: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0
  #isMap = false
  #isFirst = true

  /** `at`: offset of `{` or `[`. */
  begin(src: Buffer, at: number, end: number): void {
    this.#src = src
    this.#at = at + 1
    this.#end = end
    this.#isMap = src[at] === 0x7b
    this.#isFirst = true
    this.isBad = false
  }

  /** Offset after the object or list, once `next` has returned false. */
  get end(): number {
    return this.#at
  }

  /** Goes to the next value. With `skips`, `stop` is its end; without, the caller sets it: it goes on there. */
  next(skips = true): boolean {
    const { at, isEnd } = this.#separator()
    this.#at = at
    if (isEnd || this.isBad) return false
    if (this.#isMap && !this.#key()) {
      this.isBad = true
      return false
    }
    this.start = this.#at
    if (!skips) return true
    this.stop = skipJson(this.#src, this.#at, this.#end)
    this.isBad = this.stop < 0
    this.#at = this.stop
    return !this.isBad
  }

  /** Sets the end of a value that `next` has not skipped. */
  passed(stop: number): void {
    this.stop = this.#at = stop
  }

  #separator(): { at: number; isEnd: boolean } {
    const src = this.#src
    let p = skipBlanks(src, this.#at, this.#end)
    const c = p < this.#end ? src[p] : undefined
    if (c === (this.#isMap ? 0x7d : 0x5d)) {
      // A comma before the end is not looked for: nothing is lost by it.
      return { at: p + 1, isEnd: true }
    }
    if (!this.#isFirst) {
      this.isBad = c !== 0x2c
      p = skipBlanks(src, p + 1, this.#end)
    }
    this.#isFirst = false
    this.isBad ||= p >= this.#end
    return { at: p, isEnd: false }
  }

  #key(): boolean {
    const src = this.#src
    if (src[this.#at] !== QUOTE) return false
    const after = skipString(src, this.#at, this.#end)
    if (after < 0) return false
    this.keyStart = this.#at + 1
    this.keyEnd = after - 1
    const colon = skipBlanks(src, after, this.#end)
    if (colon >= this.#end || src[colon] !== 0x3a) return false
    this.#at = skipBlanks(src, colon + 1, this.#end)
    return this.#at < this.#end
  }
}
