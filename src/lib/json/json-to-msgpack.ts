import { FALSE, NIL, strHeadSize, TRUE, writeArrayHead, writeStrHead } from '../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../core/msgpack/map-head.ts'
import { type LaterKeys, MAX_OPEN_KEYS, UniqueKeys } from '../../core/msgpack/unique-keys.ts'
import { unescapeJson } from './escapes.ts'
import { JsonNumber } from './number.ts'

const MAX_DEPTH = 256
/** Length up to which bytes are copied one by one: a call of `copy` costs as much as 30 of them. */
const MAX_LOOP_COPY_BYTES = 24

/** Class of a byte within a string: 0 plain; 1 the end or an escape. */
const STOP = new Uint8Array(256)
STOP[0x22] = STOP[0x5c] = 1
/** The same, and 1 for a control character, which JSON forbids there. */
const STRICT_STOP = STOP.slice()
for (let c = 0; c < 0x20; c++) STRICT_STOP[c] = 1

/**
 * Returns an upper bound of the MessagePack bytes for JSON of this length: three, as in `[-0,-0]`, become up
 * to nine.
 */
export function jsonBound(length: number): number {
  return length * 3 + 16
}

/**
 * Converts JSON text to MessagePack, bytes to bytes, with the grammar of RFC 8259. It rejects what
 * `JSON.parse` rejects, except that bytes that are not UTF-8 are kept. Unlike `JSON.parse`, it keeps integers
 * of up to 64 bits exact, and rejects more than 256 levels, more keys than MAX_OPEN_KEYS and numbers beyond the range of float64 (1e400). A
 * lone surrogate escape becomes U+FFFD. Of equal keys in a map the last one stays. A number with a point or
 * an exponent is a float64, any other number an integer. With `keepsControls` it keeps control characters in strings, which
 * programs write that do not escape tabs; `JSON.parse` and a text of several values, in which the end of a line ends a broken
 * one, are the reason that it is not always so.
 */
export class JsonTranscoder {
  /** Offset in the source after the latest value. */
  end = 0
  /** What the latest value has that is JSON and is rejected; undefined for a value that was written, or is no JSON. */
  excess: string | undefined
  /** Number of pairs counted in the head of the outermost map in addition to its own. */
  extraPairs = 0
  /** Keys of those pairs; pairs of the outermost map with these keys are left out. */
  extraKeys: LaterKeys | undefined
  /**
   * Number of pairs of the outermost map, without the extra ones, and the offset of the first in the output.
   */
  pairs = 0
  bodyAt = 0
  /**
   * Offsets in the output of the last outermost pair with the watched key, of its value, and of its end; -1
   * if there is none.
   */
  pairAt = -1
  valueAt = -1
  pairEnd = -1
  /** Offset of that value in the source. */
  sourceValueAt = -1
  readonly #watch: Buffer
  readonly #stop: Uint8Array
  readonly #number = new JsonNumber()
  /**
   * State of each open container: offset of its head in the output, number of items, and 1 when it is a map.
   */
  readonly #heads = new Int32Array(MAX_DEPTH)
  readonly #counts = new Int32Array(MAX_DEPTH)
  readonly #maps = new Uint8Array(MAX_DEPTH)
  readonly #keys: UniqueKeys
  /** True when `#keys` belongs to the caller and receives only the keys of the outermost map. */
  readonly #sharesKeys: boolean
  readonly #bases = new Int32Array(MAX_DEPTH)

  /**
   * `watch`: key of the outermost map to find, as MessagePack with its head; it must not be in `extraKeys`.
   * `keys`, if given, receives the keys of the outermost map.
   */
  constructor(watch: Buffer = Buffer.alloc(0), keys?: UniqueKeys, keepsControls = false) {
    this.#watch = watch
    this.#stop = keepsControls ? STOP : STRICT_STOP
    this.#keys = keys ?? new UniqueKeys()
    this.#sharesKeys = keys !== undefined
  }

  /**
   * Writes the value that begins at `start`, after optional blanks, at `out[at]`. Returns the offset after
   * it, or -1. It writes no more than `jsonBound` allows for the bytes it has read.
   */
  transcode(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
    this.pairAt = this.valueAt = this.pairEnd = -1
    this.excess = undefined
    if (!this.#sharesKeys) this.#keys.count = 0
    let depth = 0
    let p = skipBlanks(src, start, end)
    let dst = at
    for (;;) {
      // A value is expected at p.
      const c = p < end ? (src[p] as number) : 0
      if (c === 0x7b || c === 0x5b) {
        if (depth === MAX_DEPTH) return this.#exceeds(`more than ${MAX_DEPTH} levels`)
        this.#heads[depth] = dst
        this.#counts[depth] = 0
        this.#maps[depth] = c === 0x7b ? 1 : 0
        this.#bases[depth] = this.#keys.count
        depth++
        dst++
        p = skipBlanks(src, p + 1, end)
        const first = p < end ? src[p] : 0
        if (first !== c + 2) {
          if (c === 0x7b) {
            dst = this.#key(src, p, end, out, dst, depth)
            if (dst < 0) return -1
            p = this.end
          }
          continue
        }
      } else {
        dst = c === 0x22 ? this.string(src, p, end, out, dst) : this.#scalar(src, p, end, out, dst)
        if (dst < 0) return -1
        p = this.end
        if (depth === 0) return dst
        this.#count(depth, dst)
        p = skipBlanks(src, p, end)
      }
      // After a value, or at the end of an empty container: close the containers that end here.
      while (p < end && src[p] === (this.#maps[depth - 1] === 1 ? 0x7d : 0x5d)) {
        dst = this.#close(out, dst, --depth)
        p++
        if (depth === 0) {
          this.end = p
          return dst
        }
        this.#count(depth, dst)
        p = skipBlanks(src, p, end)
      }
      if (p >= end || src[p] !== 0x2c) return -1
      p = skipBlanks(src, p + 1, end)
      if (this.#maps[depth - 1] === 1) {
        dst = this.#key(src, p, end, out, dst, depth)
        if (dst < 0) return -1
        p = this.end
      }
    }
  }

  /** Writes the string whose opening quote is at `start`; returns the offset after what it wrote, or -1. */
  string(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
    const from = start + 1
    const stop = this.#stop
    let p = from
    let escaped = false
    for (;;) {
      while (p < end && stop[src[p] as number] === 0) p++
      if (p >= end) return -1
      const c = src[p]
      if (c === 0x22) break
      if (c !== 0x5c) return -1
      escaped = true
      p += 2
    }
    this.end = p + 1
    return escaped ? this.unescaped(src, from, p, out, at) : copyString(src, from, p, out, at)
  }

  /** Writes the inside of a string, `src[start, end)`; returns the offset after what it wrote, or -1. */
  unescaped(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
    const head = strHeadSize(end - start)
    const dst = unescapeJson(src, start, end, out, at + head)
    if (dst < 0) return -1
    const length = dst - at - head
    const shorter = head - strHeadSize(length)
    if (shorter > 0) out.copyWithin(at + head - shorter, at + head, dst)
    writeStrHead(out, at, length)
    return dst - shorter
  }

  #count(depth: number, dst: number): void {
    this.#counts[depth - 1] = (this.#counts[depth - 1] as number) + 1
    if (depth === 1 && this.pairEnd < 0 && this.pairAt >= 0) this.pairEnd = dst
  }

  /** Reads a key, the colon and the blanks after it. */
  #key(src: Buffer, start: number, end: number, out: Buffer, at: number, depth: number): number {
    if (start >= end || src[start] !== 0x22) return -1
    const dst = this.string(src, start, end, out, at)
    if (dst < 0) return -1
    const p = skipBlanks(src, this.end, end)
    if (p >= end || src[p] !== 0x3a) return -1
    this.end = skipBlanks(src, p + 1, end)
    if (this.#keys.count === MAX_OPEN_KEYS) return this.#exceeds(`more than ${MAX_OPEN_KEYS} keys in a map`)
    this.#keys.push(at)
    if (depth === 1 && dst - at === this.#watch.length && isAt(out, at, this.#watch)) {
      this.pairAt = at
      this.valueAt = dst
      this.sourceValueAt = this.end
      this.pairEnd = -1
    }
    return dst
  }

  #close(out: Buffer, end: number, depth: number): number {
    const at = this.#heads[depth] as number
    if (this.#maps[depth] === 1) {
      const keys = this.#keys
      const base = this.#bases[depth] as number
      if (depth === 0) return this.#closeOutermost(out, at, base, end)
      const dst = keys.removeDuplicates(out, base, end)
      const count = keys.count - base
      keys.count = base
      return closeMap(out, at, at + 1, dst, count)
    }
    const count = this.#counts[depth] as number
    const shift = count < 16 ? 0 : count < 0x10000 ? 2 : 4
    if (shift > 0) out.copyWithin(at + 1 + shift, at + 1, end)
    writeArrayHead(out, at, count)
    return end + shift
  }

  #closeOutermost(out: Buffer, at: number, base: number, end: number): number {
    const keys = this.#keys
    const dst = keys.removeDuplicates(out, base, end, this.extraKeys)
    const count = keys.count - base
    const pairs = count + this.extraPairs
    this.pairs = count
    this.bodyAt = at + mapHeadSize(pairs)
    if (this.pairAt >= 0) {
      if (dst !== end) this.#findAgain(out, base, dst)
      this.#shiftWatched(at)
    }
    return closeMap(out, at, at + 1, dst, pairs)
  }

  /** Finds the watched pair again after other pairs were removed. */
  #findAgain(out: Buffer, base: number, end: number): void {
    const keys = this.#keys
    for (let i = base; i < keys.count; i++) {
      const pair = keys.offsets[i] as number
      if (!isAt(out, pair, this.#watch)) continue
      this.pairAt = pair
      this.valueAt = pair + this.#watch.length
      this.pairEnd = i + 1 < keys.count ? (keys.offsets[i + 1] as number) : end
    }
  }

  #shiftWatched(at: number): void {
    const shift = this.bodyAt - at - 1
    this.pairAt += shift
    this.valueAt += shift
    this.pairEnd += shift
  }

  /** Writes true, false, null or a number. */
  #scalar(src: Buffer, p: number, end: number, out: Buffer, at: number): number {
    const c = p < end ? (src[p] as number) : 0
    if (c === 0x74 && isAt(src, p, WORD_TRUE) && p + 4 <= end) return this.#word(out, at, TRUE, p + 4)
    if (c === 0x66 && isAt(src, p, WORD_FALSE) && p + 5 <= end) return this.#word(out, at, FALSE, p + 5)
    if (c === 0x6e && isAt(src, p, WORD_NULL) && p + 4 <= end) return this.#word(out, at, NIL, p + 4)
    const dst = this.#number.write(src, p, end, out, at)
    this.end = this.#number.end
    if (dst >= 0 || !this.#number.isTooLarge || this.end === end) return dst
    // One that ends with the text may be a part of another: who reads a text in windows has to look at more of it.
    return this.#exceeds('a number beyond the range of float64')
  }

  #exceeds(what: string): number {
    this.excess = what
    return -1
  }

  #word(out: Buffer, at: number, byte: number, end: number): number {
    out[at] = byte
    this.end = end
    return at + 1
  }
}

const WORD_TRUE = Buffer.from('true')
const WORD_FALSE = Buffer.from('false')
const WORD_NULL = Buffer.from('null')

function isAt(buf: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (buf[at + i] !== word[i]) return false
  return true
}

/** Writes src[start, end) as a string and returns the offset after it. */
export function copyString(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let dst = writeStrHead(out, at, end - start)
  if (end - start > MAX_LOOP_COPY_BYTES) {
    src.copy(out, dst, start, end)
    return dst + end - start
  }
  for (let p = start; p < end; p++) out[dst++] = src[p] as number
  return dst
}

export function skipBlanks(src: Buffer, start: number, end: number): number {
  let p = start
  while (p < end) {
    const c = src[p]
    if (c !== 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) break
    p++
  }
  return p
}

/** Returns the offset after the byte order mark that some programs for Windows write, if there is one. */
export function skipByteOrderMark(src: Buffer, start: number, end: number): number {
  return end - start >= 3 && src[start] === 0xef && src[start + 1] === 0xbb && src[start + 2] === 0xbf
    ? start + 3
    : start
}
