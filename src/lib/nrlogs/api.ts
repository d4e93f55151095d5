import { findKey } from '../../core/msgpack/record.ts'
import { readAcceptance } from '../http-output/acceptance.ts'
import type { Answer, Api, Frame, Judgement, RecordRange, RequestHead } from '../http-output/api.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from '../records/entry.ts'
import { JSON_DATE_FORMS, JsonTime } from '../records/json-time.ts'
import { KeyTable } from '../records/key-table.ts'

/** Maximum size of a body, which New Relic limits before and after compression. */
const MAX_BYTES = 1_000_000
/** Statuses that fluent-bit takes for a delivery; New Relic answers 202. */
const [FIRST_SUCCESS, LAST_SUCCESS] = [200, 205]

/** Keys of the text of a log, the first before the second. */
const MESSAGE_KEYS = ['log', 'message'].map((name) => {
  const key = Buffer.from(name)
  return { key, table: new KeyTable([key]) }
})
const NONE: readonly number[] = []

/**
 * The Log API of New Relic:
 *
 * ```
 *   [{"common":{"attributes":{...}},"logs":[{"timestamp":1700000000123,"message":"","attributes":{...}}, ...]}]
 * ```
 */
export class NrlogsApi implements Api {
  readonly limits = {
    bytes: MAX_BYTES,
    records: Number.POSITIVE_INFINITY,
    words: 'New Relic accepts 1 MB per request',
  }
  readonly frame: Frame
  readonly #head: RequestHead
  readonly #entry = new Entry()
  readonly #time = new JsonTime(JSON_DATE_FORMS.epoch_ms)

  constructor(path: string, version: string) {
    this.#head = { method: 'POST', path, headers: { 'content-type': 'application/json' } }
    const common = JSON.stringify({ attributes: { plugin: { type: 'shipper', version } } })
    this.frame = {
      open: Buffer.from(`[{"common":${common},"logs":[`),
      between: Buffer.from(','),
      close: Buffer.from(']}]'),
    }
  }

  encode({ chunk, start, end }: RecordRange, out: JsonText): void {
    const entry = this.#entry
    for (let at = start; at < end; at = entry.end) {
      if (at > start) out.byte(0x2c)
      entry.read(chunk, at)
      this.#write(out, chunk.buf, entry)
    }
  }

  head(): RequestHead {
    return this.#head
  }

  isSuccess(status: number): boolean {
    return status >= FIRST_SUCCESS && status <= LAST_SUCCESS
  }

  /** New Relic answers with `{"requestId":"..."}`, servers with its API also with an empty object. */
  async readSuccess(answer: Answer): Promise<Judgement> {
    const isObject = await readAcceptance(answer, (name, _, isString) => name === 'requestId' && isString)
    if (!isObject) throw new Error('it is empty')
    return { kind: 'delivered' }
  }

  #write(out: JsonText, buf: Buffer, { time, map, end }: Entry): void {
    out.raw('{"timestamp":')
    out.copy(this.#time.bytes, 0, this.#time.set(time.sec, time.nsec))
    let omitted: KeyTable | undefined
    for (const { key, table } of MESSAGE_KEYS) {
      const value = findKey(buf, map, end, key)
      if (value < 0) continue
      omitted = table
      out.raw(',"message":')
      out.value(buf, value)
      break
    }
    out.raw(',"attributes":{')
    out.pairsAfter(buf, map, NONE, omitted)
    out.raw('}}')
  }
}
