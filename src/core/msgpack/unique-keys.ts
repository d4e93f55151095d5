import { skip } from './encode.ts'
import { closeMap } from './map-head.ts'
import { mapBody, mapPairs, textHead, textLength } from './record.ts'
import { nextMark } from './slot-marks.ts'

/** Number of slots of the hash filter: enough that two keys of a typical record rarely share one. */
const SLOTS = 1024
/** Shift that leaves the log2(SLOTS) upper bits of a 32-bit hash. */
const SLOT_SHIFT = 22
/** Maximum number of keys that are compared pairwise; with more keys a hash table is cheaper. */
const MAX_PAIRWISE_KEYS = 256
/**
 * Maximum number of keys in the open maps of a value that comes from a network, for its readers: no honest record has as many, and each
 * key takes memory here that nobody counts.
 */
export const MAX_OPEN_KEYS = 65_536

/** Keys of pairs that are written after a map's own pairs and replace those with the same keys. */
export class LaterKeys {
  /** Keys as MessagePack, each with its head. */
  readonly keys: readonly Buffer[]
  readonly hashes: Int32Array

  constructor(keys: readonly Buffer[]) {
    this.keys = keys
    this.hashes = Int32Array.from(keys, (key) => hashOf(Buffer.concat([key, ZEROS]), 0))
  }

  /** Marks the slots of the keys. */
  mark(marks: Int32Array, mark: number): void {
    const { hashes } = this
    for (let i = 0; i < hashes.length; i++) marks[slotOf(hashes[i] as number)] = mark
  }

  has(key: Buffer): boolean {
    return this.keys.some((later) => later.equals(key))
  }
}

const ZEROS = Buffer.alloc(4)

/**
 * Offsets of the keys of a MessagePack map that is being written, used to keep only the last of equal keys:
 * many readers reject a map with a duplicate key. Heads are compared byte by byte, so keys must be in the
 * shortest format.
 */
export class UniqueKeys {
  count = 0
  /** Offsets of the keys in the output, in order. */
  offsets = new Int32Array(256)
  #hashes = new Int32Array(256)
  /** Copy of `offsets` while these are being marked. */
  #starts = new Int32Array(256)
  readonly #marks = new Int32Array(SLOTS)
  /** Index of the last key in a slot that has the current mark. */
  readonly #lastInSlot = new Int32Array(SLOTS)
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
   * Removes each pair, from key index `base` on, whose key occurs again, either later in the map or in
   * `later`. `end` is the end of the pairs; returns their new end. Duplicates are rare, and one pass over the
   * keys usually shows that there are none.
   */
  removeDuplicates(buf: Buffer, base: number, end: number, later?: LaterKeys): number {
    if (later === undefined && this.count - base < 2) return end
    if (!this.#sharesSlots(buf, base, later)) return end
    for (let i = base; i < this.count; i++) this.#starts[i] = this.offsets[i] as number
    if (later === undefined) {
      const found = this.#markBySlot(buf, base)
      if (found >= 0) return found === 0 ? end : this.#compact(buf, base, end)
    }
    const isLarge = this.count - base > MAX_PAIRWISE_KEYS
    if (!isLarge && !this.#hasEqualHashes(base, later)) return end
    // Before the hashes become others.
    if (later !== undefined) this.#markLater(buf, base, later)
    if (isLarge) this.#markWithTable(buf, base)
    else this.#markPairwise(buf, base)
    return this.#compact(buf, base, end)
  }

  /**
   * Removes pairs with duplicate keys, and those with keys in `later`, from the map at `map`, which ends at
   * `end`. The head of the map already counts the `extraPairs` pairs of `later`. Nested maps stay as they
   * are. Returns the new end.
   */
  settle(buf: Buffer, map: number, end: number, extraPairs: number, later?: LaterKeys): number {
    const pairs = mapPairs(buf, map) - extraPairs
    const body = mapBody(buf, map)
    this.count = 0
    let pair = body
    for (let i = 0; i < pairs; i++) {
      this.push(pair)
      pair = skip(buf, skip(buf, pair, end), end)
    }
    const settled = this.removeDuplicates(buf, 0, end, later)
    return this.count === pairs ? end : closeMap(buf, map, body, settled, this.count + extraPairs)
  }

  /** Computes the hashes. Returns false when no two keys share a slot, so that none are equal. */
  #sharesSlots(buf: Buffer, base: number, later: LaterKeys | undefined): boolean {
    const { offsets, count } = this
    const hashes = this.#hashes
    const marks = this.#marks
    const mark = nextMark(this.#marks, this.#mark)
    this.#mark = mark
    let isShared = 0
    if (later !== undefined) later.mark(marks, mark)
    for (let i = base; i < count; i++) {
      const hash = hashOf(buf, offsets[i] as number)
      const slot = slotOf(hash)
      hashes[i] = hash
      isShared |= marks[slot] === mark ? 1 : 0
      marks[slot] = mark
    }
    return isShared !== 0
  }

  /**
   * Sets the offset of every key that occurs again later to -1 and returns the number of them. Returns -1, with the offsets as they
   * were, when different keys share a slot.
   */
  #markBySlot(buf: Buffer, base: number): number {
    const { offsets, count } = this
    const starts = this.#starts
    const hashes = this.#hashes
    const marks = this.#marks
    const last = this.#lastInSlot
    const mark = nextMark(this.#marks, this.#mark)
    this.#mark = mark
    let found = 0
    for (let i = base; i < count; i++) {
      const slot = slotOf(hashes[i] as number)
      if (marks[slot] === mark) {
        const earlier = last[slot] as number
        if (hashes[earlier] !== hashes[i] || !sameKey(buf, starts[earlier] as number, starts[i] as number)) {
          for (let k = base; k < count; k++) offsets[k] = starts[k] as number
          return -1
        }
        offsets[earlier] = -1
        found++
      }
      marks[slot] = mark
      last[slot] = i
    }
    return found
  }

  /**
   * Compares the hashes themselves: keys that merely share a slot would do so in every record of a program.
   */
  #hasEqualHashes(base: number, later: LaterKeys | undefined): boolean {
    const { count } = this
    const hashes = this.#hashes
    for (let i = base; i < count; i++) {
      const hash = hashes[i] as number
      if (later?.hashes.includes(hash)) return true
      for (let j = base; j < i; j++) if (hashes[j] === hash) return true
    }
    return false
  }

  /** Sets the offset of every key that occurs again later to -1. */
  #markPairwise(buf: Buffer, base: number): void {
    for (let i = this.count - 2; i >= base; i--) {
      for (let j = i + 1; j < this.count; j++) {
        if (this.#hashes[i] !== this.#hashes[j] || this.offsets[j] === -1) continue
        if (!sameKey(buf, this.#starts[i] as number, this.#starts[j] as number)) continue
        this.offsets[i] = -1
        break
      }
    }
  }

  /**
   * Does the work of `#markPairwise` in linear time, with a hash table of typed arrays: a set of texts takes 150 bytes for each key, and a
   * sender chooses how many there are. The hash of the whole key has a seed, so that nobody can choose keys with one hash.
   */
  #markWithTable(buf: Buffer, base: number): void {
    const { offsets } = this
    const starts = this.#starts
    const hashes = this.#hashes
    const size = 1 << (32 - Math.clz32(2 * (this.count - base) - 1))
    /** Index of a key plus one; 0: none. */
    const table = new Int32Array(size)
    for (let i = this.count - 1; i >= base; i--) {
      const at = starts[i] as number
      // Only texts are compared.
      if (textHead(buf, at) < 0) continue
      const hash = seededHash(buf, at)
      hashes[i] = hash
      let slot = hash & (size - 1)
      for (let other = table[slot] as number; other !== 0; other = table[slot] as number) {
        if (hashes[other - 1] === hash && sameKey(buf, starts[other - 1] as number, at)) break
        slot = (slot + 1) & (size - 1)
      }
      if (table[slot] !== 0) offsets[i] = -1
      else table[slot] = i + 1
    }
  }

  #markLater(buf: Buffer, base: number, { keys, hashes }: LaterKeys): void {
    for (let i = base; i < this.count; i++) {
      const at = this.#starts[i] as number
      for (let j = 0; j < keys.length; j++) {
        if (this.#hashes[i] === hashes[j] && isKey(buf, at, keys[j] as Buffer)) this.offsets[i] = -1
      }
    }
  }

  /**
   * Moves the remaining pairs together, each once: a line full of equal keys must not take quadratic time. Pairs that stay next to
   * each other are moved in one call.
   */
  #compact(buf: Buffer, base: number, end: number): number {
    const { offsets, count } = this
    const starts = this.#starts
    let to = starts[base] as number
    let kept = base
    for (let i = base; i < count; ) {
      if (offsets[i] === -1) {
        i++
        continue
      }
      const start = starts[i] as number
      const delta = to - start
      for (; i < count && offsets[i] !== -1; i++) offsets[kept++] = (starts[i] as number) + delta
      const next = i < count ? (starts[i] as number) : end
      if (delta !== 0) buf.copyWithin(to, start, next)
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
    this.#hashes = new Int32Array(at.length * 2)
    this.#starts = new Int32Array(at.length * 2)
  }
}

/**
 * Returns a hash of a short key's length and of three of its bytes, or of a long key's first bytes. A loop
 * over all bytes would cost as much as the comparison that it saves.
 */
function hashOf(buf: Buffer, at: number): number {
  const type = buf[at] as number
  if (type >= 0xc0)
    return (
      (type << 24) |
      ((buf[at + 1] as number) << 16) |
      ((buf[at + 2] as number) << 8) |
      (buf[at + 3] as number)
    )
  const length = type & 31
  const last = at + length
  const middle = at + ((length + 1) >> 1)
  const third = last - (length >> 2)
  return (
    (type << 24) | ((buf[middle] as number) << 16) | ((buf[third] as number) << 8) | (buf[last] as number)
  )
}

function slotOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> SLOT_SHIFT
}

const SEED = Math.trunc(Math.random() * 0x100000000)

/** Returns a hash of all bytes of the key at `at`, another one in each run. */
function seededHash(buf: Buffer, at: number): number {
  const start = at + textHead(buf, at)
  const end = start + textLength(buf, at)
  let hash = SEED ^ (end - start)
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ (buf[i] as number), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash
}

function isKey(buf: Buffer, at: number, key: Buffer): boolean {
  return buf.compare(key, 0, key.length, at, at + key.length) === 0
}

/** A loop is faster than a call into the runtime: keys are short. */
function sameKey(buf: Buffer, a: number, b: number): boolean {
  const head = textHead(buf, a)
  if (head < 0 || textHead(buf, b) !== head) return false
  const length = textLength(buf, a)
  if (length !== textLength(buf, b)) return false
  for (let i = head; i < head + length; i++) if (buf[a + i] !== buf[b + i]) return false
  return true
}
