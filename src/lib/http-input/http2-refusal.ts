import type { BodySink } from '../net/http-server/exchange.ts'

/** Frames of HTTP/2 (RFC 9113): `length:3 type:1 flags:1 stream:4 payload`. */
const FRAME_HEAD_BYTES = 9
const DATA = 0
const HEADERS = 1
const RST_STREAM = 3
const SETTINGS = 4
const GOAWAY = 7
const END_STREAM = 1
const END_HEADERS = 4
/** Rest of the preface after its first two lines: `SM CRLF CRLF`. */
const PREFACE_REST_BYTES = 6
/** Bytes that a client may send before its first request. */
const MAX_BYTES = 65_536
/** Largest length that fits into the first byte of a text in a header block (RFC 7541, 5.1). */
const MAX_SHORT = 0x7e

/** The answer to a request of HTTP/2. */
interface Http2Answer {
  status: number
  /** Fields besides the status, names in lower case. */
  fields: readonly (readonly [name: string, value: string])[]
  body: string
}

/** Where the bytes go. */
interface Http2Peer {
  write(bytes: Buffer): void
  /** Sends these bytes, after which the connection ends. */
  endWith(bytes: Buffer): void
}

/**
 * Answers the first request of a client of HTTP/2 with an error, and ends the connection. Ending it without that lets clients of gRPC
 * try again at once and without end: by the protocol the request was not seen. What the request is is not read: it is enough to know
 * its stream.
 */
export class Http2Refusal implements BodySink {
  readonly #peer: Http2Peer
  readonly #answer: Http2Answer
  readonly #head = Buffer.alloc(FRAME_HEAD_BYTES)
  #headBytes = 0
  #skip = PREFACE_REST_BYTES
  #bytes = 0

  /** To be created after the first two lines of the preface. */
  constructor(peer: Http2Peer, answer: Http2Answer) {
    this.#peer = peer
    this.#answer = answer
    peer.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)))
  }

  push(buf: Buffer, start: number, end: number): boolean {
    this.#bytes += end - start
    for (let at = start; at < end; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, end - at)
        this.#skip -= skipped
        at += skipped
        continue
      }
      this.#head[this.#headBytes++] = buf[at++] as number
      if (this.#headBytes < FRAME_HEAD_BYTES) continue
      this.#headBytes = 0
      if (this.#head[3] === HEADERS) {
        this.#peer.endWith(answerBytes(this.#head.readUInt32BE(5) & 0x7fff_ffff, this.#answer))
        return true
      }
      this.#skip = this.#head.readUIntBE(0, 3)
    }
    if (this.#bytes > MAX_BYTES) this.#peer.endWith(goaway(0))
    return true
  }

  end(): void {}

  abort(): void {}
}

function answerBytes(stream: number, { status, fields, body }: Http2Answer): Buffer {
  const block = Buffer.concat(
    [[':status', String(status)] as const, ...fields].map(([name, value]) =>
      // A field that is not kept for later ones, with a name that is not in a table.
      Buffer.concat([Buffer.from([0]), text(name), text(value)]),
    ),
  )
  const hasBody = body !== ''
  return Buffer.concat([
    frame(HEADERS, END_HEADERS | (hasBody ? 0 : END_STREAM), stream, block),
    ...(hasBody ? [frame(DATA, END_STREAM, stream, Buffer.from(body))] : []),
    // Without an error: the answer is complete, and the rest of the request is not wanted.
    frame(RST_STREAM, 0, stream, Buffer.alloc(4)),
    goaway(stream),
  ])
}

/** Says that no stream after this one was seen, without an error. */
function goaway(lastStream: number): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeUInt32BE(lastStream, 0)
  return frame(GOAWAY, 0, 0, payload)
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Returns a text of a header block, which is cut to what the length in one byte allows. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1').subarray(0, MAX_SHORT)
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}
