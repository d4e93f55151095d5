import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { mapPairs } from '../../core/msgpack/record.ts'
import { asciiEnd, writeAsciiJson } from '../json/ascii-json.ts'
import { JsonText, TextTooLarge } from '../json/msgpack-to-json.ts'
import type { Entry } from '../records/entry.ts'
import { countText } from '../text/duration.ts'
import { strftime, type TimeZone } from '../time/strftime.ts'

export interface RecordDataOptions {
  /** Maximum size of the data. */
  maxBytes: number
  logKey: string | undefined
  timeKey: string | undefined
  timeKeyFormat: string
  /** Default: UTC. */
  timeZone?: TimeZone
  /** Name of a field with the tag. */
  tagKey?: string | undefined
  /** Names of the fields that are sent; undefined: all. */
  dataKeys?: readonly string[] | undefined
  /** True to write underscores for dots in names of fields. */
  replacesDots?: boolean
  /** False to write JSON as UTF-8 and without the end of the line. Default: true. */
  isLine?: boolean
}

/** Compresses the data of one record. */
export type CompressData = (data: Buffer) => Buffer

const NEWLINE = 0x0a
const COMMA = 0x2c
/** A directive of strftime for less than a second. */
const FRACTION = /%[-0^#_]*\d*[LN]/

/**
 * Makes the data of records: the record as a line of JSON, with the time as its last field, or the text of one field as a line.
 * Non-ASCII characters are escaped in JSON, as in fluent-bit. The bytes are in `buf[0, end)` until the next call.
 */
export class RecordData {
  buf: Buffer = Buffer.alloc(0)
  end = 0
  readonly #options: RecordDataOptions
  readonly #logKey: Buffer | undefined
  readonly #timeKey: Buffer | undefined
  readonly #tagKey: Buffer | undefined
  /** Names of the fields that are sent, each with the text before its value. */
  readonly #dataKeys: readonly { key: Buffer; head: string }[] | undefined
  readonly #text = new JsonText()
  #escaped: Buffer = Buffer.alloc(0)
  readonly #hasFraction: boolean
  /** The last fields that were added: many records have the same second, and those of a chunk the same tag. */
  #time = { sec: -1, nsec: -1, field: '' }
  #tag: { tag: string | undefined; field: string } = { tag: undefined, field: '' }

  constructor(options: RecordDataOptions) {
    const { logKey, timeKey, tagKey } = options
    this.#options = options
    this.#text.maxBytes = options.maxBytes
    this.#logKey = logKey === undefined ? undefined : Buffer.from(logKey)
    this.#timeKey = timeKey === undefined ? undefined : Buffer.from(timeKey)
    this.#tagKey = tagKey === undefined ? undefined : Buffer.from(tagKey)
    const { dataKeys, replacesDots = false } = options
    this.#text.undots = replacesDots
    this.#dataKeys = dataKeys?.map((name) => ({
      key: Buffer.from(name),
      head: `${JSON.stringify(replacesDots ? name.replaceAll('.', '_') : name)}:`,
    }))
    this.#hasFraction = FRACTION.test(options.timeKeyFormat)
  }

  /**
   * Reads the entry at `at` and makes its data. Throws E_OUTPUT_REJECTED for a record without the field, and for one that is too large
   * before all of its data is made.
   */
  read(chunk: Chunk, at: number, entry: Entry): void {
    try {
      this.#read(chunk, at, entry)
    } catch (error) {
      throw error instanceof TextTooLarge ? this.#tooLarge() : error
    }
    if (this.end > this.#options.maxBytes) throw this.#tooLarge(this.end)
  }

  #tooLarge(bytes?: number): ShipperError {
    const { maxBytes } = this.#options
    const size = bytes === undefined ? '' : `${countText(bytes)} bytes, and `
    const message = `the record is larger than the service accepts: ${size}at most ${countText(maxBytes)} bytes`
    return new ShipperError('E_OUTPUT_REJECTED', message)
  }

  #read(chunk: Chunk, at: number, entry: Entry): void {
    const text = this.#text
    text.reset()
    entry.read(chunk, at, this.#logKey ?? this.#timeKey)
    if (this.#logKey === undefined) {
      text.byte(0x7b)
      this.#fields(chunk, at, entry)
      text.byte(0x7d)
    } else if (entry.value >= 0) text.plain(chunk.buf, entry.value)
    else
      throw new ShipperError(
        'E_OUTPUT_REJECTED',
        `the record has no field "${this.#options.logKey}", which Log_Key names`,
      )
    const { isLine = true } = this.#options
    if (isLine) text.byte(NEWLINE)
    this.buf = text.buf
    this.end = text.at
    if (isLine && this.#logKey === undefined) this.#escape()
  }

  #fields(chunk: Chunk, at: number, entry: Entry): void {
    const text = this.#text
    // A field of the record with such a name is kept.
    const lacksTime = this.#timeKey !== undefined && entry.value < 0
    let isEmpty = this.#dataKeys === undefined ? mapPairs(chunk.buf, entry.map) === 0 : true
    if (this.#dataKeys === undefined) text.pairs(chunk.buf, entry.map)
    else
      for (const { key, head } of this.#dataKeys) {
        entry.read(chunk, at, key)
        if (entry.value < 0) continue
        if (!isEmpty) text.byte(COMMA)
        text.raw(head)
        text.value(chunk.buf, entry.value)
        isEmpty = false
      }
    if (lacksTime) {
      if (!isEmpty) text.byte(COMMA)
      text.raw(this.#timeField(entry))
      isEmpty = false
    }
    if (this.#tagKey === undefined) return
    entry.read(chunk, at, this.#tagKey)
    if (entry.value >= 0) return
    if (!isEmpty) text.byte(COMMA)
    text.raw(this.#tagField(chunk.tag))
  }

  #timeField({ time: { sec, nsec } }: Entry): string {
    const { timeKey = '', timeKeyFormat, timeZone = 'utc' } = this.#options
    if (this.#time.sec !== sec || (this.#hasFraction && this.#time.nsec !== nsec)) {
      const value = strftime(timeKeyFormat, sec, nsec, timeZone)
      this.#time = { sec, nsec, field: `${JSON.stringify(timeKey)}:${JSON.stringify(value)}` }
    }
    return this.#time.field
  }

  #tagField(tag: string): string {
    if (this.#tag.tag !== tag) {
      const { tagKey = '' } = this.#options
      this.#tag = { tag, field: `${JSON.stringify(tagKey)}:${JSON.stringify(tag)}` }
    }
    return this.#tag.field
  }

  #escape(): void {
    const ascii = asciiEnd(this.buf, 0, this.end)
    if (ascii === this.end) return
    const bytes = this.end * 3
    if (this.#escaped.length < bytes || this.#escaped.length > MAX_KEPT_BYTES)
      this.#escaped = Buffer.allocUnsafe(bytes)
    this.buf.copy(this.#escaped, 0, 0, ascii)
    this.end = writeAsciiJson(this.buf, ascii, this.end, this.#escaped, ascii)
    this.buf = this.#escaped
  }
}

/** A larger buffer is not kept for the next record. */
const MAX_KEPT_BYTES = 1_000_000

/** Returns the function that compresses single records, loading what it needs. */
export async function loadDataCompression(
  coding: 'gzip' | 'zlib' | 'zstd' | 'snappy',
): Promise<CompressData> {
  if (coding === 'snappy') {
    const { compressSnappyBlock } = await import('../compression/snappy-block.ts')
    return compressSnappyBlock
  }
  const { deflateSync, gzipSync, zstdCompressSync } = await import('node:zlib')
  if (coding === 'zlib') return (data) => deflateSync(data)
  return coding === 'gzip' ? (data) => gzipSync(data) : (data) => zstdCompressSync(data)
}
