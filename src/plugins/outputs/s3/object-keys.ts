import { randomBytes } from 'node:crypto'
import { OFFSET_DIGITS, SOURCE_DIGITS } from '../../../core/record-ids.ts'
import type { KeyFormat } from './key-format.ts'
import type { ObjectKey } from './object-key.ts'

/** What the key of an object is made of. */
export interface KeySource {
  readonly tag: string
  /** Unix time of the first record in seconds. */
  readonly sec: number
  readonly firstId: string
  readonly lastId: string
}

/** Keeps the next number for `$INDEX`. */
interface Indexes {
  readonly nextIndex: number
  keepIndex(next: number): void
}

const UNIQUE_CHARS = 8
/** Numbers that are tried one after the other. */
const NEAR_KEYS = 16
const MAX_STEP_BITS = 20
/** Digits of ids, see record-ids. */
const ALPHABET = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'

/**
 * Makes the keys of objects:
 *
 * ```
 *   format "-object" 8 characters [ "-" offset of the first record [ "-" offset of the last ] ]
 * ```
 * The last offset is not known when an upload begins. With `$UUID` the key is the format alone, as by fluent-bit: readers choose
 * the compression by the end of the key, as in `$UUID.gz`. So is a fixed key: with `$INDEX` it is the next one that nothing else has,
 * without both objects replace each other.
 */
export class ObjectKeys {
  readonly #format: KeyFormat
  readonly #isFixed: boolean
  readonly #journal: Indexes

  constructor(format: KeyFormat, isFixed: boolean, journal: Indexes) {
    this.#format = format
    this.#isFixed = isFixed || format.isUnique
    this.#journal = journal
  }

  /** Returns a new key. `isWhole`: the object has all of its records. `taken`: number of keys that other objects have turned out to have. */
  next({ tag, sec, firstId, lastId }: KeySource, isWhole: boolean, taken = 0): ObjectKey {
    const unique = randomText()
    const range = firstId === '' ? '' : `-${offsetOf(firstId)}${isWhole ? `-${offsetOf(lastId)}` : ''}`
    const suffix = this.#isFixed ? '' : `-object${unique}${range}`
    const key = this.#format.keyOf({ tag, sec, unique, index: this.#takeIndex(taken) }, suffix)
    // A key that is too long is cut.
    const isUnique = key.includes(unique)
    return {
      key,
      isNew: isUnique || this.#format.hasIndex,
      isUnique,
      objectId: randomText() + randomText(),
    }
  }

  /** Returns the next number. Behind many that are taken, as after the state was lost, it takes ever larger steps. */
  #takeIndex(taken: number): number {
    if (!this.#format.hasIndex) return 0
    const index =
      this.#journal.nextIndex + (taken <= NEAR_KEYS ? 0 : 2 ** Math.min(taken - NEAR_KEYS, MAX_STEP_BITS))
    this.#journal.keepIndex(index + 1)
    return index
  }
}

/** Returns the offset in an id, as decimal digits. */
function offsetOf(id: string): string {
  let value = 0
  for (const digit of id.slice(SOURCE_DIGITS, SOURCE_DIGITS + OFFSET_DIGITS))
    value = value * ALPHABET.length + ALPHABET.indexOf(digit)
  return String(value)
}

/** Returns letters and digits that no other object has: 47 bits. */
function randomText(): string {
  for (;;) {
    const text = randomBytes(12).toString('base64').replace(/[+/=]/g, '')
    if (text.length >= UNIQUE_CHARS) return text.slice(0, UNIQUE_CHARS)
  }
}
