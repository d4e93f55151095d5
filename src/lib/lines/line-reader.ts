import type { LineHost } from './host.ts'
import type { LineWriter, Sender } from './line-writer.ts'
import type { MessageLimit, StreamReader } from './stream-reader.ts'

const NEWLINE = 10
const LINE_FEED = Buffer.from('\n')

/** What ends a message: a line feed, also a NUL byte (`nulEnds`), or any other text. */
export interface LineEnds {
  readonly separator: Buffer
  readonly nulEnds: boolean
}

export const LINES: LineEnds = { separator: LINE_FEED, nulEnds: false }

/**
 * Reads messages that end with a separator. One that is longer than the limit is cut, and the rest of it skipped; empty ones are passed
 * over. The last one needs no separator.
 */
export class LineReader implements StreamReader {
  isFull = false
  readonly #writer: LineWriter
  readonly #host: LineHost
  readonly #sender: Sender
  readonly #limit: MessageLimit
  readonly #separator: Buffer
  readonly #isPlain: boolean
  readonly #nulEnds: boolean
  /** Number of bytes of an incomplete message in which no separator was found. */
  #searched = 0
  /** True within the rest of a message that was cut. */
  #isSkipping = false

  constructor(
    writer: LineWriter,
    host: LineHost,
    sender: Sender,
    limit: MessageLimit,
    ends: LineEnds = LINES,
  ) {
    this.#writer = writer
    this.#host = host
    this.#sender = sender
    this.#limit = limit
    this.#separator = ends.separator
    this.#isPlain = ends.separator.equals(LINE_FEED)
    this.#nulEnds = ends.nulEnds
  }

  read(src: Buffer, start: number, end: number, isLast: boolean): number {
    this.isFull = false
    if (this.#nulEnds) endAtNuls(src, start + this.#searched, end)
    let pos = this.#isSkipping ? this.#skip(src, start, end, isLast) : start
    // Without a complete message: nothing more can be found.
    const first = this.#find(src, pos + this.#searched, end)
    if (first >= 0) {
      this.#searched = 0
      pos = this.#isPlain ? this.#readLines(src, pos, end) : this.#readMessages(src, pos, first, end)
      if (this.isFull) return pos
    }
    return this.#readRest(src, pos, end, isLast)
  }

  /** Returns the offset of the next separator that ends before `end`, or -1. */
  #find(src: Buffer, from: number, end: number): number {
    const at = this.#isPlain ? src.indexOf(NEWLINE, from) : src.indexOf(this.#separator, from)
    return at >= 0 && at + this.#separator.length <= end ? at : -1
  }

  /** Writes the complete lines of a block, of which there is at least one. */
  #readLines(src: Buffer, start: number, end: number): number {
    const last = src.lastIndexOf(NEWLINE, end - 1) + 1
    const { bytes } = this.#limit
    if (last - start <= bytes) return this.#writeLines(src, start, last)
    let run = start
    let pos = start
    while (pos < last) {
      const newline = src.indexOf(NEWLINE, pos)
      if (newline - pos > bytes) {
        if (this.#writeLines(src, run, pos) < pos) return run
        if (!this.#cut(src, pos, newline)) return pos
        run = newline + 1
      }
      pos = newline + 1
      // What was written is not written again when memory is missing later.
      if (pos - run < MAX_RUN_BYTES && pos < last) continue
      const done = this.#writeLines(src, run, pos)
      if (done < pos) return done
      run = pos
    }
    return pos
  }

  #writeLines(src: Buffer, start: number, end: number): number {
    if (start >= end) return end
    const done = this.#writer.writeLines(this.#sender, src, start, end)
    this.isFull = done < end
    return done
  }

  #readMessages(src: Buffer, start: number, first: number, end: number): number {
    let pos = start
    for (let at = first; at >= 0; at = this.#find(src, pos, end)) {
      const isWritten =
        at - pos > this.#limit.bytes
          ? this.#cut(src, pos, at)
          : this.#writer.write(this.#sender, src, pos, at)
      this.isFull = !isWritten
      if (!isWritten) return pos
      pos = at + this.#separator.length
    }
    return pos
  }

  /** Writes the beginning of the message src[start, end), which is too long. */
  #cut(src: Buffer, start: number, end: number): boolean {
    const written = this.#writer.writeCut(this.#sender, src, start, end, this.#limit.bytes)
    this.isFull = written === 0
    if (this.isFull) return false
    this.#host.cut(this.#limit.bytes, this.#limit.option, this.#sender)
    this.#host.lost(end - start - written)
    return true
  }

  /** Handles what follows the last separator. */
  #readRest(src: Buffer, start: number, end: number, isLast: boolean): number {
    const length = end - start
    this.#searched = 0
    // The last bytes may be the beginning of a separator.
    const kept = isLast ? 0 : this.#separator.length - 1
    if (length - kept > this.#limit.bytes) {
      if (!this.#cut(src, start, end - kept)) return start
      this.#isSkipping = !isLast
      return end - kept
    }
    if (length === 0) return end
    if (!isLast) {
      this.#searched = Math.max(0, length - this.#separator.length + 1)
      return start
    }
    this.isFull = !this.#writer.write(this.#sender, src, start, end)
    return this.isFull ? start : end
  }

  /** Passes over the rest of a message that was cut; returns the beginning of the next one, or what has to be looked at again. */
  #skip(src: Buffer, start: number, end: number, isLast: boolean): number {
    const at = this.#find(src, start, end)
    if (at >= 0) {
      this.#isSkipping = false
      this.#host.lost(at - start)
      return at + this.#separator.length
    }
    const kept = isLast ? 0 : Math.min(end - start, this.#separator.length - 1)
    this.#host.lost(end - start - kept)
    return end - kept
  }
}

/** Lines that are written at once while lines are compared with the limit. */
const MAX_RUN_BYTES = 65_536

/** Lets messages end that a NUL byte ends. */
function endAtNuls(src: Buffer, start: number, end: number): void {
  for (let at = src.indexOf(0, start); at >= 0 && at < end; at = src.indexOf(0, at + 1)) src[at] = NEWLINE
}
