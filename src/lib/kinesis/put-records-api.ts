import type { Chunk } from '../../core/chunk.ts'
import { judgeAwsFailure } from '../aws/judge.ts'
import type {
  Answer,
  Api,
  BatchInfo,
  FailedAnswer,
  Frame,
  Judgement,
  RecordRange,
  RequestHead,
  RequestLimits,
} from '../http-output/api.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from '../records/entry.ts'
import { base64Length, writeBase64 } from '../text/base64.ts'
import type { RecordKeys } from './partition-keys.ts'
import { type CompressData, RecordData, type RecordDataOptions } from './record-data.ts'
import { readRecordVerdicts } from './record-verdicts.ts'
import { readRefusedMembers } from './refused-members.ts'

export interface PutRecordsOptions {
  /** `Kinesis_20131202.PutRecords` */
  readonly target: string
  /** JSON before the records. */
  readonly open: string
  /** Field of the answer with an item for each record. */
  readonly list: string
  readonly limits: RequestLimits
  /** Maximum size of the data of one record, before base64. */
  readonly maxRecordBytes: number
  /** Maximum size of the data of one record that was joined from several; undefined: they are not joined. */
  readonly joinBytes?: number | undefined
  /** Partition keys, for a service that has them. */
  readonly keys?: RecordKeys
  readonly path: string
  readonly peer: string
  readonly missingHint: string
  /** Hint when the service throttles. */
  readonly overloadHint: string
  readonly data: Omit<RecordDataOptions, 'maxBytes'>
  readonly nowMs: () => number
}

const ENCODED_HEAD = '{"Data":"'

/** PutRecords of Kinesis Data Streams and PutRecordBatch of Firehose: records in base64, and a verdict for each in the answer. */
export class PutRecordsApi implements Api {
  readonly limits: RequestLimits
  readonly frame: Frame
  /** Set before the first record, when records are to be compressed. */
  compress: CompressData | undefined
  readonly #options: PutRecordsOptions
  readonly #data: RecordData
  readonly #entry = new Entry()
  #base64: Buffer = Buffer.allocUnsafe(4096)
  #joined: Buffer = Buffer.alloc(0)
  /** Number of records in each joined one, by chunk and range. The chunks are not kept. */
  readonly #counts = new WeakMap<Chunk, Map<string, number[]>>()

  constructor(options: PutRecordsOptions) {
    this.#options = options
    this.limits = options.limits
    this.frame = { open: Buffer.from(options.open), between: Buffer.from(','), close: Buffer.from(']}') }
    this.#data = new RecordData({ ...options.data, maxBytes: options.maxRecordBytes })
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#options.keys?.reset()
    if (this.#options.joinBytes !== undefined) this.#encodeJoined(range, out, this.#options.joinBytes)
    else {
      const { chunk, start, end, first } = range
      for (let at = start, i = first; at < end; at = this.#entry.end, i++) {
        if (at > start) out.byte(0x2c)
        this.#data.read(chunk, at, this.#entry)
        const { buf, end: bytes } = this.#data
        this.#append(buf, bytes, this.#options.keys?.keyOf(chunk, i, this.#entry), out)
      }
    }
  }

  head(): RequestHead {
    return {
      method: 'POST',
      path: this.#options.path,
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': this.#options.target },
    }
  }

  isSuccess(status: number): boolean {
    return status === 200
  }

  readSuccess(answer: Answer, batch: BatchInfo): Promise<Judgement> {
    const { list, overloadHint, peer } = this.#options
    return readRecordVerdicts(answer, { list, overloadHint, peer, counts: this.#countsOf(batch) })
  }

  judgeFailure(answer: FailedAnswer, batch: BatchInfo): Judgement | undefined {
    const { peer, missingHint, nowMs } = this.#options
    return (
      readRefusedMembers(answer, this.#countsOf(batch)) ??
      judgeAwsFailure(answer, { peer, missingHint, nowMs: nowMs() })
    )
  }

  /** Joins the lines of records with one key, up to the limit. */
  #encodeJoined(range: RecordRange, out: JsonText, limit: number): void {
    const { chunk, start, end, first } = range
    const counts: number[] = []
    let bytes = 0
    let count = 0
    let key: string | undefined
    const finish = (): void => {
      if (count === 0) return
      if (counts.length > 0) out.byte(0x2c)
      this.#append(this.#joined, bytes, key, out)
      counts.push(count)
      bytes = count = 0
    }
    for (let at = start, i = first; at < end; at = this.#entry.end, i++) {
      this.#data.read(chunk, at, this.#entry)
      const { buf, end: size } = this.#data
      const own = this.#options.keys?.keyOf(chunk, i, this.#entry)
      if (own !== key || bytes + size > limit) finish()
      key = own
      this.#reserve(bytes, size)
      bytes += buf.copy(this.#joined, bytes, 0, size)
      count++
    }
    finish()
    const known = this.#counts.get(chunk) ?? new Map<string, number[]>()
    this.#counts.set(chunk, known)
    known.set(rangeKey(range), counts)
  }

  #reserve(used: number, more: number): void {
    if (used + more <= this.#joined.length) return
    const grown = Buffer.allocUnsafe(Math.max(used + more, this.#joined.length * 2, 65_536))
    this.#joined.copy(grown, 0, 0, used)
    this.#joined = grown
  }

  #append(data: Buffer, bytes: number, key: string | undefined, out: JsonText): void {
    const packed = this.compress?.(data.subarray(0, bytes))
    const [src, size] = packed === undefined ? [data, bytes] : [packed, packed.length]
    const length = base64Length(size)
    if (this.#base64.length < length) this.#base64 = Buffer.allocUnsafe(length * 2)
    writeBase64(src, 0, size, this.#base64, 0)
    out.raw(ENCODED_HEAD)
    out.copy(this.#base64, 0, length)
    out.raw(key === undefined ? '"}' : `","PartitionKey":"${key}"}`)
  }

  #countsOf(batch: BatchInfo): number[] {
    if (this.#options.joinBytes === undefined) return new Array<number>(batch.records).fill(1)
    return batch.ranges.flatMap((range) => this.#counts.get(range.chunk)?.get(rangeKey(range)) ?? [])
  }
}

function rangeKey({ first, count }: RecordRange): string {
  return `${first}+${count}`
}
