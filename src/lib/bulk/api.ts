import type { Chunk } from '../../core/chunk.ts'
import type { ErrorScope } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type {
  Answer,
  Api,
  BatchInfo,
  Failed,
  FailedAnswer,
  Judgement,
  RecordRange,
  RequestHead,
} from '../http-output/api.ts'
import { failed } from '../http-output/judge-status.ts'
import { retryAfterMs } from '../http-output/retry-after.ts'
import { Verdicts } from '../http-output/verdicts.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { BulkAnswer, type BulkItem } from './bulk-answer.ts'
import { BulkEncoder } from './encoder.ts'
import { recordsNameIndex } from './index-fault.ts'
import { type BulkUse, fateOfItem, type ItemFate } from './judge-item.ts'
import type { BulkOptions } from './options.ts'

/**
 * Size of a request: smaller ones cost the server more per document, larger ones only memory. A chunk that a filter has made grow is
 * about 1.1 MB of JSON, and this has room for two: with one in each request, the agent takes a tenth more CPU.
 */
const MAX_BYTES = 3_000_000
const MAX_RECORDS = 10_000
/** Maximum number of distinct errors that are kept of an answer; further ones are reported by their fate only. */
const MAX_FAILURES = 20
/** Refusal of a whole request by Elasticsearch since 8 and OpenSearch since 2. */
const NO_TYPES =
  /^illegal_argument_exception: Action\/metadata line \[\d{1,9}\] contains an unknown parameter \[_type\]/
const TYPE_HINT =
  'remove Type, or set Suppress_Type_Name on: Elasticsearch 8 and OpenSearch 2 have no types; records wait, and none is lost'
/** Cuts an answer to what is read of it. */
const FILTER_PATH =
  'filter_path=errors,error,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason'

/** Operations that outcomes may be of: servers with this API answer `create` to `index`, too. */
const WRITES: ReadonlySet<string> = new Set(['create', 'index'])
const UPDATES: ReadonlySet<string> = new Set(['update'])

/** The bulk API of Elasticsearch, OpenSearch and compatible servers: an operation and an outcome for each record. */
export class BulkApi implements Api {
  readonly limits = { bytes: MAX_BYTES, recordBytes: Number.POSITIVE_INFINITY, records: MAX_RECORDS }
  readonly #encoder: BulkEncoder
  readonly #head: RequestHead
  readonly #use: BulkUse
  readonly #operations: ReadonlySet<string>
  readonly #peer: string
  readonly #ctx: OutputContext

  /** `peer`: name of the server in messages. */
  constructor(options: BulkOptions, peer: string, ctx: OutputContext) {
    this.#ctx = ctx
    this.#encoder = new BulkEncoder(options, ctx.clock, ctx.counters)
    const { writeOperation } = options
    this.#operations = writeOperation === 'create' || writeOperation === 'index' ? WRITES : UPDATES
    this.#use = {
      creates: writeOperation === 'create',
      recordsNameIndex: recordsNameIndex(options),
    }
    this.#peer = peer
    this.#head = {
      method: 'POST',
      path: pathOf(options),
      headers: { 'content-type': 'application/x-ndjson' },
    }
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#encoder.encode(range, out)
  }

  head(): RequestHead {
    return this.#head
  }

  isSuccess(status: number): boolean {
    return status === 200 || status === 201
  }

  async readSuccess(answer: Answer, batch: BatchInfo): Promise<Judgement> {
    const { records } = batch
    const afterMs = retryAfterMs(answer.header('retry-after'), this.#ctx.clock.nowMs())
    const verdicts = new Verdicts(records)
    const isOverdue = (index: number): boolean => this.#ctx.isOverdue(chunkOf(batch, index))
    const failures = new Map<string, Failed>()
    const bulk = new BulkAnswer(
      (index, item) =>
        index >= records || this.#judge(verdicts, index, item, { failures, afterMs, isOverdue }),
      this.#operations,
    )
    await bulk.read(answer.body)
    const contradiction = contradictionIn(bulk, records)
    if (contradiction !== undefined) throw new Error(`it has ${contradiction}`)
    return { kind: 'records', verdicts }
  }

  judgeFailure({ status, text }: FailedAnswer): Judgement | undefined {
    if (status !== 400 || !NO_TYPES.test(text)) return undefined
    const context = { peer: this.#peer, nowMs: this.#ctx.clock.nowMs(), scope: 'peer' as const }
    return failed(context, 'E_HTTP_ANSWER', `the server does not support Type: ${text}`, { hint: TYPE_HINT })
  }

  plainText(text: string): string {
    const [, reason] = /"reason"\s*:\s*"((?:[^"\\]|\\.){1,500})"/.exec(text) ?? []
    const [, type] = /"type"\s*:\s*"(\w{1,100})"/.exec(text) ?? []
    if (reason === undefined) return text
    return `${type === undefined ? '' : `${type}: `}${reason.replace(/\\(["\\/])/g, '$1')}`
  }

  #judge(
    verdicts: Verdicts,
    index: number,
    item: BulkItem,
    { failures, afterMs, isOverdue }: Refusals,
  ): boolean {
    const fate = fateOfItem(item, this.#use)
    if (fate === 'delivered') return true
    const words = item.type === '' ? item.reason : `${item.type}: ${item.reason}`
    if (fate === 'refused' || (fate === 'misplaced' && isOverdue(index))) {
      verdicts.refuse(index, `${item.status} ${words}`)
      return false
    }
    // One error for all records of a request that have the same.
    const key = `${item.status} ${item.type}`
    let failure = failures.get(key)
    if (failure === undefined && failures.size >= MAX_FAILURES) failure = failures.get(fate)
    if (failure === undefined) {
      failure = this.#failure(fate, `${item.status} ${words}`, afterMs)
      failures.set(failures.size < MAX_FAILURES ? key : fate, failure)
    }
    verdicts.again(index, failure)
    return false
  }

  #failure(fate: ItemFate, words: string, afterMs: number | undefined): Failed {
    const scope: ErrorScope = fate === 'misplaced' ? 'records' : 'chunk'
    const context = { peer: this.#peer, nowMs: this.#ctx.clock.nowMs(), scope }
    const isOverload = fate === 'overload'
    return failed(context, 'E_HTTP_ANSWER', `${SAID[fate]}: ${words}`, {
      ...{ hint: HINTS[fate], isOverload },
      ...(isOverload && { afterMs }),
    })
  }
}

/** Returns the chunk of a record of a request. */
function chunkOf({ ranges }: BatchInfo, index: number): Chunk {
  let before = 0
  const range = ranges.find(({ count }) => {
    before += count
    return index < before
  })
  return (range as RecordRange).chunk
}

/** What is known of the documents of an answer that are sent again. */
interface Refusals {
  /** One error for all documents with the same. */
  readonly failures: Map<string, Failed>
  /** Wait that the answer asks for. */
  readonly afterMs: number | undefined
  /** Returns true for a document whose index has been refused for Dead_Letter_After. */
  isOverdue(index: number): boolean
}

/**
 * Returns why an answer leaves the outcome of some document unknown; undefined when it says it of each. `errors` false of Elasticsearch
 * is not enough: who has read only a part of the request says the same of that part. Others that speak its protocol, and do not know
 * `filter_path`, may list other outcomes than there are documents, or those of another operation; theirs is taken at its word.
 */
function contradictionIn(bulk: BulkAnswer, records: number): string | undefined {
  if (bulk.hasError) return `an error${bulk.error === '' ? '' : `: ${bulk.error}`}`
  if (bulk.errors === undefined) return 'no `errors`'
  if (!bulk.errors && bulk.hasFailed) return '`errors` false and outcomes that are not successes'
  if (!bulk.errors && bulk.hasTook && bulk.items > 0 && bulk.otherOperation !== 'delete') return undefined
  if (bulk.otherOperation !== undefined)
    return `an outcome of the operation ${bulk.otherOperation}, which was not sent`
  return bulk.items === records ? undefined : `${bulk.items || 'no'} outcomes for ${records} documents`
}

const SAID: Record<ItemFate, string> = {
  delivered: '',
  refused: '',
  later: 'the server has failed to write documents',
  overload: 'the server is overloaded',
  held: 'documents cannot be written there',
  misplaced: 'documents cannot be written to the index that they name',
}

const HELD = 'create, unblock or rename what is named, or grant the right to write it'
const LATER = 'no action is needed: only these documents are sent again; see the server’s log'
const HINTS: Record<ItemFate, string> = {
  delivered: '',
  refused: '',
  later: LATER,
  overload: LATER,
  held: HELD,
  misplaced: `${HELD}; after Dead_Letter_After they go to the dead letters`,
}

function pathOf({ path, pipeline }: BulkOptions): string {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  const prefix = trimmed === '' ? '' : `/${trimmed}`
  if (pipeline === undefined || pipeline === '') return `${prefix}/_bulk?${FILTER_PATH}`
  return `${prefix}/_bulk/?pipeline=${encodeURIComponent(pipeline)}&${FILTER_PATH}`
}
