import type { StoreAnswer } from './answer.ts'
import { fault, good, jsonOf, operationOf } from './aws-json.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

export interface KinesisRecord {
  data: Buffer
  partitionKey: string
  explicitHashKey?: string
}

interface Put {
  StreamName?: string
  StreamARN?: string
  DeliveryStreamName?: string
  Records?: Entry[]
  Data?: string
  PartitionKey?: string
  ExplicitHashKey?: string
}

interface Entry {
  Data: string
  PartitionKey?: string
  ExplicitHashKey?: string
}

/** Limits of a call: records, and bytes of a record and of the call, with partition keys. */
const STREAMS = { records: 500, recordBytes: 1_048_576, bytes: 5_242_880 }
const FIREHOSE = { records: 500, recordBytes: 1_024_000, bytes: 4_194_304 }
const RULE = 'failed to satisfy constraint: Member must have length less than or equal to'
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Returns the texts that count as records in a blob; default: its lines. */
export type Split = (data: Buffer) => unknown[]

const linesIn: Split = (data) =>
  data
    .toString()
    .split('\n')
    .filter((line) => line !== '')

/**
 * Kinesis Data Streams and Firehose. A record that comes `later` has an ErrorCode while its neighbours are taken. Order is
 * judged by partition key.
 */
export class KinesisApi implements StoreApi {
  readonly records: KinesisRecord[] = []
  readonly #split: Split
  /** What is wrong with the last request that was refused. */
  #fault = ''

  constructor(split: Split = linesIn) {
    this.#split = split
  }

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    const put = jsonOf<Put>(request)
    const operation = operationOf(request, 'Kinesis_20131202')
    if (operation !== undefined && put.StreamName === undefined && put.StreamARN === undefined)
      return fault(400, 'ValidationException', 'neither StreamName nor StreamARN')
    if (operation === 'PutRecord') {
      const entry = {
        Data: put.Data ?? '',
        PartitionKey: put.PartitionKey,
        ExplicitHashKey: put.ExplicitHashKey,
      } as Entry
      const [answer] = this.#take([entry], STREAMS, store) ?? []
      if (answer === undefined) return fault(400, 'ValidationException')
      return 'ErrorCode' in answer
        ? fault(400, answer.ErrorCode ?? '')
        : good({ ...answer, EncryptionType: 'NONE' })
    }
    if (operation === 'PutRecords') {
      const Records = this.#take(put.Records ?? [], STREAMS, store)
      if (Records === undefined) return fault(400, 'ValidationException', this.#fault)
      return good({ FailedRecordCount: Records.filter((r) => 'ErrorCode' in r).length, Records })
    }
    if (
      operationOf(request, 'Firehose_20150804') !== 'PutRecordBatch' ||
      put.DeliveryStreamName === undefined
    )
      return fault(400, 'UnknownOperationException')
    const taken = this.#take(put.Records ?? [], FIREHOSE, store)
    if (taken === undefined) return fault(400, 'InvalidArgumentException')
    const answers = taken.map((r) => ('ErrorCode' in r ? r : { RecordId: r.SequenceNumber }))
    return good({ FailedPutCount: taken.filter((r) => 'ErrorCode' in r).length, RequestResponses: answers })
  }

  error(status: number): StoreAnswer {
    if (status === 429) return fault(400, 'ProvisionedThroughputExceededException', 'Rate exceeded')
    if (status === 401) return fault(400, 'ExpiredTokenException')
    if (status === 403) return fault(400, 'AccessDeniedException')
    if (status === 404) return fault(400, 'ResourceNotFoundException')
    return fault(status, 'InternalFailure')
  }

  /** Returns the answer for each record, or nothing if the call is over a limit. */
  #take(
    entries: Entry[],
    limits: typeof STREAMS,
    store: StoreContext,
  ): { SequenceNumber?: string; ShardId?: string; ErrorCode?: string; ErrorMessage?: string }[] | undefined {
    const sizes = entries.map(({ Data, PartitionKey = '' }) => {
      if (!BASE64.test(Data)) throw new Error('Data is not base64')
      return Buffer.from(Data, 'base64').length + Buffer.byteLength(PartitionKey)
    })
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    const hasKeys = limits !== STREAMS || entries.every(({ PartitionKey }) => isKey(PartitionKey))
    this.#fault = `1 validation error detected: Value at 'records' ${RULE} ${limits.records}`
    if (entries.length === 0 || entries.length > limits.records || bytes > limits.bytes || !hasKeys)
      return undefined
    const tooLong = sizes.flatMap((size, i) => (size > limits.recordBytes ? [i + 1] : []))
    const values = tooLong.map((i) => `Value at 'records.${i}.member.data' ${RULE} ${limits.recordBytes}`)
    this.#fault = `${values.length} validation error detected: ${values.join('; ')}`
    if (tooLong.length > 0) return undefined
    return entries.map((entry) => this.#takeOne(entry, store))
  }

  #takeOne({ Data, PartitionKey = '', ExplicitHashKey }: Entry, store: StoreContext) {
    if (store.plan.fate(undefined) === 'later') {
      const ErrorCode =
        store.plan.random() < 0.5 ? 'ProvisionedThroughputExceededException' : 'InternalFailure'
      return { ErrorCode, ErrorMessage: 'Rate exceeded for shard shardId-000000000001' }
    }
    const data = Buffer.from(Data, 'base64')
    const more = ExplicitHashKey === undefined ? {} : { explicitHashKey: ExplicitHashKey }
    this.records.push({ data, partitionKey: PartitionKey, ...more })
    for (const record of this.#split(data)) store.ledger.keep(record, PartitionKey)
    return { SequenceNumber: String(this.records.length), ShardId: 'shardId-000000000000' }
  }
}

function isKey(key: string | undefined): boolean {
  return key !== undefined && key.length > 0 && key.length <= 256
}
