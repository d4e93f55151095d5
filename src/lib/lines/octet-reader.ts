import type { LineHost } from './host.ts'
import { LINES, type LineEnds, LineReader } from './line-reader.ts'
import type { LineWriter, Sender } from './line-writer.ts'
import type { MessageLimit, StreamReader } from './stream-reader.ts'

const NEWLINE = 10
const BLANK = 0x20
const LESS = 0x3c
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
/** Digits of a length: more are no length. */
const MAX_DIGITS = 9

/** What stands at the beginning of a frame. */
interface FrameHead {
  /** Length of the message, or -1 when there is no head; undefined when it is incomplete. */
  length: number | undefined
  /** Offset of the message. */
  at: number
}

/** Reads frame = length SP message; length = 1*9DIGIT, not 0. RFC 6587, 3.4.1. */
function readHead(src: Buffer, start: number, end: number): FrameHead {
  let length = 0
  let at = start
  while (at < end && at - start <= MAX_DIGITS) {
    const c = src[at] as number
    if (c < DIGIT_0 || c > DIGIT_9) {
      const isHead = c === BLANK && at > start && length > 0
      return { length: isHead ? length : -1, at: at + 1 }
    }
    length = length * 10 + c - DIGIT_0
    at++
  }
  return { length: at - start > MAX_DIGITS ? -1 : undefined, at }
}

/**
 * Reads messages with octet counting. A line feed after a message is passed over. What has no length in front of it is read as a line,
 * and counted: the next frame is looked for after it.
 */
export class OctetReader implements StreamReader {
  isFull = false
  readonly #writer: LineWriter
  readonly #host: LineHost
  readonly #sender: Sender
  readonly #limit: MessageLimit
  readonly #onBadFrame: () => void
  /** Number of bytes of a message that was cut, which are still to come. */
  #left = 0
  /** Reader of what has no length. */
  readonly #lines: LineReader
  /** True until the end of such a line. */
  #isInText = false

  constructor(
    writer: LineWriter,
    host: LineHost,
    sender: Sender,
    limit: MessageLimit,
    onBadFrame: () => void,
  ) {
    this.#writer = writer
    this.#host = host
    this.#sender = sender
    this.#limit = limit
    this.#onBadFrame = onBadFrame
    this.#lines = new LineReader(writer, host, sender, limit, LINES)
  }

  read(src: Buffer, start: number, end: number, isLast: boolean): number {
    this.isFull = false
    let pos = start
    while (pos < end) {
      const next = this.#left > 0 ? this.#skip(pos, end) : this.#readFrame(src, pos, end, isLast)
      if (next <= pos) return pos
      pos = next
    }
    return pos
  }

  #skip(pos: number, end: number): number {
    const bytes = Math.min(this.#left, end - pos)
    this.#left -= bytes
    this.#host.lost(bytes)
    return pos + bytes
  }

  /** Reads one frame; returns the offset after it, or `start` when it is incomplete or there is no memory. */
  #readFrame(src: Buffer, start: number, end: number, isLast: boolean): number {
    if (this.#isInText) return this.#readText(src, start, end, isLast)
    if (src[start] === NEWLINE) return start + 1
    const { length, at } = readHead(src, start, end)
    if (length === undefined) return isLast ? this.#readText(src, start, end, true) : start
    if (length < 0) return this.#readText(src, start, end, isLast)
    const { bytes } = this.#limit
    const here = Math.min(length, end - at)
    if (here === 0 && isLast) return this.#readText(src, start, end, true)
    if (length > bytes && here > bytes) return this.#cut(src, at, here, length)
    // The last message ends with the connection, whatever length it claims to have.
    if (here < length && !isLast) return start
    let to = at + here
    while (to > at && (src[to - 1] === NEWLINE || src[to - 1] === 0)) to--
    this.isFull = !this.#writer.write(this.#sender, src, at, to)
    return this.isFull ? start : at + here
  }

  #cut(src: Buffer, at: number, here: number, length: number): number {
    const written = this.#writer.writeCut(this.#sender, src, at, at + here, this.#limit.bytes)
    this.isFull = written === 0
    if (this.isFull) return 0
    this.#host.cut(this.#limit.bytes, this.#limit.option, this.#sender)
    this.#left = length - written
    return at + written
  }

  /** Reads what has no length: a line. */
  #readText(src: Buffer, start: number, end: number, isLast: boolean): number {
    const newline = src.indexOf(NEWLINE, start)
    const to = newline >= 0 && newline < end ? newline + 1 : end
    if (!this.#isInText) this.#onBadFrame()
    const next = this.#lines.read(src, start, to, isLast && to === end)
    this.isFull = this.#lines.isFull
    this.#isInText = next < to || src[to - 1] !== NEWLINE
    return next
  }
}

/**
 * Finds out from the first bytes of a connection how its messages are framed: a length, a blank and `<` mean octet counting, anything
 * else lines.
 */
export class FramingReader implements StreamReader {
  #reader: StreamReader | undefined
  readonly #asOctets: () => StreamReader
  readonly #asLines: () => StreamReader

  constructor(asOctets: () => StreamReader, asLines: () => StreamReader) {
    this.#asOctets = asOctets
    this.#asLines = asLines
  }

  get isFull(): boolean {
    return this.#reader?.isFull === true
  }

  read(src: Buffer, start: number, end: number, isLast: boolean): number {
    if (this.#reader === undefined) {
      const { length, at } = readHead(src, start, end)
      if ((length === undefined || at === end) && length !== -1 && !isLast) return start
      const isCounted = length !== undefined && length > 0 && src[at] === LESS
      this.#reader = isCounted ? this.#asOctets() : this.#asLines()
    }
    return this.#reader.read(src, start, end, isLast)
  }
}

/** Lines of syslog end with a line feed or a NUL byte. */
export const SYSLOG_LINES: LineEnds = { separator: LINES.separator, nulEnds: true }
