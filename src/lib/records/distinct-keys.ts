import { skip } from '../../core/msgpack/encode.ts'
import { closeMap } from '../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { nextMark } from '../../core/msgpack/slot-marks.ts'

/** Number of slots; a map of a log has far fewer keys. */
const SLOTS = 512
/** Maximum number of keys that are compared with those in their slot; with more of them a set is cheaper. */
const MAX_TABLE_KEYS = 200
const PAIRS = 64
/** Number of pairs above which their memory is given back: one huge map must not cost it forever. */
const MAX_KEPT_PAIRS = 65_536

/**
 * Removes pairs from a map that was written, so that none of its keys occurs twice: of equal keys the last pair stays. Keys are
 * compared by their text, whatever their heads are; keys that are no texts are equal to none.
 */
export class DistinctKeys {
  /** Pair of a slot, by its index, valid if `#marks` has the current mark. */
  readonly #slots = new Int32Array(SLOTS)
  readonly #marks = new Int32Array(SLOTS)
  #mark = 0
  /** Offset of each pair; with the one after the last. */
  #pairs = new Int32Array(PAIRS)
  #isRemoved = new Uint8Array(PAIRS)

  /** Settles the map buf[map, end); returns its new end. Maps within it stay as they are. */
  settle(buf: Buffer, map: number, end: number): number {
    const count = mapPairs(buf, map)
    if (count < 2) return end
    this.#reserve(count + 1)
    this.#mark = nextMark(this.#marks, this.#mark)
    const isMany = count > MAX_TABLE_KEYS
    let removed = 0
    let at = mapBody(buf, map)
    for (let i = 0; i < count; i++) {
      this.#pairs[i] = at
      this.#isRemoved[i] = 0
      if (!isMany) removed += this.#add(buf, i)
      at = skip(buf, skip(buf, at, end), end)
    }
    this.#pairs[count] = end
    if (isMany) removed = this.#removeMany(buf, count)
    return removed === 0 ? end : this.#compact(buf, map, count, removed)
  }

  /** Adds the key of a pair; returns 1 when that removes an earlier pair. */
  #add(buf: Buffer, pair: number): 0 | 1 {
    const at = this.#pairs[pair] as number
    const head = textHead(buf, at)
    if (head < 0) return 0
    const length = textLength(buf, at)
    const start = at + head
    const isEmpty = length === 0
    const first = isEmpty ? 0 : (buf[start] as number)
    const middle = isEmpty ? 0 : (buf[start + (length >> 1)] as number)
    const last = isEmpty ? 0 : (buf[start + length - 1] as number)
    let slot = (length * 31 + first * 7 + middle * 13 + last * 3) & (SLOTS - 1)
    while (this.#marks[slot] === this.#mark) {
      const other = this.#slots[slot] as number
      if (isEqual(buf, this.#pairs[other] as number, start, length)) {
        this.#isRemoved[other] = 1
        this.#slots[slot] = pair
        return 1
      }
      slot = (slot + 1) & (SLOTS - 1)
    }
    this.#marks[slot] = this.#mark
    this.#slots[slot] = pair
    return 0
  }

  #removeMany(buf: Buffer, count: number): number {
    const seen = new Set<string>()
    let removed = 0
    for (let i = count - 1; i >= 0; i--) {
      const at = this.#pairs[i] as number
      const head = textHead(buf, at)
      if (head < 0) continue
      const key = buf.toString('latin1', at + head, at + head + textLength(buf, at))
      if (seen.has(key)) {
        this.#isRemoved[i] = 1
        removed++
      } else seen.add(key)
    }
    return removed
  }

  #compact(buf: Buffer, map: number, count: number, removed: number): number {
    const body = mapBody(buf, map)
    let to = body
    for (let i = 0; i < count; i++) {
      if (this.#isRemoved[i] === 1) continue
      const start = this.#pairs[i] as number
      const next = this.#pairs[i + 1] as number
      if (to !== start) buf.copyWithin(to, start, next)
      to += next - start
    }
    return closeMap(buf, map, body, to, count - removed)
  }

  #reserve(count: number): void {
    const { length } = this.#pairs
    if (count <= length && length <= MAX_KEPT_PAIRS) return
    const wanted = Math.max(count, PAIRS)
    if (length === wanted) return
    this.#pairs = new Int32Array(wanted)
    this.#isRemoved = new Uint8Array(wanted)
  }
}

function isEqual(buf: Buffer, key: number, start: number, length: number): boolean {
  if (textLength(buf, key) !== length) return false
  for (let i = 0, p = key + textHead(buf, key), q = start; i < length; i++, p++, q++)
    if (buf[p] !== buf[q]) return false
  return true
}
