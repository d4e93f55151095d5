import { encodeStr } from '../../../core/msgpack/encode.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import { nextMark } from '../../../core/msgpack/slot-marks.ts'
import type { RecordText } from './record-text.ts'

const SLOTS = 2048
/** Shift that leaves the log2(SLOTS) upper bits of a 32-bit hash. */
const SLOT_SHIFT = 21

/** The keys that a parser may write, to find out cheaply that a record has none of them. */
export class KnownKeys {
  readonly #slots = new Uint8Array(SLOTS)

  constructor(keys: readonly string[]) {
    for (const key of keys) this.#slots[slotOf(Buffer.concat([encodeStr(key), ZEROS]), 0)] = 1
  }

  /** Returns false when a key in this slot is none of them. */
  has(slot: number): boolean {
    return this.#slots[slot] === 1
  }
}

const ZEROS = Buffer.alloc(4)

/**
 * The keys of the pairs of a record that are kept. Each has a slot of its own, so that one look tells whether a parsed key is one
 * of them. All keys are in the shortest format.
 */
export class KeptKeys {
  readonly #marks = new Int32Array(SLOTS)
  /** Offset of the key in a slot that has the current mark. */
  readonly #keys = new Int32Array(SLOTS)
  #mark = 0
  /** True when one of the keys may be one of the parser. */
  mayMeetKnown = false

  /** Notes the keys of a record. Returns false when two of them share a slot: they may be equal. */
  note(src: Buffer, record: RecordText, known: KnownKeys | undefined): boolean {
    const mark = nextMark(this.#marks, this.#mark)
    this.#mark = mark
    this.mayMeetKnown = known === undefined
    for (let i = 0; i < record.keptPairs; i++) {
      const key = record.keptKey(i)
      const slot = slotOf(src, key)
      if (this.#marks[slot] === mark) return false
      this.#marks[slot] = mark
      this.#keys[slot] = key
      if (known?.has(slot) === true) this.mayMeetKnown = true
    }
    return true
  }

  /** Returns true when the key at buf[at] is one of the keys of the record in `src`. */
  has(src: Buffer, buf: Buffer, at: number): boolean {
    const slot = slotOf(buf, at)
    return this.#marks[slot] === this.#mark && isSame(src, this.#keys[slot] as number, buf, at)
  }
}

/** Returns a slot by the length of a short key and three of its bytes, or the first bytes of any other. */
function slotOf(buf: Buffer, at: number): number {
  const type = buf[at] as number
  // What follows an empty key is no part of it.
  const length = type < 0xc0 ? type & 31 : 3
  const last = at + length
  const hash =
    (type << 24) ^
    ((buf[at + ((length + 1) >> 1)] as number) << 16) ^
    ((buf[last - (length >> 2)] as number) << 8) ^
    (buf[last] as number)
  return Math.imul(hash, 0x9e3779b1) >>> SLOT_SHIFT
}

/** Returns true for the same text in its shortest format. */
function isSame(a: Buffer, aAt: number, b: Buffer, bAt: number): boolean {
  const head = textHead(a, aAt)
  if (head < 0 || a[aAt] !== b[bAt]) return false
  const size = head + textLength(a, aAt)
  for (let i = 1; i < size; i++) if (a[aAt + i] !== b[bAt + i]) return false
  return true
}
