import { ShipperError } from '../../../core/error.ts'
import { readAcceptance } from '../../../lib/http-output/acceptance.ts'
import type { Answer, Api, Frame, Judgement, RecordRange, RequestHead } from '../../../lib/http-output/api.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { countText } from '../../../lib/text/duration.ts'
import { LogText } from './log-text.ts'
import type { DatadogOptions } from './options.ts'

/** Limits of a request, and the size from which on Datadog cuts a log without a word. */
const MAX_BYTES = 5_000_000
const MAX_RECORDS = 1000
const MAX_LOG_BYTES = 1_000_000
/** Statuses that fluent-bit takes for a delivery; Datadog answers 202. */
const [FIRST_SUCCESS, LAST_SUCCESS] = [200, 205]

const HEAD: RequestHead = {
  method: 'POST',
  path: '/api/v2/logs',
  headers: { 'content-type': 'application/json' },
}

/** The API of Datadog that takes logs: an array of objects, which it takes or refuses as a whole. */
export class DatadogApi implements Api {
  readonly limits = { bytes: MAX_BYTES, records: MAX_RECORDS, words: 'Datadog accepts 5 MB per request' }
  readonly frame: Frame = { open: Buffer.from('['), between: Buffer.from(','), close: Buffer.from(']') }
  readonly #text: LogText
  readonly #entry = new Entry()

  constructor(options: DatadogOptions) {
    this.#text = new LogText(options)
  }

  encode({ chunk, start, end }: RecordRange, out: JsonText): void {
    const entry = this.#entry
    for (let at = start; at < end; at = entry.end) {
      if (at > start) out.byte(0x2c)
      entry.read(chunk, at)
      const from = out.at
      this.#text.write(out, chunk.tag, chunk.buf, entry)
      if (out.at - from > MAX_LOG_BYTES)
        throw new ShipperError(
          'E_OUTPUT_REJECTED',
          `the record has ${countText(out.at - from)} bytes as sent, and Datadog truncates logs at ${countText(MAX_LOG_BYTES)} bytes`,
          { hint: 'it is in the dead letters, not truncated' },
        )
    }
  }

  head(): RequestHead {
    return HEAD
  }

  isSuccess(status: number): boolean {
    return status >= FIRST_SUCCESS && status <= LAST_SUCCESS
  }

  /** Datadog answers with an empty object, servers with its API also with nothing or `{"status":"ok"}`. */
  async readSuccess(answer: Answer): Promise<Judgement> {
    await readAcceptance(answer, (name, text) => name === 'status' && text.toLowerCase() === 'ok')
    return { kind: 'delivered' }
  }

  plainText(text: string): string {
    return errorsIn(text) ?? text
  }
}

/** Returns the message of `{"errors":[{"title":"","detail":""}]}` or `{"errors":[""]}`. */
function errorsIn(text: string): string | undefined {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown }
    if (!Array.isArray(errors)) return undefined
    const words = errors.slice(0, 3).map((error: unknown) => {
      if (typeof error !== 'object' || error === null) return String(error)
      const { title, detail } = error as { title?: unknown; detail?: unknown }
      return [title, detail].filter((part) => typeof part === 'string').join(': ')
    })
    return words.filter(Boolean).join('; ') || undefined
  } catch {
    return undefined
  }
}
