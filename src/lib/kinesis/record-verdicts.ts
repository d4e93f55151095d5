import { ShipperError } from '../../core/error.ts'
import { escapeControls, truncate } from '../../core/escape-controls.ts'
import { classOf, ERROR_FIELDS } from '../aws/error-answer.ts'
import type { Answer, Failed, Judgement } from '../http-output/api.ts'
import { Verdicts } from '../http-output/verdicts.ts'
import { JsonEvents } from '../json/json-events.ts'

/** Maximum size of an answer: 500 records with an id or an error of 1 KB each have less. */
const MAX_ANSWER_BYTES = 1_000_000
const MAX_WORDS = 300

interface Expected {
  /** Field of the answer with an item for each record of the request. */
  readonly list: string
  /** Number of records of the chunk in each record of the request. */
  readonly counts: readonly number[]
  readonly peer: string
  /** Hint when the service throttles. */
  readonly overloadHint: string
}

/**
 * Reads what PutRecords or PutRecordBatch says about each of the records of a request. A record with an error is sent again, whatever the
 * error: no error of the service means that a record is bad. Throws when the answer is not complete, contradicts itself, or does not have a
 * sequence number or an error for each record: nothing is known then. The answer is parsed as it arrives, and only the verdicts are kept.
 *
 * ```
 *   {"FailedRecordCount": 1, "Records": [{"SequenceNumber": ..., "ShardId": ...}, {"ErrorCode": ..., "ErrorMessage": ...}]}
 * ```
 */
export async function readRecordVerdicts(answer: Answer, expected: Expected): Promise<Judgement> {
  const reader = new VerdictReader(expected)
  const events = new JsonEvents(reader)
  let bytes = 0
  for await (const piece of answer.body) {
    bytes += piece.length
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`it is larger than ${MAX_ANSWER_BYTES} bytes`)
    events.write(piece)
  }
  if (!events.isComplete) throw new Error('it ends before its end')
  return reader.judgement()
}

const AGAIN_HINT = 'they are sent again, before later ones of the same file'
const ACCESS_HINT = 'grant the role or user what the message names; the records are sent again'
/** Members with the number of failed records, in Kinesis and Firehose. */
const FAILED_COUNT = /^Failed(?:Record|Put)Count$/
/** Depth of members of the answer, of items, and of members of an item. */
const IN_ANSWER = 1
const IN_LIST = 2
const IN_ITEM = 3

class VerdictReader {
  readonly #expected: Expected
  #isInList = false
  #hasList = false
  #items = 0
  #failedItems = 0
  #failedCount: string | undefined
  /** Index of the first record of the current item in the request. */
  #record = 0
  #id = ''
  #code: string | undefined
  #message = ''
  #verdicts: Verdicts | undefined

  constructor(expected: Expected) {
    this.#expected = expected
  }

  open(depth: number, key: string, isArray: boolean): void {
    if (depth === IN_ANSWER) this.#member(key)
    if (depth === IN_ANSWER && key === this.#expected.list && isArray) this.#isInList = true
    if (!this.#isInList || depth < IN_LIST) return
    if (isArray || depth !== IN_LIST) throw new Error(SOMETHING_ELSE)
    this.#id = this.#message = ''
    this.#code = undefined
  }

  scalar(depth: number, key: string, text: string, isString: boolean): void {
    if (depth === IN_ANSWER) this.#member(key)
    if (depth === IN_ANSWER && FAILED_COUNT.test(key)) {
      if (this.#failedCount !== undefined) throw new Error(`it has ${key} twice`)
      this.#failedCount = text
    }
    if (!this.#isInList) return
    if (depth === IN_LIST) throw new Error(SOMETHING_ELSE)
    if (depth !== IN_ITEM) return
    if (key === 'ErrorCode' && (isString || text !== 'null')) this.#code = text
    if (!isString) return
    if (key === 'ErrorMessage') this.#message = text
    if (key === 'SequenceNumber' || key === 'RecordId') this.#id = text
  }

  close(depth: number): void {
    if (depth === IN_ANSWER) this.#isInList = false
    if (this.#isInList && depth === IN_LIST) this.#endItem()
  }

  /** Throws when the answer does not fit the request. */
  judgement(): Judgement {
    const { list, counts } = this.#expected
    if (this.#items !== counts.length)
      throw new Error(`it has ${this.#items || 'no'} ${list} for ${counts.length} records`)
    if (this.#failedCount !== undefined && this.#failedCount !== String(this.#failedItems))
      throw new Error(
        `it says that ${escapeControls(this.#failedCount)} records have failed, and ${this.#failedItems} have an error`,
      )
    return this.#verdicts === undefined
      ? { kind: 'delivered' }
      : { kind: 'records', verdicts: this.#verdicts }
  }

  /** Notes a member of the answer; throws for those that make of it something else. */
  #member(key: string): void {
    if (ERROR_FIELDS.includes(key)) throw new Error(`it has the field ${key}, as an error has`)
    if (key !== this.#expected.list) return
    if (this.#hasList) throw new Error(`it has ${key} twice`)
    this.#hasList = true
  }

  #endItem(): void {
    const { list, counts } = this.#expected
    const count = counts[this.#items++]
    if (count === undefined) throw new Error(`it has more ${list} than the request has records`)
    if (this.#code === undefined && this.#id === '')
      throw new Error('it has a record with neither an id nor an error')
    if (this.#code !== undefined) this.#failed(this.#code, count)
    this.#record += count
  }

  #failed(code: string, count: number): void {
    const { counts, peer, overloadHint } = this.#expected
    this.#failedItems++
    this.#verdicts ??= new Verdicts(counts.reduce((sum, each) => sum + each, 0))
    const kind = classOf(code, 0)
    const words = truncate(
      escapeControls(this.#message === '' ? code : `${code}: ${this.#message}`),
      MAX_WORDS,
    )
    const hint = kind === 'throttling' ? overloadHint : kind === 'access' ? ACCESS_HINT : AGAIN_HINT
    const failure: Failed = {
      kind: 'failed',
      error: new ShipperError('E_HTTP_ANSWER', `${peer} did not accept all records of a request: ${words}`, {
        ...{ retryable: true, scope: 'chunk', hint },
      }),
      isOverload: kind === 'throttling' || code === 'ServiceUnavailableException',
    }
    for (let i = 0; i < count; i++) this.#verdicts.again(this.#record + i, failure)
  }
}

const SOMETHING_ELSE = 'it has something else in place of a record'
