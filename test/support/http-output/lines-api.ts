import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import type { OutputContext } from '../../../src/core/plugin.ts'
import type {
  Answer,
  Api,
  BatchInfo,
  Connections,
  Judgement,
  RecordRange,
  RequestHead,
} from '../../../src/lib/http-output/api.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import type { HttpOutputOptions } from '../../../src/lib/http-output/output-options.ts'
import { Verdicts } from '../../../src/lib/http-output/verdicts.ts'
import type { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../src/lib/records/accessor.ts'
import { Entry } from '../../../src/lib/records/entry.ts'

export interface TestRecord {
  n?: number
  text?: string
  key?: string
}

/** An API that takes lines of JSON. With 207, the body says for each line whether it is `ok` or to be sent `again`. */
export class LinesApi implements Api {
  readonly limits: Api['limits']
  keyOf?: (chunk: Chunk, start: number, end: number) => string
  readonly #entry = new Entry()

  constructor({ bytes = 1_000_000, records = 10_000, chunks = 1000, keys = false } = {}) {
    this.limits = { bytes, records, chunks }
    const accessor = RecordAccessor.parse('key')
    const entry = new Entry()
    if (keys)
      this.keyOf = (chunk, start) => {
        entry.read(chunk, start)
        const at = accessor.find(chunk.buf, entry.map, entry.end)
        return chunk.buf.toString('latin1', at + 1, at + 1 + ((chunk.buf[at] as number) & 31))
      }
  }

  encode({ chunk, start, end }: RecordRange, out: JsonText): void {
    for (let at = start; at < end; at = this.#entry.end) {
      this.#entry.read(chunk, at)
      out.value(chunk.buf, this.#entry.map)
      out.byte(0x0a)
    }
  }

  head({ key }: BatchInfo): RequestHead {
    return { method: 'POST', path: '/', headers: key === '' ? {} : { 'x-key': key } }
  }

  isSuccess(status: number): boolean {
    return status === 200 || status === 207
  }

  async readSuccess({ status, body }: Answer, { records }: BatchInfo): Promise<Judgement> {
    const pieces: Buffer[] = []
    for await (const piece of body) pieces.push(piece)
    if (status === 200) return { kind: 'delivered' }
    const verdicts = new Verdicts(records)
    const error = new ShipperError('E_HTTP_ANSWER', 'some again', { retryable: true })
    Buffer.concat(pieces)
      .toString()
      .split(',')
      .forEach((word, i) => {
        if (word === 'again') verdicts.again(i, { kind: 'failed', error })
      })
    return { kind: 'records', verdicts }
  }
}

export function outputOf(
  connections: Connections,
  api: Api,
  ctx: OutputContext,
  more: Partial<HttpOutputOptions> = {},
): HttpOutput {
  return new HttpOutput({ api, connections, headers: {}, ...more }, ctx)
}

/** Returns the records of a body. */
export function linesOf(body: Buffer): TestRecord[] {
  const lines = body.toString().split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line) as TestRecord)
}
