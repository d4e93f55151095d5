import { escapeControls } from '../../core/escape-controls.ts'
import { skip, writeArrayHead, writeMapHead, writeStr } from '../../core/msgpack/encode.ts'
import { mapBody, spanOf } from '../../core/msgpack/record.ts'
import { isMap } from './event-time.ts'

/**
 * Options of a message of the forward protocol, version 1, as fluentd and fluent-bit use it:
 * github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
 *
 * ```
 *   PackedForward            [tag, bin(entries), {"chunk": id, "size": n, "compressed": "gzip"|"zstd"}]
 *   CompressedPackedForward  the same, with the entries compressed
 *   entry                    [EventTime | uint, map]
 *   ack                      {"ack": id}
 * ```
 */
interface FrameOptions {
  /** Id of the chunk; requests an ack with this id. */
  chunk: string | undefined
  /** Number of entries. */
  size: number | undefined
  compressed: 'gzip' | 'zstd' | undefined
  /** Further pairs from the configuration. */
  extra: readonly (readonly [string, string])[]
}

/** Returns the size in bytes of what precedes the entries: array head 92|93, tag str, bin head. */
export function frameHeadSize(tagBytes: number): number {
  return 1 + (tagBytes < 32 ? 1 : tagBytes < 256 ? 2 : tagBytes < 65536 ? 3 : 5) + tagBytes + 5
}

/**
 * Writes the head so that it ends at `end`, where the entries begin: always bin32, so that its size is known in advance.
 * Returns the offset of its first byte.
 */
export function writeFrameHead(
  buf: Buffer,
  end: number,
  tag: string,
  bytes: number,
  withOptions: boolean,
): number {
  const start = end - frameHeadSize(Buffer.byteLength(tag))
  const at = writeStr(buf, writeArrayHead(buf, start, withOptions ? 3 : 2), tag)
  buf[at] = 0xc6
  buf.writeUInt32BE(bytes, at + 1)
  return start
}

/** Returns the option map in fluent-bit's order: chunk, size, compressed; undefined if it would be empty. */
export function encodeFrameOptions({ chunk, size, compressed, extra }: FrameOptions): Buffer | undefined {
  let pairs = extra.length
  let bytes = 5
  if (chunk !== undefined) {
    pairs++
    bytes += 11 + Buffer.byteLength(chunk)
  }
  if (size !== undefined) {
    pairs++
    bytes += 10
  }
  if (compressed !== undefined) {
    pairs++
    bytes += 16
  }
  if (pairs === 0) return undefined
  for (const [key, value] of extra) bytes += 10 + Buffer.byteLength(key) + Buffer.byteLength(value)
  const out = Buffer.allocUnsafe(bytes)
  let at = writeMapHead(out, 0, pairs)
  if (chunk !== undefined) at = writeStr(out, writeStr(out, at, 'chunk'), chunk)
  if (size !== undefined) {
    at = writeStr(out, at, 'size')
    out[at] = 0xce
    at = out.writeUInt32BE(size, at + 1)
  }
  if (compressed !== undefined) at = writeStr(out, writeStr(out, at, 'compressed'), compressed)
  for (const [key, value] of extra) at = writeStr(out, writeStr(out, at, key), value)
  return out.subarray(0, at)
}

/** Limit for a response: our ids have 24 bytes, other implementations use opaque strings. */
const MAX_RESPONSE_BYTES = 4096
/** First byte of `["HELO", options]`, the greeting of a peer with a shared key. */
const HELO_HEAD = 0x92
/** First byte of a TLS server's answer to bytes that are not TLS. */
const TLS_ALERT = 0x15

/** First bytes of the answers of HTTP servers: `HTTP/1.1 400`, and a page without a head, as for HTTP 0.9. */
const HTTP_ANSWERS = [0x48, 0x3c]
/** Characters shown of what a peer of another protocol has sent. */
const MAX_SHOWN_CHARS = 40

/** The peer requires a handshake that is not supported. */
export class UnsupportedHandshake extends Error {}

/**
 * Reads `{"ack": id}` from a stream that may be split anywhere. `push` returns the ids that became complete. It throws when a
 * response is not MessagePack, is not a map with a string under "ack", or is longer than MAX_RESPONSE_BYTES.
 */
export class AckReader {
  #rest: Buffer = Buffer.alloc(0)

  push(data: Buffer): string[] {
    const all = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
    const ids: string[] = []
    let at = 0
    while (at < all.length) {
      const first = all[at] as number
      if (!isMap(first)) throw notAMap(all, at)
      const end = skip(all, at, all.length)
      if ((end < 0 ? all.length : end) - at > MAX_RESPONSE_BYTES)
        throw new Error(`a response of more than ${MAX_RESPONSE_BYTES} bytes`)
      if (end < 0) break
      ids.push(ackOf(all, at, end))
      at = end
    }
    const rest = all.subarray(at)
    // A copy: the socket may reuse its buffer.
    this.#rest = rest.length === 0 ? rest : Buffer.from(rest)
    return ids
  }
}

function notAMap(buf: Buffer, at: number): Error {
  const first = buf[at] as number
  if (first === HELO_HEAD) return new UnsupportedHandshake('the peer requires a shared key')
  if (first === TLS_ALERT) return new UnsupportedHandshake('the peer speaks TLS')
  if (HTTP_ANSWERS.includes(first)) return new Error('the peer is an HTTP server')
  if (first > 0x20 && first < 0x7f) {
    const text = escapeControls(buf.toString('latin1', at, at + MAX_SHOWN_CHARS))
    return new Error(`the peer speaks another protocol, it sent "${text}"`)
  }
  return new Error(`expected a map, got byte 0x${first.toString(16)}`)
}

function ackOf(buf: Buffer, start: number, end: number): string {
  let at = mapBody(buf, start)
  while (at < end) {
    const value = skip(buf, at, end)
    const key = readStr(buf, at)
    const next = skip(buf, value, end)
    if (key === 'ack') {
      const id = readStr(buf, value)
      if (id !== undefined) return id
    }
    at = next
  }
  throw new Error('a response without "ack"')
}

/** Returns the str or bin at `at` as text; undefined if it is neither. */
function readStr(buf: Buffer, at: number): string | undefined {
  const span = spanOf(buf, at)
  return span === undefined ? undefined : buf.toString('utf8', span.start, span.end)
}

/**
 * Rewrites entries from EventTime to whole seconds, for receivers older than fluentd 0.14: `d7 00 <sec><nsec>` becomes
 * `ce <sec>`; metadata is left out. Returns the end in `out`, or -1 when the bytes are not entries.
 */
export function entriesWithIntegerTime(
  src: Buffer,
  start: number,
  end: number,
  out: Buffer,
  at: number,
): number {
  let from = start
  let to = at
  while (from < end) {
    const next = skip(src, from, end)
    const time = timeOf(src, from)
    if (next < 0 || src[time] !== EVENT_TIME) return -1
    const map = time === from + 1 ? from + 11 : skip(src, from + 1, next)
    out[to] = 0x92
    out[to + 1] = 0xce
    src.copy(out, to + 2, time + 2, time + 6)
    to += 6 + src.copy(out, to + 6, map, next)
    from = next
  }
  return to
}

/** Rewrites entries `[[time, metadata], map]` to `[time, map]`. Returns the end in `out`, or -1 when the bytes are not entries. */
export function entriesWithoutMetadata(
  src: Buffer,
  start: number,
  end: number,
  out: Buffer,
  at: number,
): number {
  let from = start
  let to = at
  while (from < end) {
    const next = skip(src, from, end)
    if (next < 0 || src[from] !== 0x92) return -1
    const time = timeOf(src, from)
    out[to++] = 0x92
    if (time === from + 1) to += src.copy(out, to, time, next)
    else {
      to += src.copy(out, to, time, skip(src, time, next))
      to += src.copy(out, to, skip(src, from + 1, next), next)
    }
    from = next
  }
  return to
}

const EVENT_TIME = 0xd7

/** Returns the offset of the time of the entry at `at`, with metadata or without; -1 when it is not an entry. */
function timeOf(src: Buffer, at: number): number {
  if (src[at] !== 0x92) return -1
  return src[at + 1] === 0x92 ? at + 2 : at + 1
}
