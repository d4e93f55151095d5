import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { RECORD_ID_BYTES, recordIds } from '../../core/record-ids.ts'
import type { Clock, Counters } from '../../core/services.ts'
import type { RecordRange } from '../http-output/api.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { ChosenEncoder } from './chosen-encoder.ts'
import { createIndexName } from './index-name.ts'
import { LinesEncoder } from './lines-encoder.ts'
import type { BulkOptions } from './options.ts'

/** Returns true when documents without the field of Id_Key get ids that the agent makes. */
export function generatesIds({ generateId, writeOperation }: BulkOptions): boolean {
  return generateId ?? writeOperation === 'create'
}

/**
 * Writes records as operations of a bulk request:
 *
 * ```
 *   {"create":{"_index":"NAME","_type":"TYPE","_id":"ID"}}\n
 *   {"@timestamp":"2026-01-31T12:00:00.000Z","flb-key":"TAG",...the fields of the record}\n
 * ```
 */
export class BulkEncoder {
  readonly #hasIds: boolean
  readonly #encoder: LinesEncoder | ChosenEncoder
  readonly #counters: Counters
  /** Ids of the chunk that was encoded last: a chunk may come in several ranges. */
  #ids: { chunk: Chunk; bytes: Buffer } | undefined
  /** Memory of the ids, for one chunk after the other. */
  #space = Buffer.alloc(0)

  constructor(options: BulkOptions, clock: Clock, counters: Counters) {
    const { writeOperation, idKey, currentTimeIndex } = options
    this.#hasIds = generatesIds(options)
    this.#counters = counters
    if ((writeOperation === 'update' || writeOperation === 'upsert') && idKey === undefined && !this.#hasIds)
      throw new ShipperError(
        'E_CONFIG_BAD_VALUE',
        `Write_Operation ${writeOperation} needs Id_Key or Generate_ID`,
        {
          option: 'write_operation',
          hint: 'set Id_Key to the field with the id of the document',
        },
      )
    const index = createIndexName(options)
    this.#encoder =
      index.period === undefined || idKey !== undefined || currentTimeIndex
        ? new ChosenEncoder(options, index, this.#hasIds, clock)
        : new LinesEncoder(options, index, this.#hasIds, counters)
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#encoder.encode(range, out, this.#hasIds ? this.#idsOf(range.chunk) : undefined)
    if (this.#encoder instanceof ChosenEncoder) this.#counters.add('fallback_records', range.count, 'options')
  }

  #idsOf(chunk: Chunk): Buffer {
    const size = chunk.count * RECORD_ID_BYTES
    if (this.#ids?.chunk !== chunk || this.#ids.bytes.length !== size) {
      if (this.#space.length < size) this.#space = Buffer.allocUnsafeSlow(size + size / 4)
      this.#ids = { chunk, bytes: recordIds(chunk, this.#space) }
    }
    return this.#ids.bytes
  }
}
