import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'

/** Maximum length of a label's value in bytes, as in fluent-bit. */
const MAX_LABEL_BYTES = 252
/** Maximum size of all label values. */
const MAX_KEY_BYTES = 4_000_000
/** Maximum size of the text of all series, as Prometheus gets it. */
const MAX_TEXT_BYTES = 16_000_000
const FIRST_SLOTS = 64
const FIRST_KEY_BYTES = 1024

/**
 * Finds series by the values of their labels. The caller writes the values of a record with `begin`, `add...` and `find`; a series
 * that is known costs a hash and a comparison of bytes, and nothing is allocated.
 *
 * ```
 *   key    = *( length value )      ; one byte of length
 *   slots  -> number of a series -> its key in `keys`
 * ```
 * The hash is seeded: whoever chooses label values must not choose collisions.
 */
export class SeriesTable {
  /** Number of series. */
  count = 0
  readonly #limit: number
  readonly #labels: number
  readonly #lines: number
  readonly #lineBytes: number
  /** Size of the text of the series, at most. */
  #textBytes = 0
  readonly #seed = randomBytes(4).readUInt32LE()
  /** Key of the current record. */
  readonly #key: Buffer
  #keyEnd = 0
  /** Number of a series plus one; 0: free. At most half of them are in use. */
  #slots = new Int32Array(FIRST_SLOTS)
  /** Offset of the key of each series, and the end of the last. */
  #offsets = new Int32Array(FIRST_SLOTS)
  #keys = Buffer.allocUnsafe(FIRST_KEY_BYTES)

  /** `text`: number of lines of a series in its text, and the size of such a line without the label values. */
  constructor(labels: number, limit: number, text: { lines: number; lineBytes: number }) {
    this.#labels = labels
    this.#limit = limit
    this.#lines = text.lines
    this.#lineBytes = text.lineBytes
    this.#key = Buffer.allocUnsafe(labels * (MAX_LABEL_BYTES + 1))
  }

  /** True when there is no room for any series more; false: when the label values are too long. */
  get hasAllSeries(): boolean {
    return this.count >= this.#limit
  }

  /** Begins the labels of a record. */
  begin(): void {
    this.#keyEnd = 0
  }

  /** Adds the label value src[start, end), cut to MAX_LABEL_BYTES between characters. */
  addText(src: Buffer, start: number, end: number): void {
    let length = end - start
    if (length > MAX_LABEL_BYTES) length = cutLength(src, start)
    const key = this.#key
    let to = this.#keyEnd
    key[to++] = length
    if (length > 16) src.copy(key, to, start, start + length)
    else for (let i = 0; i < length; i++) key[to + i] = src[start + i] as number
    this.#keyEnd = to + length
  }

  /** Adds an integer between -2^53 and 2^53. */
  addInteger(value: number): void {
    const key = this.#key
    const head = this.#keyEnd
    let to = head + 1
    let rest = Math.abs(value)
    if (value < 0) key[to++] = 0x2d
    let digits = 1
    for (let limit = 10; rest >= limit; limit *= 10) digits++
    for (let i = to + digits - 1; i >= to; i--) {
      const next = Math.floor(rest / 10)
      key[i] = 0x30 + (rest - next * 10)
      rest = next
    }
    to += digits
    key[head] = to - head - 1
    this.#keyEnd = to
  }

  /** Adds a short ASCII text; an empty one is a label that is missing. */
  addAscii(text: string): void {
    const key = this.#key
    key[this.#keyEnd] = text.length
    for (let i = 0; i < text.length; i++) key[this.#keyEnd + 1 + i] = text.charCodeAt(i)
    this.#keyEnd += 1 + text.length
  }

  /** Returns the number of the series of the labels added since `begin`; -1 when it is new and there is no room for it. */
  find(): number {
    const found = this.#lookUp()
    if (found >= 0) return found
    // Bytes that are not UTF-8 look like those of another series when they are shown.
    if (this.#isUtf8()) return this.#insert()
    this.#makeUtf8()
    const shown = this.#lookUp()
    return shown >= 0 ? shown : this.#insert()
  }

  /** Returns the label values of a series. */
  valuesOf(series: number): string[] {
    const values: string[] = []
    for (let at = this.#offsets[series] as number, i = 0; i < this.#labels; i++) {
      const length = this.#keys[at] as number
      values.push(this.#keys.toString('utf8', at + 1, at + 1 + length))
      at += 1 + length
    }
    return values
  }

  #lookUp(): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash(this.#key, 0, this.#keyEnd, this.#seed) & mask; ; slot = (slot + 1) & mask) {
      const series = (slots[slot] as number) - 1
      if (series < 0 || this.#isKeyOf(series)) return series
    }
  }

  #isKeyOf(series: number): boolean {
    const start = this.#offsets[series] as number
    const length = this.#keyEnd
    if ((this.#offsets[series + 1] as number) - start !== length) return false
    const key = this.#key
    const keys = this.#keys
    for (let i = 0; i < length; i++) if (keys[start + i] !== key[i]) return false
    return true
  }

  #insert(): number {
    const start = this.#offsets[this.count] as number
    const end = start + this.#keyEnd
    if (this.hasAllSeries || end > MAX_KEY_BYTES) return -1
    const textBytes = this.#textBytes + this.#lines * (this.#lineBytes + this.#valueBytes())
    if (textBytes > MAX_TEXT_BYTES) return -1
    this.#textBytes = textBytes
    if ((this.count + 1) * 2 > this.#slots.length) this.#growSlots()
    if (end > this.#keys.length) this.#keys = grown(this.#keys, Math.max(end, this.#keys.length * 2))
    this.#key.copy(this.#keys, start, 0, this.#keyEnd)
    const series = this.count++
    this.#offsets[this.count] = end
    this.#place(series)
    return series
  }

  /** Returns the size of the label values of the current record in text, where three characters are escaped. */
  #valueBytes(): number {
    const key = this.#key
    let bytes = 0
    for (let at = 0; at < this.#keyEnd; at += 1 + (key[at] as number)) {
      const end = at + 1 + (key[at] as number)
      bytes += end - at - 1
      for (let i = at + 1; i < end; i++) {
        const c = key[i]
        if (c === 0x22 || c === 0x5c || c === 0x0a) bytes++
      }
    }
    return bytes
  }

  #growSlots(): void {
    this.#slots = new Int32Array(this.#slots.length * 2)
    const offsets = new Int32Array(this.#slots.length)
    offsets.set(this.#offsets)
    this.#offsets = offsets
    for (let series = 0; series < this.count; series++) this.#place(series)
  }

  #place(series: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    const [start, end] = [this.#offsets[series] as number, this.#offsets[series + 1] as number]
    let slot = hash(this.#keys, start, end, this.#seed) & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = series + 1
  }

  #isUtf8(): boolean {
    const key = this.#key
    for (let at = 0; at < this.#keyEnd; at += 1 + (key[at] as number))
      if (!isUtf8(key.subarray(at + 1, at + 1 + (key[at] as number)))) return false
    return true
  }

  /** Replaces what is not UTF-8 in the current key by U+FFFD. */
  #makeUtf8(): void {
    const old = Buffer.from(this.#key.subarray(0, this.#keyEnd))
    this.begin()
    for (let at = 0; at < old.length; at += 1 + (old[at] as number)) {
      const text = Buffer.from(old.toString('utf8', at + 1, at + 1 + (old[at] as number)))
      this.addText(text, 0, text.length)
    }
  }
}

/** Returns the number of bytes of whole characters of UTF-8 in the first MAX_LABEL_BYTES from `start` on. */
function cutLength(src: Buffer, start: number): number {
  let length = MAX_LABEL_BYTES
  while (length > MAX_LABEL_BYTES - 3 && ((src[start + length] as number) & 0xc0) === 0x80) length--
  return length
}

function grown(old: Buffer, bytes: number): Buffer<ArrayBuffer> {
  const buf = Buffer.allocUnsafe(bytes)
  old.copy(buf)
  return buf
}

/** MurmurHash3 in 32 bits, without its last mixing of the length. */
function hash(buf: Buffer, start: number, end: number, seed: number): number {
  let h = seed
  let at = start
  for (; at + 4 <= end; at += 4) {
    const word =
      (buf[at] as number) |
      ((buf[at + 1] as number) << 8) |
      ((buf[at + 2] as number) << 16) |
      ((buf[at + 3] as number) << 24)
    h = mixed(h, word)
  }
  let rest = 0
  for (let shift = 0; at < end; at++, shift += 8) rest |= (buf[at] as number) << shift
  h = mixed(h, rest)
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

function mixed(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  const next = h ^ k
  return Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64
}
