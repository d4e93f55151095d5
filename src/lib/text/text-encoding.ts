/** WHATWG labels of the encodings of fluent-bit's `generic.encoding`, by name and alias. */
const GENERIC_LABELS = {
  ShiftJIS: 'shift_jis',
  SJIS: 'shift_jis',
  CP932: 'shift_jis',
  'Windows-31J': 'shift_jis',
  UHC: 'euc-kr',
  CP949: 'euc-kr',
  'Windows-949': 'euc-kr',
  GBK: 'gbk',
  CP936: 'gbk',
  GB18030: 'gb18030',
  Big5: 'big5',
  CP950: 'big5',
  Win866: 'ibm866',
  CP866: 'ibm866',
  Win874: 'windows-874',
  CP874: 'windows-874',
  Win1250: 'windows-1250',
  CP1250: 'windows-1250',
  Win1251: 'windows-1251',
  CP1251: 'windows-1251',
  Win1252: 'windows-1252',
  CP1252: 'windows-1252',
  Win1253: 'windows-1253',
  CP1253: 'windows-1253',
  Win1254: 'windows-1254',
  CP1254: 'windows-1254',
  Win1255: 'windows-1255',
  CP1255: 'windows-1255',
  Win1256: 'windows-1256',
  CP1256: 'windows-1256',
} as const

export type GenericEncoding = keyof typeof GENERIC_LABELS

export const GENERIC_ENCODINGS = Object.keys(GENERIC_LABELS) as GenericEncoding[]

const MARKS: Record<string, string> = { 'utf-16le': 'fffe', 'utf-16be': 'feff', gb18030: '84319533' }

/**
 * Maximum number of UTF-8 bytes per byte of an encoding: one byte of a code page may be a character of three
 * bytes.
 */
export const MAX_GROWTH = 3

/**
 * A text encoding other than UTF-8. Lines are found in the encoded bytes: no encoding here has the byte 0x0a
 * within a character, except UTF-16, whose code units are aligned to two bytes from the start of the file. A
 * decoder returns exactly one newline for each newline of its input, even after an incomplete character, so
 * the lines of the text correspond to those of the bytes.
 */
export class TextEncoding {
  /** Size of a code unit; a newline is one code unit. */
  readonly unitBytes: 1 | 2
  /** Index of the byte 0x0a in the code unit of a newline. */
  readonly #lowByte: 0 | 1
  /** Byte order mark; empty if the encoding has none. */
  readonly #mark: Buffer
  readonly #decoder: TextDecoder

  /** `label`: label of the WHATWG Encoding Standard. */
  constructor(label: string) {
    this.unitBytes = label.startsWith('utf-16') ? 2 : 1
    this.#lowByte = label === 'utf-16be' ? 1 : 0
    this.#mark = Buffer.from(MARKS[label] ?? '', 'hex')
    // Only the caller knows whether a byte order mark is at the start of the file.
    this.#decoder = new TextDecoder(label as ConstructorParameters<typeof TextDecoder>[0], {
      ignoreBOM: true,
    })
  }

  /** Returns the size of the byte order mark at the start of src[start, end), or 0. */
  markAt(src: Buffer, start: number, end: number): number {
    const { length } = this.#mark
    return start + length <= end && src.compare(this.#mark, 0, length, start, start + length) === 0
      ? length
      : 0
  }

  /**
   * Returns the start of the first newline in src[start, end), or -1. `base`: the offset of src[0] in the
   * file, which decides the alignment.
   */
  newline(src: Buffer, start: number, end: number, base: number): number {
    for (let from = start; from < end; ) {
      const at = src.indexOf(10, from)
      if (at < 0 || at >= end) return -1
      if (this.unitBytes === 1) return at
      const unit = at - this.#lowByte
      const isAligned = unit >= start && (base + unit) % 2 === 0 && unit + 1 < end
      if (isAligned && src[this.#lowByte === 0 ? at + 1 : unit] === 0) return unit
      from = at + 1
    }
    return -1
  }

  /** Returns the end of the line src[start, end) without its CR. */
  withoutReturn(src: Buffer, start: number, end: number): number {
    const unit = end - this.unitBytes
    if (unit < start || src[unit + this.#lowByte] !== 13) return end
    return this.unitBytes === 1 || src[unit + 1 - this.#lowByte] === 0 ? unit : end
  }

  /**
   * Writes src[start, end) as UTF-8 to the start of `out`, which must have `MAX_GROWTH` times its size, and
   * returns the number of bytes. Invalid bytes become U+FFFD, and so does an incomplete character at the end.
   */
  decode(src: Buffer, start: number, end: number, out: Buffer): number {
    return out.write(this.#decoder.decode(src.subarray(start, end)), 0, 'utf8')
  }

  /** Decodes text that may end in the middle of a character, which is then left out. */
  decodeCut(src: Buffer, start: number, end: number, out: Buffer): number {
    const size = out.write(this.#decoder.decode(src.subarray(start, end), { stream: true }), 0, 'utf8')
    // Discards the incomplete character.
    this.#decoder.decode()
    return size
  }
}

/** Returns the encoding that `generic.encoding` names. */
export function genericEncoding(name: GenericEncoding): TextEncoding {
  return new TextEncoding(GENERIC_LABELS[name])
}
