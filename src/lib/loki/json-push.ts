import { JsonText } from '../json/msgpack-to-json.ts'
import { JsonTime, NANOSECONDS } from '../records/json-time.ts'

/** The entries of one stream of a push request in JSON. */
class JsonPushStream {
  /** The labels as a JSON object. */
  readonly labels: string
  readonly text = new JsonText()
  readonly #time = new JsonTime(NANOSECONDS)

  constructor(labels: string) {
    this.labels = labels
  }

  /** Adds the line src[start, end), with structured metadata as the text of a JSON object. */
  add(sec: number, nsec: number, src: Buffer, start: number, end: number, metadata = ''): void {
    const { text } = this
    text.raw(text.at === 0 ? '["' : ',["')
    const length = this.#time.set(sec, nsec)
    text.copy(this.#time.bytes, 0, length)
    text.raw('",')
    text.string(src, start, end)
    if (metadata !== '') text.raw(`,${metadata}`)
    text.byte(0x5d)
  }
}

/** A push request of Loki in JSON: `{"streams":[{"stream":{labels},"values":[["<ns>","<line>",{metadata}?]]}]}`. */
export class JsonPushRequest {
  readonly #streams = new Map<string, JsonPushStream>()

  /** Returns the stream with these labels, a JSON object as text. */
  stream(labels: string): JsonPushStream {
    let stream = this.#streams.get(labels)
    if (stream === undefined) {
      stream = new JsonPushStream(labels)
      this.#streams.set(labels, stream)
    }
    return stream
  }

  add(
    labels: string,
    sec: number,
    nsec: number,
    src: Buffer,
    start: number,
    end: number,
    metadata?: string,
  ): void {
    this.stream(labels).add(sec, nsec, src, start, end, metadata)
  }

  /** Appends the streams, separated by commas, without the enclosing object. */
  appendTo(out: JsonText): void {
    let isFirst = true
    for (const { labels, text } of this.#streams.values()) {
      out.raw(isFirst ? '{"stream":' : ',{"stream":')
      isFirst = false
      out.raw(labels)
      out.raw(',"values":[')
      out.copy(text.buf, 0, text.at)
      out.raw(']}')
    }
  }

  /** Forgets all streams. */
  clear(): void {
    this.#streams.clear()
  }

  /** An upper bound of the bytes of the request. */
  get size(): number {
    let size = 32
    for (const { labels, text } of this.#streams.values()) size += labels.length * 3 + text.at + 40
    return size
  }

  bytes(): Buffer {
    const pieces = [...this.#streams.values()].flatMap(({ labels, text }, i) => [
      Buffer.from(`${i > 0 ? ',' : ''}{"stream":${labels},"values":[`),
      text.bytes(),
      Buffer.from(']}'),
    ])
    return Buffer.concat([Buffer.from('{"streams":['), ...pieces, Buffer.from(']}')])
  }
}
