import { encodeStr, skip } from '../../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../../core/msgpack/record.ts'
import type { Stream } from './annotations.ts'

const STREAM = encodeStr('stream')
const STDOUT = encodeStr('stdout')
const STDERR = encodeStr('stderr')
/** Keys of records from the cri parser. */
const LOGTAG = encodeStr('logtag')
const MESSAGE = encodeStr('message')
/** All types from here on are no short texts; among them are bytes and all texts with a length of their own. */
const FIRST_LONG_HEAD = 0xc4

/**
 * The offsets of one record's pairs, reused for every record. The line is `log`. The cri parser names it `message`, as
 * in fluent-bit, which then finds no line to merge: here `message` is the line of a record with `logtag` and without
 * `log`. In any other record `message` is an ordinary field.
 */
export class RecordFields {
  /** Number of pairs, offset of each, and offset of the first. */
  count = 0
  pairs = new Int32Array(64)
  body = 0
  /**
   * Offset of the line's pair, its end, and the start and length of its text; the length is -1 without a string line.
   */
  logPair = -1
  logEnd = -1
  logStart = -1
  logLength = -1
  /** True when a key has a longer head than necessary, or may have: it is none of ours, and may equal another. */
  hasLongHead = false
  /** Value of the field `stream`. */
  stream: Stream | undefined
  readonly #logKey: Buffer

  constructor(logKey: Buffer) {
    this.#logKey = logKey
  }

  /** Reads the pairs of the map at `map`; returns the end of the map. */
  read(buf: Buffer, map: number, end: number): number {
    const count = mapPairs(buf, map)
    if (count > this.pairs.length) this.pairs = new Int32Array(count * 2)
    this.count = count
    this.logPair = this.logLength = -1
    this.stream = undefined
    this.hasLongHead = false
    let hasLogtag = false
    let message = -1
    let at = mapBody(buf, map)
    this.body = at
    for (let i = 0; i < count; i++) {
      this.pairs[i] = at
      // Keys of more than 31 bytes are rare.
      if ((buf[at] as number) >= FIRST_LONG_HEAD) this.hasLongHead = true
      const value = skip(buf, at, end)
      const next = skip(buf, value, end)
      if (isAt(buf, at, this.#logKey)) this.#setLog(buf, at, value, next)
      else if (isAt(buf, at, STREAM)) this.stream = streamAt(buf, value)
      else if (isAt(buf, at, LOGTAG)) hasLogtag = true
      else if (isAt(buf, at, MESSAGE)) message = at
      at = next
    }
    if (hasLogtag && message >= 0 && this.logPair < 0) {
      const value = skip(buf, message, end)
      this.#setLog(buf, message, value, skip(buf, value, end))
    }
    return at
  }

  #setLog(buf: Buffer, pair: number, value: number, next: number): void {
    this.logPair = pair
    this.logEnd = next
    const head = textHead(buf, value)
    this.logStart = value + head
    this.logLength = head < 0 ? -1 : textLength(buf, value)
  }
}

function streamAt(buf: Buffer, at: number): Stream | undefined {
  if (isAt(buf, at, STDOUT)) return 'stdout'
  return isAt(buf, at, STDERR) ? 'stderr' : undefined
}

/** Compares short strings including their heads; a loop is faster than `compare`. */
function isAt(buf: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (buf[at + i] !== text[i]) return false
  return true
}
