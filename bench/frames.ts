import { skip } from '../src/core/msgpack/encode.ts'

/** The parts of a message of the forward protocol that a sink needs. */
export interface Frame {
  /** `size` of the option map; -1 if there is none. */
  size: number
  /** Encoded `chunk` of the option map, head included, for the ack; undefined if no ack is requested. */
  chunk: Buffer | undefined
  compressed: boolean
  /** Length of the entries in bytes. */
  payloadBytes: number
  /** The entries if the reader keeps payloads, else undefined. */
  payload: Buffer | undefined
}

/**
 * Splits the byte stream of one connection into frames, reading only a few bytes per frame: payloads are skipped, not
 * copied, unless `keepPayload` is set.
 *
 * ```
 *   93  tag  bin32 length | payload ... | { chunk, size, compressed }      PackedForward
 *   93  tag  [ [time, map], ... ]         { ... }                          Forward: buffered completely, slow
 * ```
 * Anything else is an error: the sink accepts what a shipper sends and is no general peer.
 */
export class FrameReader {
  #keep: boolean
  #onFrame: (frame: Frame) => void
  /** Bytes that cannot be parsed yet: an incomplete head or option map, or a complete message in Forward mode. */
  #rest: Buffer = Buffer.alloc(0)
  #state: 'head' | 'payload' | 'option' = 'head'
  #items = 0
  #left = 0
  #payloadBytes = 0
  #kept: Buffer[] = []

  constructor(keepPayload: boolean, onFrame: (frame: Frame) => void) {
    this.#keep = keepPayload
    this.#onFrame = onFrame
  }

  feed(data: Buffer): void {
    let buf = data
    if (this.#rest.length > 0) {
      buf = Buffer.concat([this.#rest, data])
      this.#rest = Buffer.alloc(0)
    }
    let at = 0
    while (at < buf.length) {
      const next = this.#step(buf, at)
      if (next < 0) {
        this.#rest = Buffer.from(buf.subarray(at))
        return
      }
      at = next
    }
  }

  /** True between two frames: a connection that ends elsewhere was cut off. */
  get idle(): boolean {
    return this.#state === 'head' && this.#rest.length === 0
  }

  #step(buf: Buffer, at: number): number {
    if (this.#state === 'head') return this.#head(buf, at)
    if (this.#state === 'option') return this.#option(buf, at)
    const n = Math.min(this.#left, buf.length - at)
    if (this.#keep) this.#kept.push(Buffer.from(buf.subarray(at, at + n)))
    this.#left -= n
    if (this.#left === 0) this.#afterPayload()
    return at + n
  }

  #head(buf: Buffer, at: number): number {
    const first = buf[at] as number
    if (first !== 0x92 && first !== 0x93)
      throw new Error(`not a message: it begins with 0x${first.toString(16)}`)
    this.#items = first & 15
    const body = skip(buf, at + 1, buf.length)
    if (body < 0 || body >= buf.length) return -1
    const type = buf[body] as number
    if ((type & 0xf0) === 0x90 || type === 0xdc || type === 0xdd) return this.#forwardMode(buf, body)
    const width = BIN_WIDTH[type]
    if (width === undefined) throw new Error(`entries of type 0x${type.toString(16)}`)
    if (body + 1 + width > buf.length) return -1
    this.#left = this.#payloadBytes = buf.readUIntBE(body + 1, width)
    this.#state = 'payload'
    if (this.#left === 0) this.#afterPayload()
    return body + 1 + width
  }

  #forwardMode(buf: Buffer, body: number): number {
    const end = skip(buf, body, buf.length)
    if (end < 0) return -1
    this.#payloadBytes = end - body
    if (this.#keep) this.#kept.push(Buffer.from(buf.subarray(body, end)))
    this.#afterPayload()
    return end
  }

  #afterPayload(): void {
    this.#state = 'option'
    if (this.#items === 2) this.#finish(-1, undefined, false)
  }

  #option(buf: Buffer, at: number): number {
    const end = skip(buf, at, buf.length)
    if (end < 0) return -1
    let size = -1
    let chunk: Buffer | undefined
    let compressed = false
    let p = at + 1
    while (p < end) {
      const value = skip(buf, p, end)
      const next = skip(buf, value, end)
      const key = buf.toString('latin1', p + 1, value)
      if (key === 'size') size = readUint(buf, value)
      else if (key === 'chunk') chunk = Buffer.from(buf.subarray(value, next))
      else if (key === 'compressed') compressed = true
      p = next
    }
    this.#finish(size, chunk, compressed)
    return end
  }

  #finish(size: number, chunk: Buffer | undefined, compressed: boolean): void {
    const payload = this.#keep ? Buffer.concat(this.#kept) : undefined
    this.#kept = []
    this.#state = 'head'
    this.#onFrame({ size, chunk, compressed, payloadBytes: this.#payloadBytes, payload })
  }
}

/** Width in bytes of the length after the type byte of bin8/16/32 and str8/16/32. */
const BIN_WIDTH: Record<number, number> = { 196: 1, 197: 2, 198: 4, 217: 1, 218: 2, 219: 4 }

function readUint(buf: Buffer, at: number): number {
  const type = buf[at] as number
  if (type < 0x80) return type
  if (type === 0xcc) return buf[at + 1] as number
  if (type === 0xcd) return buf.readUInt16BE(at + 1)
  if (type === 0xce) return buf.readUInt32BE(at + 1)
  throw new Error(`size of type 0x${type.toString(16)}`)
}

/** Returns the number of entries in a payload; -1 if it is not a sequence of complete entries. */
export function countEntries(payload: Buffer): number {
  let count = 0
  let at = 0
  while (at < payload.length) {
    at = skip(payload, at, payload.length)
    if (at < 0) return -1
    count++
  }
  return count
}
