import { createHash } from 'node:crypto'
import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import type { OutputContext } from '../../../core/plugin.ts'
import { type GelfKeys, GelfText } from '../../../lib/gelf/gelf-text.ts'
import type { Api, BatchInfo, Frame, RecordRange, RequestHead } from '../../../lib/http-output/api.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { JsonLines } from '../../../lib/records/json-lines.ts'
import { dateKeyOf } from '../../../lib/records/json-records.ts'
import { JSON_DATE_FORMS } from '../../../lib/records/json-time.ts'
import { appendMsgpackRecord } from '../../../lib/records/msgpack-records.ts'
import type { HttpOptions } from './options.ts'
import { readHeaders } from './record-headers.ts'

/** Size of a request: a chunk is not larger unless its JSON is much longer than its entries. */
const MAX_BYTES = 8_000_000
/** Statuses that fluent-bit takes for a delivery. */
const [FIRST_SUCCESS, LAST_SUCCESS] = [200, 205]

const CONTENT_TYPES = {
  json: 'application/json',
  json_stream: 'application/json',
  gelf: 'application/json',
  json_lines: 'application/x-ndjson',
  msgpack: 'application/msgpack',
}

const SUFFIXES = { json: ',', json_lines: '\n', json_stream: '' }

const ARRAY: Frame = { open: Buffer.from('['), between: Buffer.from(','), close: Buffer.from(']') }

/** Any server that takes records by POST: requests have the records of one chunk, or one record with Body_Key. */
export class HttpApi implements Api {
  readonly limits: Api['limits']
  readonly frame?: Frame
  readonly keyOfChunk?: (chunk: Chunk) => string
  readonly #options: HttpOptions
  readonly #ctx: OutputContext
  readonly #encode: (range: RecordRange, out: JsonText) => void
  readonly #entry = new Entry()
  readonly #bodyKey: RecordAccessor | undefined
  readonly #headersKey: RecordAccessor | undefined

  constructor(options: HttpOptions, ctx: OutputContext) {
    const { bodyKey, headersKey, format, headerTag, idempotencyKey } = options
    this.#options = options
    this.#ctx = ctx
    this.#bodyKey = bodyKey === undefined ? undefined : RecordAccessor.parseLoose(bodyKey, 'body_key')
    this.#headersKey =
      headersKey === undefined ? undefined : RecordAccessor.parseLoose(headersKey, 'headers_key')
    this.limits = {
      bytes: MAX_BYTES,
      recordBytes: Number.POSITIVE_INFINITY,
      records: bodyKey === undefined ? Number.POSITIVE_INFINITY : 1,
      // A request that is sent again has its key again only if it has the same records. Those of several chunks would have to be kept
      // together, but the engine retries chunks one by one while a server is down, and gives each up by itself; after a restart the
      // chunks that were joined would not be known any more.
      ...(idempotencyKey ? { chunks: 1 } : {}),
    }
    if (headerTag !== undefined) this.keyOfChunk = ({ tag }) => tag
    if (format === 'json' && bodyKey === undefined) this.frame = ARRAY
    this.#encode = this.#encoder()
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#encode(range, out)
  }

  head(batch: BatchInfo): RequestHead {
    const { httpMethod, uri, headerTag, idempotencyKey, format } = this.#options
    const [range] = batch.ranges as [RecordRange]
    const headers: Record<string, string> = { 'content-type': CONTENT_TYPES[format] }
    if (this.#bodyKey !== undefined) headers['content-type'] = 'text/plain; charset=utf-8'
    if (headerTag !== undefined) headers[headerTag.toLowerCase()] = headerText(range.chunk.tag)
    if (idempotencyKey) headers['idempotency-key'] = keyOf(batch)
    if (this.#headersKey !== undefined) {
      const { chunk, start, end } = range
      this.#entry.read(chunk, start)
      Object.assign(
        headers,
        readHeaders(chunk.buf, this.#headersKey.find(chunk.buf, this.#entry.map, end), end),
      )
    }
    return { method: httpMethod, path: uri.startsWith('/') ? uri : `/${uri}`, headers }
  }

  isSuccess(status: number): boolean {
    return status >= FIRST_SUCCESS && status <= LAST_SUCCESS
  }

  #encoder(): (range: RecordRange, out: JsonText) => void {
    const { format, bodyKey } = this.#options
    const entry = this.#entry
    if (this.#bodyKey !== undefined) {
      const accessor = this.#bodyKey
      return ({ chunk, start }, out) => {
        entry.read(chunk, start)
        const value = accessor.find(chunk.buf, entry.map, entry.end)
        if (value < 0)
          throw new ShipperError(
            'E_OUTPUT_REJECTED',
            `the record has no field ${bodyKey}, which Body_Key names`,
          )
        const head = textHead(chunk.buf, value)
        if (head > 0) out.copy(chunk.buf, value + head, value + head + textLength(chunk.buf, value))
        else out.value(chunk.buf, value)
      }
    }
    if (format === 'msgpack')
      return ({ chunk, start, end }, out) => {
        for (let at = start; at < end; at = entry.end) {
          entry.read(chunk, at)
          appendMsgpackRecord(out, chunk, at, entry)
        }
      }
    if (format === 'gelf') {
      const gelf = new GelfText(gelfKeys(this.#options), this.#ctx.agent.hostname)
      return ({ chunk, start, end }, out) => {
        for (let at = start; at < end; at = entry.end) {
          entry.read(chunk, at)
          gelf.write(out, chunk.buf, entry)
          out.byte(0x0a)
        }
      }
    }
    return this.#jsonEncoder(format)
  }

  #jsonEncoder(format: 'json' | 'json_lines' | 'json_stream'): (range: RecordRange, out: JsonText) => void {
    const key = dateKeyOf(this.#options)
    const lines = new JsonLines(
      {
        ...(key === undefined ? {} : { time: JSON_DATE_FORMS[this.#options.jsonDateFormat] }),
        pairs: key === undefined ? [] : [{ key, value: 'time' }],
        suffix: SUFFIXES[format],
      },
      this.#ctx.counters,
    )
    return ({ chunk, start, count }, out) => {
      lines.append(out, chunk, start, { maxRecords: count })
      // The comma after the last one.
      if (format === 'json') out.at--
    }
  }
}

function gelfKeys(options: HttpOptions): GelfKeys {
  return {
    host: options.gelfHostKey,
    shortMessage: options.gelfShortMessageKey,
    fullMessage: options.gelfFullMessageKey,
    level: options.gelfLevelKey,
    timestamp: options.gelfTimestampKey,
    tag: undefined,
  }
}

/**
 * Returns the key of the records of a request: a hash of the chunk's id and tag and of which of its records these are. A chunk's id
 * is made of the origin of its records (agent, file, range of bytes) or of their content, so a retry has the same key.
 */
function keyOf({ ranges }: BatchInfo): string {
  const hash = createHash('sha256')
  for (const { chunk, first, count } of ranges)
    hash.update(JSON.stringify([chunk.id, chunk.tag, chunk.rewrites, first, count]))
  return hash.digest('base64url').slice(0, 32)
}

/** Returns a text with which no header can be ended or added. */
function headerText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would end the header
  return text.replace(/[\u0000-\u001f\u007f]|[^\u0000-\u00ff]/g, (c) =>
    encodeURIComponent(c.isWellFormed() ? c : '\ufffd'),
  )
}
