import { textHead, textLength } from './record.ts'

/** Marks of one check; as many as make two keys of a usual record rarely meet in one. */
const SLOTS = 1024
const SLOT_SHIFT = 22
/** Beyond so many keys each is not compared with each. */
const FEW = 256
/** Of keys of no, one and two bytes: what of the first four bytes is theirs. */
const SHORT = [0xff000000 | 0, 0xffff0000 | 0, 0xffffff00 | 0]

/**
 * Where the keys of a MessagePack map being written begin, so that of keys that come twice the last one can be made to
 * win: many readers take no map with a key twice. Heads are compared as they are: the shortest form is expected.
 */
export class UniqueKeys {
  count = 0
  /** Offsets in the output, in order. */
  offsets = new Int32Array(256)
  #signs = new Int32Array(256)
  #starts = new Int32Array(256)
  readonly #marks = new Uint32Array(SLOTS)
  #mark = 0

  push(at: number): void {
    if (this.count === this.offsets.length) this.#grow()
    this.offsets[this.count++] = at
  }

  /** The keys from `from` on begin `bytes` further. */
  shift(from: number, bytes: number): void {
    for (let i = from; i < this.count; i++) this.offsets[i] = (this.offsets[i] as number) + bytes
  }

  /**
   * Of the keys from `base` on, whose pairs end at `end`, takes those out that come again, with their values; returns
   * where the pairs end then. Nearly always there is none: one pass over the keys shows that.
   */
  removeDuplicates(buf: Buffer, base: number, end: number): number {
    if (this.count - base < 2) return end
    const mark = this.#nextMark()
    let met = false
    for (let i = base; i < this.count; i++) {
      const sign = signOf(buf, this.offsets[i] as number)
      this.#signs[i] = sign
      const slot = Math.imul(sign, 0x9e3779b1) >>> SLOT_SHIFT
      if (this.#marks[slot] === mark) met = true
      else this.#marks[slot] = mark
    }
    if (!met) return end
    for (let i = base; i < this.count; i++) this.#starts[i] = this.offsets[i] as number
    if (this.count - base > FEW) this.#markMany(buf, base)
    else this.#markFew(buf, base)
    return this.#close(buf, base, end)
  }

  #nextMark(): number {
    this.#mark = (this.#mark + 1) >>> 0
    if (this.#mark === 0) {
      this.#marks.fill(0)
      this.#mark = 1
    }
    return this.#mark
  }

  /** Keys that come again later are marked with -1. */
  #markFew(buf: Buffer, base: number): void {
    for (let i = this.count - 2; i >= base; i--) {
      for (let j = i + 1; j < this.count; j++) {
        if (this.#signs[i] !== this.#signs[j] || this.offsets[j] === -1) continue
        if (!sameKey(buf, this.#starts[i] as number, this.#starts[j] as number)) continue
        this.offsets[i] = -1
        break
      }
    }
  }

  #markMany(buf: Buffer, base: number): void {
    const seen = new Set<string>()
    for (let i = this.count - 1; i >= base; i--) {
      const at = this.#starts[i] as number
      const start = at + textHead(buf, at)
      const key = buf.toString('latin1', start, start + textLength(buf, at))
      if (seen.has(key)) this.offsets[i] = -1
      else seen.add(key)
    }
  }

  /** Moves the pairs that stay together, each once: a line full of equal keys must not cost its square. */
  #close(buf: Buffer, base: number, end: number): number {
    let o = this.#starts[base] as number
    let left = base
    for (let i = base; i < this.count; i++) {
      if (this.offsets[i] === -1) continue
      const start = this.#starts[i] as number
      const next = i + 1 < this.count ? (this.#starts[i + 1] as number) : end
      if (o !== start) buf.copyWithin(o, start, next)
      this.offsets[left++] = o
      o += next - start
    }
    this.count = left
    return o
  }

  #grow(): void {
    const at = this.offsets
    this.offsets = new Int32Array(at.length * 2)
    this.offsets.set(at)
    // These two are filled and read within one `settle`.
    this.#signs = new Int32Array(at.length * 2)
    this.#starts = new Int32Array(at.length * 2)
  }
}

/** The head and the first three bytes of a key, as far as they are its own. */
function signOf(buf: Buffer, at: number): number {
  const type = buf[at] as number
  const word =
    (type << 24) | ((buf[at + 1] as number) << 16) | ((buf[at + 2] as number) << 8) | (buf[at + 3] as number)
  return type < 0xa3 && type >= 0xa0 ? word & (SHORT[type - 0xa0] as number) : word
}

function sameKey(buf: Buffer, a: number, b: number): boolean {
  const head = textHead(buf, a)
  if (head < 0 || textHead(buf, b) !== head) return false
  const length = textLength(buf, a)
  if (length !== textLength(buf, b)) return false
  return buf.compare(buf, a + head, a + head + length, b + head, b + head + length) === 0
}
