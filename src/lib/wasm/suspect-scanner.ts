import { instantiate, lazyShared } from './instance.ts'
import { WASM } from './suspects.wasm.ts'

/** Three bytes of a text, each one of several. */
export type Fingerprint = readonly [first: ByteSet, second: ByteSet, third: ByteSet]
/** The characters, all of them ASCII; undefined: any byte. */
type ByteSet = string | undefined

/** Bits of what is searched for. */
const DIGITS = 1
const LETTERS = 2
const NUMBERS = 4
const FIRST_GROUPS = 8
const SECOND_GROUPS = 16

const TABLE_BYTES = 16
/** Tables for one byte of eight groups: by its low and its high half. */
const TABLES_PER_BYTE = 2
const TABLES_PER_SET = 6
const GROUPS = 8
const NIBBLES = 16
/** Bytes in which a place may lie: a block is read again from this far before its end. */
const OVERLAP = 32

interface Exports {
  memory: WebAssembly.Memory
  TABLES: WebAssembly.Global
  TABLES_BYTES: WebAssembly.Global
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  SLACK: WebAssembly.Global
  scan(from: number, end: number, kinds: number): number
}

/** What a scanner looks for, in the form of the module. */
export class Suspects {
  readonly tables = Buffer.alloc(TABLE_BYTES * TABLES_PER_SET * 2)
  readonly kinds: number

  /**
   * `groups`: at most 16; the fingerprints of a group share their bits, so mixtures of them are found as well. `digits`: 13 digits in a
   * row, or 15 digits, blanks and hyphens. `letters`: two upper-case letters and two digits. `numbers`: integers of 64 bits.
   */
  constructor(
    groups: readonly (readonly Fingerprint[])[],
    { digits, letters, numbers }: { digits: boolean; letters: boolean; numbers: boolean },
  ) {
    groups.forEach((group, i) => {
      for (const fingerprint of group)
        fingerprint.forEach((bytes, place) => {
          this.#add(i, place, bytes)
        })
    })
    this.kinds =
      (digits ? DIGITS : 0) |
      (letters ? LETTERS : 0) |
      (numbers ? NUMBERS : 0) |
      (groups.length > 0 ? FIRST_GROUPS : 0) |
      (groups.length > GROUPS ? SECOND_GROUPS : 0)
  }

  #add(group: number, place: number, bytes: ByteSet): void {
    const set = group < GROUPS ? 0 : 1
    const at = (set * TABLES_PER_SET + place * TABLES_PER_BYTE) * TABLE_BYTES
    const bit = 1 << (group % GROUPS)
    const { tables } = this
    const mark = (table: number, nibble: number) => {
      const i = at + table * TABLE_BYTES + nibble
      tables[i] = (tables[i] as number) | bit
    }
    const all = bytes ?? String.fromCharCode(...Array.from({ length: NIBBLES }, (_, n) => n * (NIBBLES + 1)))
    for (const char of all) {
      const byte = char.charCodeAt(0)
      mark(0, byte & (NIBBLES - 1))
      mark(1, byte >>> 4)
    }
  }
}

/**
 * Finds places in the bytes of a chunk that may be a secret, with 16-byte instructions; compiled from assembly/suspects/. It knows
 * neither entries nor texts: most places are none, but what has no place has no secret. One instance per process.
 */
class SuspectScanner {
  readonly #exports: Exports
  readonly #input: Buffer
  readonly #size: number
  readonly #tables: Buffer
  #kinds = 0
  #from = 0
  #to = 0

  constructor() {
    const { exports: x, region } = instantiate<Exports>(WASM)
    this.#exports = x
    this.#size = x.IN_BYTES.value
    this.#input = Buffer.from(x.memory.buffer, x.IN.value, this.#size + x.SLACK.value)
    this.#tables = region(x.TABLES, x.TABLES_BYTES)
  }

  /** Begins another chunk. */
  begin({ tables, kinds }: Suspects): void {
    tables.copy(this.#tables)
    this.#kinds = kinds
    this.#from = this.#to = 0
  }

  /** Returns the offset of the last byte of the first place in chunk[from, end), or -1; offsets must not decrease. */
  next(chunk: Buffer, from: number, end: number): number {
    for (let at = from; at < end; ) {
      if (at < this.#from || at >= this.#to) this.#load(chunk, at, end)
      const found = this.#exports.scan(at - this.#from, this.#to - this.#from, this.#kinds)
      if (found >= 0) return this.#from + found
      if (this.#to >= end) return -1
      const next = Math.max(at, this.#to - OVERLAP)
      this.#load(chunk, next, end)
      at = next
    }
    return -1
  }

  #load(chunk: Buffer, at: number, end: number): void {
    this.#from = at
    const size = chunk.copy(this.#input, 0, at, Math.min(end, at + this.#size))
    this.#to = at + size
    this.#input.fill(0, size, size + this.#exports.SLACK.value)
  }
}

export const sharedSuspectScanner = lazyShared(() => new SuspectScanner())
export type { SuspectScanner }
