import { isUtf8 } from 'node:buffer'
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Counters, Logger } from '../../../../core/services.ts'
import { readVarint, varintSize } from '../../../../protocol/kafka/varint.ts'
import type { Batch } from './chunk-delivery.ts'

const BASE_TIME_AT = 27

interface DeadLetterOptions {
  /** Path of the file; undefined: undeliverable records are only counted and logged. */
  path: string | undefined
  limitBytes: number
}

/**
 * Writes records that a broker will never accept to a file, one JSON object per line: time, reason, destination, origin,
 * key, value and headers. Bytes that are not UTF-8 are encoded as Base64, under `value_base64` instead of `value`.
 */
export class DeadLetters {
  readonly #options: DeadLetterOptions
  readonly #log: Logger
  readonly #counters: Counters

  constructor(options: DeadLetterOptions, log: Logger, counters: Counters) {
    this.#options = options
    this.#log = log
    this.#counters = counters
  }

  /**
   * Writes the only record of a batch to the file, or counts it as lost when the file is full. Throws a retryable
   * E_OUTPUT_WRITE when the file cannot be written: then the record must not be dropped.
   */
  add(batch: Batch, records: Buffer, reason: string, nowMs: number): void {
    const { topic, partition } = batch
    const { tag, input, chunk } = batch.delivery.info
    const record = readRecord(batch, records)
    const letter = { buried: iso(nowMs), reason, topic, partition, tag, input, chunk, ...record }
    const kept =
      this.#options.path !== undefined && this.#append(this.#options.path, `${JSON.stringify(letter)}\n`)
    this.#counters.add(kept ? 'dead_letters' : 'dead_letters_lost')
    const outcome = kept ? `written to ${this.#options.path}` : `lost because ${this.#lossReason}`
    this.#log.error(`record rejected by Kafka and ${outcome}: ${reason}`, {
      code: 'E_OUTPUT_REJECTED',
      tag,
      chunk,
      record_time: record.time,
      bytes: records.length,
    })
  }

  get #lossReason(): string {
    if (this.#options.path === undefined)
      return 'neither Dead_Letter_File nor an offset database is configured'
    return `${this.#options.path} has reached its Dead_Letter_Limit of ${this.#options.limitBytes} bytes`
  }

  /** Appends a complete line, or throws. Returns false when the file would exceed its limit. */
  #append(path: string, line: string): boolean {
    const bytes = Buffer.from(line)
    let fd: number | undefined
    try {
      fd = openSync(path, 'a', 0o600)
      if (fstatSync(fd).size + bytes.length > this.#options.limitBytes) return false
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
      return true
    } catch (error) {
      throw new ShipperError('E_OUTPUT_WRITE', `cannot write dead letters to ${path}: ${messageOf(error)}`, {
        retryable: true,
        scope: 'chunk',
        cause: error,
      })
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }
}

/** Returns the only record of a batch as JSON fields; `records` are its uncompressed bytes. */
function readRecord(batch: Batch, records: Buffer): Record<string, unknown> & { time: string } {
  const cursor = new RecordReader(records)
  cursor.varint()
  cursor.skip(1)
  const base = Number(batch.buf.readBigInt64BE(batch.start + BASE_TIME_AT))
  const time = iso(base + cursor.varint())
  cursor.varint()
  const key = cursor.bytes()
  const value = cursor.bytes() ?? Buffer.alloc(0)
  const headers: Record<string, string> = {}
  for (let n = cursor.varint(); n > 0; n--) {
    const name = String(cursor.bytes())
    headers[name] = String(cursor.bytes())
  }
  return {
    time,
    ...(key === undefined ? {} : utf8OrBase64('key', key)),
    headers,
    ...utf8OrBase64('value', value),
  }
}

function utf8OrBase64(name: string, bytes: Buffer): Record<string, string> {
  return isUtf8(bytes) ? { [name]: bytes.toString() } : { [`${name}_base64`]: bytes.toString('base64') }
}

class RecordReader {
  readonly #buf: Buffer
  #at = 0

  constructor(buf: Buffer) {
    this.#buf = buf
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  varint(): number {
    const value = readVarint(this.#buf, this.#at)
    this.#at += varintSize(value)
    return value
  }

  bytes(): Buffer | undefined {
    const length = this.varint()
    if (length < 0) return undefined
    this.#at += length
    return this.#buf.subarray(this.#at - length, this.#at)
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
