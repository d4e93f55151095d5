import { textHead, textLength } from './record.ts'

/** Number of slots of the hash filter: enough that two keys of a typical record rarely share one. */
const SLOTS = 1024
/** Shift that leaves the log2(SLOTS) upper bits of a 32-bit hash. */
const SLOT_SHIFT = 22
/** Maximum number of keys that are compared pairwise; with more keys a set is cheaper. */
const MAX_PAIRWISE_KEYS = 256
/** Masks for the bytes that belong to a key of zero, one and two bytes, among the first four. */
const SHORT_KEY_MASKS = [0xff000000 | 0, 0xffff0000 | 0, 0xffffff00 | 0]

/**
 * Offsets of the keys of a MessagePack map that is being written, used to keep only the last of equal keys: many readers
 * reject a map with a duplicate key. Heads are compared byte by byte, so keys must be in the shortest format.
 */
export class UniqueKeys {
  count = 0
  /** Offsets of the keys in the output, in order. */
  offsets = new Int32Array(256)
  /** First four bytes of each key. */
  #prefixes = new Int32Array(256)
  /** Copy of `offsets` while these are being marked. */
  #starts = new Int32Array(256)
  readonly #marks = new Uint32Array(SLOTS)
  #mark = 0

  push(at: number): void {
    if (this.count === this.offsets.length) this.#grow()
    this.offsets[this.count++] = at
  }

  /** Adds `bytes` to the offsets of the keys from index `from` on. */
  shift(from: number, bytes: number): void {
    for (let i = from; i < this.count; i++) this.offsets[i] = (this.offsets[i] as number) + bytes
  }

  /**
   * Removes every key from index `base` on that occurs again later, with its value. The pairs end at `end`; returns their
   * new end. Duplicates are rare, and one pass over the keys usually shows that there are none.
   */
  removeDuplicates(buf: Buffer, base: number, end: number): number {
    if (this.count - base < 2) return end
    const mark = this.#nextMark()
    let collision = false
    for (let i = base; i < this.count; i++) {
      const prefix = prefixOf(buf, this.offsets[i] as number)
      this.#prefixes[i] = prefix
      const slot = Math.imul(prefix, 0x9e3779b1) >>> SLOT_SHIFT
      if (this.#marks[slot] === mark) collision = true
      else this.#marks[slot] = mark
    }
    if (!collision) return end
    for (let i = base; i < this.count; i++) this.#starts[i] = this.offsets[i] as number
    if (this.count - base > MAX_PAIRWISE_KEYS) this.#markWithSet(buf, base)
    else this.#markPairwise(buf, base)
    return this.#compact(buf, base, end)
  }

  /** Returns a value that no slot of the filter has, which saves clearing it. */
  #nextMark(): number {
    this.#mark = (this.#mark + 1) >>> 0
    if (this.#mark === 0) {
      this.#marks.fill(0)
      this.#mark = 1
    }
    return this.#mark
  }

  /** Sets the offset of every key that occurs again later to -1. */
  #markPairwise(buf: Buffer, base: number): void {
    for (let i = this.count - 2; i >= base; i--) {
      for (let j = i + 1; j < this.count; j++) {
        if (this.#prefixes[i] !== this.#prefixes[j] || this.offsets[j] === -1) continue
        if (!sameKey(buf, this.#starts[i] as number, this.#starts[j] as number)) continue
        this.offsets[i] = -1
        break
      }
    }
  }

  /** Does the work of `#markPairwise` in linear time. */
  #markWithSet(buf: Buffer, base: number): void {
    const seen = new Set<string>()
    for (let i = this.count - 1; i >= base; i--) {
      const at = this.#starts[i] as number
      const start = at + textHead(buf, at)
      const key = buf.toString('latin1', start, start + textLength(buf, at))
      if (seen.has(key)) this.offsets[i] = -1
      else seen.add(key)
    }
  }

  /** Moves the remaining pairs together, each once: a line full of equal keys must not take quadratic time. */
  #compact(buf: Buffer, base: number, end: number): number {
    let to = this.#starts[base] as number
    let kept = base
    for (let i = base; i < this.count; i++) {
      if (this.offsets[i] === -1) continue
      const start = this.#starts[i] as number
      const next = i + 1 < this.count ? (this.#starts[i + 1] as number) : end
      if (to !== start) buf.copyWithin(to, start, next)
      this.offsets[kept++] = to
      to += next - start
    }
    this.count = kept
    return to
  }

  #grow(): void {
    const at = this.offsets
    this.offsets = new Int32Array(at.length * 2)
    this.offsets.set(at)
    // The other two are filled and read within one call of `removeDuplicates`.
    this.#prefixes = new Int32Array(at.length * 2)
    this.#starts = new Int32Array(at.length * 2)
  }
}

/** Returns the first four bytes of a key, head included; bytes after a shorter key are zero. */
function prefixOf(buf: Buffer, at: number): number {
  const type = buf[at] as number
  const word =
    (type << 24) | ((buf[at + 1] as number) << 16) | ((buf[at + 2] as number) << 8) | (buf[at + 3] as number)
  return type < 0xa3 && type >= 0xa0 ? word & (SHORT_KEY_MASKS[type - 0xa0] as number) : word
}

function sameKey(buf: Buffer, a: number, b: number): boolean {
  const head = textHead(buf, a)
  if (head < 0 || textHead(buf, b) !== head) return false
  const length = textLength(buf, a)
  if (length !== textLength(buf, b)) return false
  return buf.compare(buf, a + head, a + head + length, b + head, b + head + length) === 0
}
