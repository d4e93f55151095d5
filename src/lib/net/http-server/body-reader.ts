import { Malformed } from '../../../core/malformed.ts'
import { CHUNKED, type Framing } from './head.ts'

/** Takes a part of a body, `buf[start, end)`; false when there is no place for it now, and nothing was taken. */
type TakePart = (buf: Buffer, start: number, end: number, isLast: boolean) => boolean

/** Digits of the size of a chunk: beyond them it is larger than any limit of a body. */
const MAX_SIZE_DIGITS = 8
/** Bytes of the extensions of one chunk, which are passed over, and of all fields after the last one. */
const MAX_EXTENSION_BYTES = 256
const MAX_TRAILER_BYTES = 8192

const CR = 13
const LF = 10
const SEMICOLON = 0x3b
/** Values of hexadecimal digits by character; -1 for others. */
const HEX = new Int8Array(256).fill(-1)
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16)
  HEX[text.charCodeAt(0)] = HEX[text.toUpperCase().charCodeAt(0)] = digit
}

type State =
  | 'size'
  | 'extension'
  | 'size end'
  | 'data'
  | 'data end'
  | 'chunk end'
  | 'trailer'
  | 'trailer end'
  | 'done'

/**
 * Reads the body of a request from the pieces in which it arrives:
 *
 * ```
 *   body    = length OCTETs / *chunk "0" *extension CRLF *(field CRLF) CRLF
 *   chunk   = 1*8HEXDIG *extension CRLF size OCTETs CRLF           extension = ";" *(no CR, no LF)
 * ```
 * Extensions and the fields after the last chunk are passed over. A line may not end with LF alone, as it may in the head:
 * what is lenient about chunks lets a proxy and a server see different requests.
 */
export class BodyReader {
  /** Bytes of the body that were taken so far. */
  bytes = 0
  #state: State
  /** Bytes that are left of the body, or of the chunk. */
  #left: number
  readonly #isChunked: boolean
  #digits = 0
  #passed = 0
  #isLineEmpty = true

  constructor(framing: Framing) {
    this.#isChunked = framing === CHUNKED
    this.#left = this.#isChunked ? 0 : framing
    this.#state = this.#isChunked ? 'size' : framing === 0 ? 'done' : 'data'
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /**
   * Reads `buf[start, end)` and calls `take` with the parts of the body in it. Returns the offset up to which it got: less than
   * `end` after the body, or when a part was not taken. Throws Malformed.
   */
  read(buf: Buffer, start: number, end: number, take: TakePart): number {
    let at = start
    while (at < end && this.#state !== 'done') {
      if (this.#state !== 'data') {
        this.#step(buf[at++] as number)
        continue
      }
      const partEnd = Math.min(end, at + this.#left)
      const isEnd = partEnd - at === this.#left
      if (!take(buf, at, partEnd, isEnd && !this.#isChunked)) return at
      this.bytes += partEnd - at
      this.#left -= partEnd - at
      at = partEnd
      if (isEnd) this.#state = this.#isChunked ? 'data end' : 'done'
    }
    return at
  }

  /** Reads one byte of the frame around chunks. */
  #step(byte: number): void {
    switch (this.#state) {
      case 'size':
        this.#readSize(byte)
        return
      case 'extension':
        if (byte === CR) this.#state = 'size end'
        else if (byte === LF) throw badChunk('a line of it ends without CR')
        else if (++this.#passed > MAX_EXTENSION_BYTES) throw badChunk('its extensions are too long')
        return
      case 'size end':
        if (byte !== LF) throw badChunk('CR without LF')
        this.#beginChunk()
        return
      case 'data end':
        if (byte !== CR) throw badChunk('it is longer than its size')
        this.#state = 'chunk end'
        return
      case 'chunk end':
        if (byte !== LF) throw badChunk('CR without LF')
        this.#left = this.#digits = 0
        this.#state = 'size'
        return
      case 'trailer':
        this.#readTrailer(byte)
        return
      default:
        if (byte !== LF) throw badChunk('CR without LF')
        this.#state = this.#isLineEmpty ? 'done' : 'trailer'
        this.#isLineEmpty = true
    }
  }

  #readSize(byte: number): void {
    const digit = HEX[byte] as number
    if (digit >= 0) {
      if (++this.#digits > MAX_SIZE_DIGITS) throw badChunk('its size has too many digits')
      this.#left = this.#left * 16 + digit
      return
    }
    if (this.#digits === 0 || (byte !== CR && byte !== SEMICOLON))
      throw badChunk('its size is no hexadecimal number')
    this.#passed = 0
    this.#state = byte === CR ? 'size end' : 'extension'
  }

  #beginChunk(): void {
    this.#passed = 0
    this.#state = this.#left > 0 ? 'data' : 'trailer'
  }

  #readTrailer(byte: number): void {
    if (++this.#passed > MAX_TRAILER_BYTES) throw badChunk('the fields after the last one are too long')
    if (byte === CR) this.#state = 'trailer end'
    else if (byte === LF) throw badChunk('a line of it ends without CR')
    else this.#isLineEmpty = false
  }
}

function badChunk(what: string): Malformed {
  return new Malformed(`a malformed chunk: ${what}`)
}
