import { escapeControls } from '../../../core/escape-controls.ts'
import { encodeStr } from '../../../core/msgpack/encode.ts'
import { UniqueKeys } from '../../../core/msgpack/unique-keys.ts'
import type { InputContext } from '../../../core/plugin.ts'
import type { HttpAnswer } from '../../../lib/http-input/answers.ts'
import { HttpInput } from '../../../lib/http-input/http-input.ts'
import type { RecordReader, Route } from '../../../lib/http-input/received-request.ts'
import { MAX_TAG_CHARS, RecordTags, tagOf } from '../../../lib/http-input/record-tags.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import { JsonTranscoder } from '../../../lib/json/json-to-msgpack.ts'
import type { Connection } from '../../../lib/net/http-server/connection.ts'
import type { RequestHead } from '../../../lib/net/http-server/head.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { type BodyForm, bodyFormOf, typesOf } from './body-types.ts'
import { FormReader } from './form-reader.ts'
import { JsonReader, type RecordFrame } from './json-reader.ts'
import type { Options } from './options.ts'
import { type LineParser, TextReader } from './text-reader.ts'

const MAX_ADDRESS_CHARS = 256
/** Maximum number of bytes of a line that are logged. */
const SHOWN_BYTES = 100

/** Receives records in the bodies of HTTP requests. */
export class HttpBodiesInput extends HttpInput {
  readonly #options: Options
  readonly #success: HttpAnswer
  readonly #tags: RecordTags | undefined
  readonly #addrKey: Buffer | undefined
  readonly #lines: LineParser | undefined
  readonly #json: JsonTranscoder
  readonly #keys = new UniqueKeys()
  #path: string | undefined
  #pathTag = ''

  constructor(options: Options, ctx: InputContext) {
    super(options, ctx)
    this.#options = options
    const fields = (options.successHeader ?? []).map(
      ([name = '', value = '']) => `${name.toLowerCase()}: ${value}\r\n`,
    )
    this.#success = { status: Number(options.successfulResponseCode), body: '', fields: fields.join('') }
    this.#tags = options.tagKey === undefined ? undefined : new RecordTags(options.tagKey)
    this.#addrKey = options.addRemoteAddr ? encodeStr(options.remoteAddrKey) : undefined
    this.#json = new JsonTranscoder(this.#addrKey)
    if (options.parser !== undefined)
      this.#lines = {
        parser: ctx.parser(options.parser),
        failed: (counter, line, start, end) => this.#recordFailure(counter, line, start, end),
      }
  }

  protected route(head: RequestHead, { address }: Connection<HttpAnswer>): Route {
    const { method, path, headers } = head
    if (!path.startsWith('/')) throw new RefusedRequest(400, 'path', 'error: invalid request')
    const tag = this.#tagOfPath(path)
    if (method === 'GET' && path === '/health' && this.#options.enableHealthEndpoint)
      return { tag, reader: healthy(this.ctx.clock.nowMs()) }
    if (method !== 'POST') throw new RefusedRequest(400, 'method', 'error: invalid HTTP method')
    if (tag.length > MAX_TAG_CHARS)
      throw new RefusedRequest(414, 'path', 'error: the path is too long for a tag')
    const type = headers.get('content-type')
    if (type === undefined)
      throw new RefusedRequest(400, 'content_type', "error: header 'Content-Type' is not set")
    const form = bodyFormOf(type)
    if (form === undefined) {
      const text = `error: invalid 'Content-Type': accepted are ${typesOf()}`
      throw new RefusedRequest(415, 'content_type', text, `invalid Content-Type ${type}`)
    }
    return { tag, reader: this.#readerOf(form, this.#frame(tag, head, address)) }
  }

  /** Most requests have the path of the one before. */
  #tagOfPath(path: string): string {
    if (path !== this.#path) {
      this.#path = path
      this.#pathTag = path === '/' ? this.ctx.tag : tagOf(path.slice(1))
    }
    return this.#pathTag
  }

  #readerOf(form: BodyForm, frame: RecordFrame): RecordReader {
    if (form === 'json') return new JsonReader(frame, this.#json)
    return form === 'form' ? new FormReader(frame, this.#keys) : new TextReader(frame, this.#lines)
  }

  #frame(tag: string, head: RequestHead, address: string): RecordFrame {
    const tags = this.#tags
    const key = this.#addrKey
    const { sec, nsec } = splitMs(this.ctx.clock.nowMs())
    const frame: RecordFrame = { tag, sec, nsec, answer: this.#success }
    if (key !== undefined) frame.pair = { key, bytes: pairOf(key, clientOf(head, address)) }
    if (tags !== undefined) frame.tagOf = (buf, map, end) => this.#tagIn(tags, buf, map, end, tag)
    return frame
  }

  #tagIn(tags: RecordTags, buf: Buffer, map: number, end: number, tag: string): string {
    const own = tags.of(buf, map, end, tag)
    this.checkTag(own)
    return own
  }

  #recordFailure(counter: 'parse_failed' | 'time_failed', line: Buffer, start: number, end: number): void {
    const { counters, log } = this.ctx
    counters.add(counter)
    if (counters.get(counter) > 1) return
    const what =
      counter === 'parse_failed'
        ? 'a line that cannot be parsed: it is kept unchanged under "log"'
        : 'a time that cannot be read: the record gets the time of arrival and keeps the field'
    const shown = escapeControls(line.toString('utf8', start, Math.min(end, start + SHOWN_BYTES)))
    log.warn(`a request has ${what}`, { line: shown, hint: `later ones are only counted, see ${counter}` })
  }
}

/** Returns the address of the client: the first that proxies have written, else that of the connection. */
function clientOf({ headers }: RequestHead, address: string): string {
  const first = headers.get('x-forwarded-for')?.split(',', 1)[0]?.trim() ?? ''
  return first === '' ? address : first.slice(0, MAX_ADDRESS_CHARS)
}

function pairOf(key: Buffer, text: string): Buffer {
  return Buffer.concat([key, encodeStr(text)])
}

/** A request without records, answered at once. */
function healthy(nowMs: number): RecordReader {
  const timestamp = new Date(nowMs).toISOString()
  return {
    begin: () => {},
    read: () => 'done',
    answer: {
      status: 200,
      body: `${JSON.stringify({ status: 'ok', timestamp })}\n`,
      fields: 'content-type: application/json\r\n',
    },
  }
}
