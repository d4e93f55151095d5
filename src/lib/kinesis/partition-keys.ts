import { createHash } from 'node:crypto'
import type { Chunk } from '../../core/chunk.ts'
import { textHead, textLength } from '../../core/msgpack/record.ts'
import { RECORD_ID_BYTES, recordIds, SOURCE_DIGITS } from '../../core/record-ids.ts'
import type { RecordAccessor } from '../records/accessor.ts'
import type { Entry } from '../records/entry.ts'

/** Chooses the partition key of each record. */
export interface RecordKeys {
  /**
   * Returns the key of the record with this index, whose entry was read, as it stands in JSON. Cheap for one after the other.
   */
  keyOf(chunk: Chunk, index: number, entry: Entry): string
  /** Forgets the chunk, whose object could be used for other records. */
  reset(): void
}

/** Longest key that Kinesis takes, in characters. */
const MAX_KEY_CHARS = 256

/** Partition keys from a field of the records; those without a text in it have the key of `others`. */
export class FieldKeys implements RecordKeys {
  readonly #accessor: RecordAccessor
  readonly #others: RecordKeys
  /** The last text with its key. */
  #text: Buffer = Buffer.alloc(0)
  #key = ''

  constructor(accessor: RecordAccessor, others: RecordKeys) {
    this.#accessor = accessor
    this.#others = others
  }

  keyOf(chunk: Chunk, index: number, entry: Entry): string {
    const { buf } = chunk
    const at = this.#accessor.find(buf, entry.map, entry.end)
    const head = at < 0 ? 0 : textHead(buf, at)
    const length = head > 0 ? textLength(buf, at) : 0
    if (length === 0) return this.#others.keyOf(chunk, index, entry)
    const start = at + head
    if (this.#text.length === length && this.#text.compare(buf, start, start + length) === 0) return this.#key
    this.#text = Buffer.from(buf.subarray(start, start + length))
    const text = [...this.#text.toString('utf8', 0, MAX_KEY_CHARS * 4)].slice(0, MAX_KEY_CHARS).join('')
    this.#key = JSON.stringify(text).slice(1, -1)
    return this.#key
  }

  reset(): void {
    this.#others.reset()
  }
}

/**
 * Partition keys of records: one for each file that they were read from, or without a file for each tag. Records with one key are in
 * one shard, so consumers read those of a file in order.
 */
export class PartitionKeys implements RecordKeys {
  readonly #agentId: string
  #chunk: Chunk | undefined
  /** Key of all records of the chunk; undefined when they have places. */
  #whole: string | undefined
  #ids: Buffer | undefined
  /** The last source with its key. */
  #source = -1
  #key = ''

  constructor(agentId: string) {
    this.#agentId = agentId
  }

  /** Returns the key of the record with this index. Fast for consecutive records. */
  keyOf(chunk: Chunk, index: number): string {
    if (this.#chunk !== chunk) this.#open(chunk)
    if (this.#whole !== undefined) return this.#whole
    const source = chunk.places?.source(index) ?? -1
    if (source === this.#source) return this.#key
    const at = index * RECORD_ID_BYTES
    this.#source = source
    // The digits do not change for records that were buffered on disk.
    this.#key = this.#ids?.toString('latin1', at, at + SOURCE_DIGITS) ?? ''
    return this.#key
  }

  /** Forgets the chunk: its object may be reused for other records. */
  reset(): void {
    this.#chunk = undefined
    this.#ids = undefined
  }

  #open(chunk: Chunk): void {
    const hasPlaces = chunk.places !== undefined && chunk.places.count === chunk.count
    this.#chunk = chunk
    this.#source = -1
    this.#ids = hasPlaces ? recordIds(chunk) : undefined
    this.#whole = hasPlaces ? undefined : this.#hash(chunk.input, chunk.tag)
  }

  #hash(...parts: string[]): string {
    const text = JSON.stringify([this.#agentId, ...parts])
    return createHash('sha256').update(text).digest('base64url').slice(0, SOURCE_DIGITS)
  }
}
