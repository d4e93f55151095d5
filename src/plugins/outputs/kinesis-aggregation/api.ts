import { createHash } from 'node:crypto'
import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { ERROR_FIELDS } from '../../../lib/aws/error-answer.ts'
import { judgeAwsFailure } from '../../../lib/aws/judge.ts'
import type {
  Answer,
  Api,
  FailedAnswer,
  Judgement,
  RecordRange,
  RequestHead,
  RequestLimits,
} from '../../../lib/http-output/api.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { RecordData } from '../../../lib/kinesis/record-data.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { base64Length, writeBase64 } from '../../../lib/text/base64.ts'
import { countText } from '../../../lib/text/duration.ts'
import { AggregatedRecord } from '../../../protocol/kpl/aggregated-record.ts'
import type { Options } from './options.ts'

/** Size of a record that every stream takes, without its partition key of at most 256 characters in up to four bytes each. */
const MAX_DATA_BYTES = 1_048_576 - 1024
/** JSON around the data: names, the stream and the key. */
const MAX_FRAME_BYTES = 2048
const MAX_ANSWER_BYTES = 65_536

/** PutRecord of Kinesis Data Streams: one aggregated record with the records of one chunk. */
export class KinesisAggregationApi implements Api {
  readonly limits: RequestLimits = {
    bytes: base64Length(MAX_DATA_BYTES) + MAX_FRAME_BYTES,
    records: Number.POSITIVE_INFINITY,
    chunks: 1,
    ranges: 1,
    words: 'a record of Kinesis has at most 1 MiB',
  }
  readonly #options: Options
  readonly #place: { peer: string; path: string; region: string; nowMs: () => number }
  readonly #data: RecordData
  readonly #entry = new Entry()
  readonly #record = new AggregatedRecord()
  readonly #open: string
  #base64: Buffer = Buffer.allocUnsafe(65_536)

  constructor(options: Options, place: { peer: string; path: string; region: string; nowMs: () => number }) {
    const { includeTimeKey, timeKey, includeTagKey, tagKey, utc, streamName } = options
    this.#options = options
    this.#place = place
    this.#open = `{"StreamName":${JSON.stringify(streamName)},"Data":"`
    this.#data = new RecordData({
      logKey: undefined,
      timeKey: includeTimeKey ? timeKey : undefined,
      timeKeyFormat: utc ? '%Y-%m-%dT%H:%M:%SZ' : '%Y-%m-%dT%H:%M:%S%:z',
      timeZone: utc ? 'utc' : 'local',
      tagKey: includeTagKey ? tagKey : undefined,
      isLine: false,
      maxBytes: MAX_DATA_BYTES,
    })
  }

  encode(range: RecordRange, out: JsonText): void {
    const { chunk, start, end } = range
    const record = this.#record
    const key = this.#options.fixedPartitionKey ?? keyOf(chunk)
    record.begin(key)
    for (let at = start; at < end; at = this.#entry.end) {
      this.#data.read(chunk, at, this.#entry)
      // Fewer records are tried instead of a larger buffer.
      if (record.end + this.#data.end > MAX_DATA_BYTES) throw tooLarge()
      record.add(this.#data.buf, 0, this.#data.end)
    }
    record.finish()
    const length = base64Length(record.end)
    if (this.#base64.length < length) this.#base64 = Buffer.allocUnsafe(length * 2)
    writeBase64(record.buf, 0, record.end, this.#base64, 0)
    out.raw(this.#open)
    out.copy(this.#base64, 0, length)
    out.raw(`","PartitionKey":${JSON.stringify(key)}}`)
  }

  head(): RequestHead {
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'Kinesis_20131202.PutRecord',
    }
    return { method: 'POST', path: this.#place.path, headers }
  }

  isSuccess(status: number): boolean {
    return status === 200
  }

  /** Throws when the answer is not from Kinesis: nothing is known then. */
  async readSuccess({ body }: Answer): Promise<Judgement> {
    const pieces: Buffer[] = []
    let bytes = 0
    for await (const piece of body) {
      bytes += piece.length
      if (bytes > MAX_ANSWER_BYTES) throw new Error(`it is larger than ${MAX_ANSWER_BYTES} bytes`)
      pieces.push(piece)
    }
    const answer = JSON.parse(Buffer.concat(pieces).toString()) as Record<string, unknown> | null
    const error = ERROR_FIELDS.find((name) => answer?.[name] !== undefined)
    if (error !== undefined) throw new Error(`it has the field ${error}, as an error has`)
    if (typeof answer?.SequenceNumber !== 'string' || answer.SequenceNumber === '')
      throw new Error('it has no SequenceNumber')
    return { kind: 'delivered' }
  }

  judgeFailure(answer: FailedAnswer): Judgement | undefined {
    const { peer, region, nowMs } = this.#place
    const missingHint = `create the stream ${this.#options.streamName} in ${region}, or correct stream_name and region; records wait, and none is lost`
    return judgeAwsFailure(answer, { peer, missingHint, nowMs: nowMs() })
  }
}

function tooLarge(): ShipperError {
  const message = `the record is larger than the service accepts: at most ${countText(MAX_DATA_BYTES)} bytes with its key`
  return new ShipperError('E_OUTPUT_REJECTED', message)
}

/** Returns a key that is equal in each attempt, in the form of a UUID: chunks are spread over the shards. */
function keyOf({ id, tag, rewrites }: Chunk): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([id, tag, rewrites]))
    .digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}
