import { createHash } from 'node:crypto'

/** First bytes of an aggregated record. */
const MAGIC = Buffer.from([0xf3, 0x89, 0x9a, 0xc2])
const DIGEST_BYTES = 16
const LENGTH_DELIMITED = 2
const KEY_TABLE = (1 << 3) | LENGTH_DELIMITED
const RECORDS = (3 << 3) | LENGTH_DELIMITED
const KEY_INDEX = 1 << 3
const DATA = (3 << 3) | LENGTH_DELIMITED
const MIN_BUFFER_BYTES = 4096

/**
 * Writes records in the aggregation format of the Kinesis Producer Library, all with one partition key:
 *
 * ```
 *   F3 89 9A C2 | message AggregatedRecord (proto2) | MD5 of the message
 *
 *   AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2; repeated Record records = 3; }
 *   Record           { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2; required bytes data = 3; ... }
 * ```
 * The index is written although it is 0: the field is required. The bytes are in `buf[0, end)` after `finish`, until the next `begin`.
 */
export class AggregatedRecord {
  buf: Buffer = Buffer.allocUnsafe(MIN_BUFFER_BYTES)
  end = 0

  /** Begins a record. A partition key has 1 to 256 characters. */
  begin(partitionKey: string): void {
    const bytes = Buffer.byteLength(partitionKey)
    this.end = 0
    this.#reserve(MAGIC.length + 1 + varintLength(bytes) + bytes)
    this.end = MAGIC.copy(this.buf)
    this.buf[this.end++] = KEY_TABLE
    this.#varint(bytes)
    this.end += this.buf.write(partitionKey, this.end)
  }

  /** Adds a record with the data `src[start, end)`. */
  add(src: Buffer, start: number, end: number): void {
    const bytes = end - start
    const message = recordLength(bytes)
    this.#reserve(1 + varintLength(message) + message)
    this.buf[this.end++] = RECORDS
    this.#varint(message)
    this.buf[this.end++] = KEY_INDEX
    this.buf[this.end++] = 0
    this.buf[this.end++] = DATA
    this.#varint(bytes)
    this.end += src.copy(this.buf, this.end, start, end)
  }

  /** Ends the record with the digest. */
  finish(): void {
    const digest = createHash('md5').update(this.buf.subarray(MAGIC.length, this.end)).digest()
    this.#reserve(DIGEST_BYTES)
    this.end += digest.copy(this.buf, this.end)
  }

  #varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.buf[this.end++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buf[this.end++] = rest
  }

  #reserve(bytes: number): void {
    const needed = this.end + bytes
    if (needed <= this.buf.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.buf.length * 2))
    this.buf.copy(grown, 0, 0, this.end)
    this.buf = grown
  }
}

/** Returns the size of a message Record with so many bytes of data. */
function recordLength(dataBytes: number): number {
  return 3 + varintLength(dataBytes) + dataBytes
}

function varintLength(value: number): number {
  let length = 1
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++
  return length
}
