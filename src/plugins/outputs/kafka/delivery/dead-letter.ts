import { isUtf8 } from 'node:buffer'
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Counters, Logger } from '../../../../core/services.ts'
import { readVarint, varintSize } from '../../../../protocol/kafka/varint.ts'
import type { Batch } from './chunk-delivery.ts'

const BASE_TIME_AT = 27

interface DeadLetterOptions {
  /** Undefined: there is no place for it, and what cannot be delivered is counted and logged only. */
  path: string | undefined
  limitBytes: number
}

/**
 * Keeps records that a broker will never take, one JSON object a line: when, why, whereto and wherefrom, key, value
 * and headers. What is not UTF-8 stands in Base64, under `value_base64` instead of `value`.
 */
export class DeadLetters {
  readonly #o: DeadLetterOptions
  readonly #log: Logger
  readonly #counters: Counters

  constructor(options: DeadLetterOptions, log: Logger, counters: Counters) {
    this.#o = options
    this.#log = log
    this.#counters = counters
  }

  /** Throws a retryable E_OUTPUT_WRITE when the file cannot be written: then nothing is given up. */
  bury(batch: Batch, records: Buffer, reason: string, nowMs: number): void {
    const { topic, partition } = batch
    const { tag, input, chunk } = batch.delivery.origin
    const record = readRecord(batch, records)
    const letter = { buried: iso(nowMs), reason, topic, partition, tag, input, chunk, ...record }
    const kept = this.#o.path !== undefined && this.#append(this.#o.path, `${JSON.stringify(letter)}\n`)
    this.#counters.add(kept ? 'dead_letters' : 'dead_letters_lost')
    const where = kept ? `it is kept in ${this.#o.path}` : `it is lost: ${this.#why}`
    this.#log.error(`a record is given up, ${where}: ${reason}`, {
      code: 'E_OUTPUT_REJECTED',
      tag,
      chunk,
      recordTime: record.time,
      bytes: records.length,
    })
  }

  get #why(): string {
    if (this.#o.path === undefined) return 'there is no Dead_Letter_File and no offset database'
    return `${this.#o.path} has its Dead_Letter_Limit of ${this.#o.limitBytes} bytes`
  }

  /** False: it would be larger than its limit. A line is whole, or the call has thrown. */
  #append(path: string, line: string): boolean {
    const bytes = Buffer.from(line)
    let fd: number | undefined
    try {
      fd = openSync(path, 'a', 0o600)
      if (fstatSync(fd).size + bytes.length > this.#o.limitBytes) return false
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

/** The only record of a batch: `records` are its bytes, not compressed. */
function readRecord(batch: Batch, records: Buffer): Record<string, unknown> & { time: string } {
  const cursor = new Cursor(records)
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
  return { time, ...(key === undefined ? {} : text('key', key)), headers, ...text('value', value) }
}

function text(name: string, bytes: Buffer): Record<string, string> {
  return isUtf8(bytes) ? { [name]: bytes.toString() } : { [`${name}_base64`]: bytes.toString('base64') }
}

class Cursor {
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
