/** Number of slots; with a few keys two of them rarely share one. */
const SLOTS = 256

/**
 * A few keys, each found among them by its length and its first and last byte, so a key of a record is compared with at most
 * those few that look like it. `ignoresCase`: ASCII letters are equal in both cases.
 */
export class KeyTable {
  readonly #keys: readonly Buffer[]
  readonly #fold: number
  /** Index of the first key of a slot and, by key, of the next one in its slot; -1: none. */
  readonly #first = new Int32Array(SLOTS).fill(-1)
  readonly #next: Int32Array

  constructor(keys: readonly Buffer[], ignoresCase = false) {
    this.#keys = ignoresCase ? keys.map((key) => key.map((byte) => lower(byte)) as Buffer) : keys
    this.#fold = ignoresCase ? 0x20 : 0
    this.#next = new Int32Array(keys.length).fill(-1)
    this.#keys.forEach((key, i) => {
      const slot = this.#slot(key, 0, key.length)
      this.#next[i] = this.#first[slot] as number
      this.#first[slot] = i
    })
  }

  /** Returns the index of the key that is buf[start, start + length), or -1. */
  find(buf: Buffer, start: number, length: number): number {
    let i = this.#first[this.#slot(buf, start, length)] as number
    while (i >= 0 && !this.#equals(this.#keys[i] as Buffer, buf, start, length)) i = this.#next[i] as number
    return i
  }

  #slot(buf: Buffer, start: number, length: number): number {
    if (length === 0) return 0
    const fold = this.#fold
    const first = (buf[start] as number) | fold
    const last = (buf[start + length - 1] as number) | fold
    return (length * 7 + first * 5 + last * 3) & (SLOTS - 1)
  }

  #equals(key: Buffer, buf: Buffer, start: number, length: number): boolean {
    if (key.length !== length) return false
    if (this.#fold !== 0) return startsWithFolded(buf, start, key)
    for (let i = 0, p = start; i < length; i++, p++) if (buf[p] !== key[i]) return false
    return true
  }
}

/** Prefixes of keys. A key is compared with them only if one of them has its first byte. */
export class PrefixTable {
  readonly #prefixes: readonly Buffer[]
  readonly #ignoresCase: boolean
  /** 1 for each first byte of a prefix; an empty prefix has all of them. */
  readonly #first = new Uint8Array(256)
  readonly #hasEmpty: boolean

  constructor(prefixes: readonly Buffer[], ignoresCase = false) {
    this.#prefixes = ignoresCase ? prefixes.map((key) => key.map((byte) => lower(byte)) as Buffer) : prefixes
    this.#ignoresCase = ignoresCase
    this.#hasEmpty = prefixes.some((prefix) => prefix.length === 0)
    for (let byte = 0; byte < 256; byte++) {
      const folded = ignoresCase ? lower(byte) : byte
      this.#first[byte] = this.#prefixes.some((prefix) => prefix[0] === folded) ? 1 : 0
    }
  }

  /** Returns true when buf[start, start + length) begins with one of the prefixes. */
  matches(buf: Buffer, start: number, length: number): boolean {
    if (this.#hasEmpty) return true
    if (length === 0 || this.#first[buf[start] as number] === 0) return false
    for (const prefix of this.#prefixes) {
      if (prefix.length > length) continue
      if (this.#ignoresCase ? startsWithFolded(buf, start, prefix) : startsWith(buf, start, prefix))
        return true
    }
    return false
  }
}

/** Returns true when the bytes at `start`, of which there are enough, are `prefix`. */
export function startsWith(buf: Buffer, start: number, prefix: Buffer): boolean {
  for (let i = 0, p = start; i < prefix.length; i++, p++) if (buf[p] !== prefix[i]) return false
  return true
}

function startsWithFolded(buf: Buffer, start: number, prefix: Buffer): boolean {
  for (let i = 0, p = start; i < prefix.length; i++, p++) {
    if (lower(buf[p] as number) !== prefix[i]) return false
  }
  return true
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}
