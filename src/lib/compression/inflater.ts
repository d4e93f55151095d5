import type { Gunzip, Inflate, InflateRaw, ZstdDecompress } from 'node:zlib'
import { Malformed } from '../../core/malformed.ts'
import type { PieceReader } from './piece-reader.ts'
import { measureFrames } from './zstd-frames.ts'

/** `deflate` is zlib's format, or bare deflate, which some programs send under that name; `snappy` is the framed format. */
export type Compression = 'gzip' | 'zstd' | 'deflate' | 'snappy'

/** Formats with a decoder of node:zlib. */
type Format = 'gzip' | 'zstd' | 'deflate' | 'raw'

type Zlib = typeof import('node:zlib')

/**
 * The part of a stream of node:zlib that its own synchronous functions use. The stream itself and the one-shot functions allocate
 * each piece of their output anew: with payloads of 20 MB that is garbage faster than the runtime collects it.
 */
interface Handle {
  onerror: (message: string) => void
  writeSync(
    flush: number,
    from: Buffer,
    fromAt: number,
    fromBytes: number,
    to: Buffer,
    toAt: number,
    toBytes: number,
  ): void
  reset(): void
  close(): void
}

interface Internals {
  _handle: Handle
  /** Bytes left in the output, and in the input, after `writeSync`. */
  _writeState: Uint32Array
}

/** Window of zstd up to which every decoder should go, by RFC 8878. Level 19 of zstd has it, the usual ones a quarter. */
const MAX_WINDOW_BYTES = 8_388_608
const MAX_WINDOW_LOG = 23
const MIN_GZIP_BYTES = 18
/** Memory of a decoder of gzip or deflate. */
const GZIP_BYTES = 49_152
/** Memory of a snappy decoder: one chunk. */
const SNAPPY_BYTES = 65_536
/** Memory of a zstd decoder besides its window. */
const ZSTD_BYTES = 425_984
/** Decoders that are kept for the next payloads, of each kind; none with more memory than this. */
const MAX_KEPT = 2
const MAX_KEPT_BYTES = 3_000_000
/** Smallest output buffer of a stream, which is not used. */
const CHUNK_BYTES = 64

/** Makes inflaters, and keeps some of their decoders: one costs as much as a small payload. node:zlib is loaded at the first use. */
export class Inflaters {
  readonly #maxBytes: number
  readonly #kept: Record<Format, Decoder[]> = { gzip: [], zstd: [], deflate: [], raw: [] }

  /** `maxBytes` is the limit for a decompressed payload. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Returns the memory in bytes that decompressing the payload takes besides its output. Throws `Malformed` for a payload that
   * says itself that it is too large, before any of its records were used.
   */
  bytesFor(payload: Buffer, how: Compression): number {
    if (how === 'gzip') {
      // The size of the last member, usually the only one. No payload of fewer bytes is complete.
      if (payload.length >= MIN_GZIP_BYTES) this.#check(payload.readUInt32LE(payload.length - 4), how)
      return GZIP_BYTES
    }
    if (how === 'snappy') return SNAPPY_BYTES
    if (how === 'deflate') return GZIP_BYTES
    const { window, content } = measureFrames(payload, 0, payload.length)
    this.#check(content, how)
    if (window > MAX_WINDOW_BYTES)
      throw new Malformed(`a zstd payload with a window of ${window} bytes, the limit is ${MAX_WINDOW_BYTES}`)
    return window + ZSTD_BYTES
  }

  /** `bytes` is the memory from `bytesFor`. */
  async begin(payload: Buffer, how: Compression, bytes: number): Promise<PieceReader> {
    if (how === 'snappy') {
      const { SnappyInflater } = await import('./snappy-frames.ts')
      return new SnappyInflater(payload, this.#maxBytes)
    }
    const format = how === 'deflate' && !hasZlibHead(payload) ? 'raw' : how
    const kept = this.#kept[format]
    const decoder = kept.pop() ?? newDecoder(await import('node:zlib'), format)
    return new Inflater(decoder, payload, this.#maxBytes, (isIntact) => {
      if (!isIntact || bytes > MAX_KEPT_BYTES || kept.length === MAX_KEPT) decoder.handle.close()
      else {
        decoder.handle.reset()
        kept.push(decoder)
      }
    })
  }

  #check(bytes: number, how: Compression): void {
    if (bytes > this.#maxBytes) throw tooLarge(how, this.#maxBytes)
  }
}

function tooLarge(how: string, maxBytes: number): Malformed {
  return new Malformed(`a ${how} payload of more than ${maxBytes} bytes when decompressed`)
}

/** Returns true for the two bytes before deflate in zlib's format: method 8, and a multiple of 31. */
function hasZlibHead(payload: Buffer): boolean {
  return payload.length >= 2 && ((payload[0] as number) & 15) === 8 && payload.readUInt16BE(0) % 31 === 0
}

interface Decoder {
  how: Format
  /** Keeps the handle alive. */
  stream: Gunzip | Inflate | InflateRaw | ZstdDecompress
  handle: Handle
  state: Uint32Array
  finish: number
}

function newDecoder(zlib: Zlib, how: Format): Decoder {
  const { createGunzip, createInflate, createInflateRaw, createZstdDecompress, constants } = zlib
  if (how === 'zstd' && createZstdDecompress === undefined)
    throw new Malformed('a zstd payload, which this runtime cannot decompress')
  const create = { gzip: createGunzip, deflate: createInflate, raw: createInflateRaw }
  const stream =
    how === 'zstd'
      ? createZstdDecompress({
          chunkSize: CHUNK_BYTES,
          params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
        })
      : create[how]({ chunkSize: CHUNK_BYTES })
  const { _handle: handle, _writeState: state } = stream as unknown as Internals
  return { how, stream, handle, state, finish: how === 'zstd' ? constants.ZSTD_e_end : constants.Z_FINISH }
}

/**
 * Decompresses gzip of one or more members, deflate, or frames of zstd. A bomb costs one piece, until its output exceeds the limit or
 * its entries are malformed.
 */
class Inflater implements PieceReader {
  readonly #decoder: Decoder
  readonly #payload: Buffer
  readonly #maxBytes: number
  readonly #onClose: (isIntact: boolean) => void
  #at = 0
  #bytes = 0
  #isClosed = false
  #error: string | undefined
  isAtEnd = false

  constructor(decoder: Decoder, payload: Buffer, maxBytes: number, onClose: (isIntact: boolean) => void) {
    this.#decoder = decoder
    this.#payload = payload
    this.#maxBytes = maxBytes
    this.#onClose = onClose
    decoder.handle.onerror = (message) => {
      this.#error = message
    }
  }

  read(buf: Buffer, start: number, end: number): number {
    const { handle, state, finish, how } = this.#decoder
    const left = this.#payload.length - this.#at
    handle.writeSync(finish, this.#payload, this.#at, left, buf, start, end - start)
    if (this.#error !== undefined)
      throw new Malformed(`a ${how} payload that cannot be decompressed: ${this.#error}`)
    const [toLeft = 0, fromLeft = 0] = state
    const made = end - start - toLeft
    this.#bytes += made
    if (this.#bytes > this.#maxBytes) throw tooLarge(how, this.#maxBytes)
    // Without progress the rest is the padding after the last gzip member.
    this.isAtEnd = (fromLeft === 0 && toLeft > 0) || (made === 0 && fromLeft === left)
    this.#at = this.#payload.length - fromLeft
    return made
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClose(this.#error === undefined)
  }
}
