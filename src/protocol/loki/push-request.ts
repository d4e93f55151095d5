import { fieldSize, MessageBuffer, varintSize } from '../protobuf/message-buffer.ts'

const EMPTY = Buffer.alloc(0)
/** Number and size of the buffers that are kept. */
const MAX_FREE = 32
const MAX_FREE_BYTES = 2_000_000

/** The entries of one stream. */
class PushStream {
  readonly text: string
  readonly labels: Buffer
  readonly entries: MessageBuffer

  constructor(labels: string, entries: MessageBuffer) {
    this.text = labels
    this.entries = entries
    this.labels = Buffer.from(labels)
  }

  /** Adds the line src[start, end), which has to be UTF-8, with structured metadata as `encodeMetadata` returns it. */
  add(sec: number, nsec: number, src: Buffer, start: number, end: number, metadata: Buffer = EMPTY): void {
    const out = this.entries
    const time = (sec > 0 ? 1 + varintSize(sec) : 0) + (nsec > 0 ? 1 + varintSize(nsec) : 0)
    const size = fieldSize(time) + fieldSize(end - start) + metadata.length
    out.reserve(size + 16)
    out.head(2, size)
    out.head(1, time)
    if (sec > 0) {
      out.buf[out.at++] = 0x08
      out.varint(sec)
    }
    if (nsec > 0) {
      out.buf[out.at++] = 0x10
      out.varint(nsec)
    }
    out.field(2, src, start, end)
    if (metadata.length > 0) out.copy(metadata, 0, metadata.length)
  }
}

/**
 * A PushRequest of Loki that is being made (grafana/loki, pkg/push/push.proto):
 *
 * ```
 *   PushRequest  1 *Stream
 *   Stream       1 labels, `{a="b", c="d"}`    2 *Entry
 *   Entry        1 Timestamp (1 seconds, 2 nanos)    2 line    3 *LabelPair of structured metadata (1 name, 2 value)
 * ```
 * The body of a request is that, as one block of snappy.
 */
export class PushRequest {
  readonly #streams = new Map<string, PushStream>()
  /** Buffers of earlier requests, to be used again. */
  readonly #free: MessageBuffer[] = []
  #last: PushStream | undefined

  /** Adds a line to the stream with these labels, see `PushStream.add`. */
  add(
    labels: string,
    sec: number,
    nsec: number,
    src: Buffer,
    start: number,
    end: number,
    metadata?: Buffer,
  ): void {
    let last = this.#last
    if (last === undefined || last.text !== labels) {
      last = this.stream(labels)
      this.#last = last
    }
    last.add(sec, nsec, src, start, end, metadata)
  }

  /** Appends the request to `out`; requests that follow each other are one request. */
  appendTo(out: { copy(src: Buffer, start: number, end: number): void }): void {
    for (const stream of this.#streams.values()) {
      const head = new MessageBuffer(fieldSize(stream.labels.length) + 32)
      head.head(1, sizeOf(stream))
      head.field(1, stream.labels)
      out.copy(head.buf, 0, head.at)
      out.copy(stream.entries.buf, 0, stream.entries.at)
    }
  }

  /** Forgets all streams. */
  clear(): void {
    for (const { entries } of this.#streams.values()) {
      if (this.#free.length === MAX_FREE || entries.buf.length > MAX_FREE_BYTES) break
      entries.at = 0
      this.#free.push(entries)
    }
    this.#streams.clear()
    this.#last = undefined
  }

  /** Returns the stream with these labels, made at the first call, with space for `bytes`. */
  stream(labels: string, bytes?: number): PushStream {
    let stream = this.#streams.get(labels)
    if (stream === undefined) {
      stream = new PushStream(labels, this.#free.pop() ?? new MessageBuffer(bytes))
      this.#streams.set(labels, stream)
    }
    return stream
  }

  /** Bytes of the request, before compression. */
  get size(): number {
    let size = 0
    for (const stream of this.#streams.values()) size += fieldSize(sizeOf(stream))
    return size
  }

  bytes(): Buffer {
    const out = new MessageBuffer(this.size + 16)
    for (const stream of this.#streams.values()) {
      out.head(1, sizeOf(stream))
      out.field(1, stream.labels)
      out.copy(stream.entries.buf, 0, stream.entries.at)
    }
    return out.bytes()
  }
}

function sizeOf({ labels, entries }: PushStream): number {
  return fieldSize(labels.length) + entries.at
}
