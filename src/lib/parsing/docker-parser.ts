import { strHeadSize, writeMapHead, writeStrHead } from '../../core/msgpack/encode.ts'
import { mapHeadSize } from '../../core/msgpack/map-head.ts'
import type { EntryWriter } from '../../core/parser.ts'
import type { JsonTranscoder } from '../json/json-to-msgpack.ts'
import { copyText, putWords, sourceView, targetView, wordsOf } from '../text/data-views.ts'
import type { Rfc3339 } from '../time/rfc3339.ts'

const HEAD = word('{"log":"')
const LOG_KEY = [0xa3, 0x6c, 0x6f, 0x67] as const
/** Bytes between the end of the text and the time, for each stream. */
const STDOUT = middle('stdout')
const STDERR = middle('stderr')
const MIDDLE_BYTES = 28
/** Length of `"}` after the time. */
const TAIL_BYTES = 2
const MAX_TIME_BYTES = 40
/** Length of the time that Docker nearly always writes: nine digits and Z. */
const COMMON_TIME_BYTES = 30
const MIN_LINE_BYTES = 8 + MIDDLE_BYTES + 19 + TAIL_BYTES

/**
 * Parses the lines of Docker's json-file driver, which it recognizes by their fixed bytes at both ends:
 *
 * ```
 *   {"log":"any text\n","stream":"stdout","time":"2026-11-21T06:00:00.123456789Z"}
 *   |------|          |---------------------------|                              |
 * ```
 * The text is copied in one call when its only escape is the `\n` at its end. It is not checked for control characters,
 * which Docker always escapes. Any other form (attrs, another order, blanks) is left to the JSON transcoder.
 */
export class DockerParser {
  readonly #json: JsonTranscoder
  readonly #time: Rfc3339
  readonly #keep: boolean

  constructor(json: JsonTranscoder, time: Rfc3339, keep: boolean) {
    this.#json = json
    this.#time = time
    this.#keep = keep
  }

  /** Returns false, with `out` unchanged, when the line has another form or its time is not valid. */
  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    if (end - start < MIN_LINE_BYTES || src[end - 1] !== 0x7d || src[end - 2] !== 0x22) return false
    const view = sourceView(src)
    if (view.getFloat64(start) !== HEAD) return false
    const time = this.#timeStart(src, start, end)
    const text = time - MIDDLE_BYTES
    if (text < start + 8) return false
    const rest = isMiddle(view, text, STDOUT) ? STDOUT : isMiddle(view, text, STDERR) ? STDERR : undefined
    if (rest === undefined) return false
    const pairs = (this.#keep ? 3 : 2) + out.extraPairs
    const body = out.at + mapHeadSize(pairs)
    const value = this.#text(src, start + 7, text, out.buf, body + 4)
    if (value < 0 || !this.#readTime(src, time, end - TAIL_BYTES, out)) return false
    writeMapHead(out.buf, out.at, pairs)
    const buf = out.buf
    buf[body] = LOG_KEY[0]
    buf[body + 1] = LOG_KEY[1]
    buf[body + 2] = LOG_KEY[2]
    buf[body + 3] = LOG_KEY[3]
    putWords(targetView(buf), value, rest.pairs)
    out.at = this.#keep
      ? copyText(
          src,
          view,
          time,
          end - TAIL_BYTES,
          buf,
          writeStrHead(buf, value + rest.withTime, end - TAIL_BYTES - time),
        )
      : value + rest.withoutTime
    return true
  }

  /** Reads the time, which must be the complete string: it is copied without a check for escapes. */
  #readTime(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    const { sec, nsec } = out
    if (this.#time.parse(src, start, end, out) && this.#time.end === end) return true
    out.sec = sec
    out.nsec = nsec
    return false
  }

  /** Returns the offset of the time after its quote; 0 when there is none of a likely length. */
  #timeStart(src: Buffer, start: number, end: number): number {
    const common = end - TAIL_BYTES - COMMON_TIME_BYTES
    // A quote that far from the end may also be that of the key, before a shorter time.
    if (common > start && src[common - 1] === 0x22 && src[common] === 0x32) return common
    for (let p = end - TAIL_BYTES - 1; p > start && p > end - MAX_TIME_BYTES; p--)
      if (src[p] === 0x22) return p + 1
    return 0
  }

  /** Writes the string that begins at `quote` and must end at `end`; returns the offset after what it wrote, or -1. */
  #text(src: Buffer, quote: number, end: number, out: Buffer, at: number): number {
    const from = quote + 1
    const slash = src.indexOf(0x5c, from)
    if (slash >= 0 && slash < end && !(slash === end - 2 && src[slash + 1] === 0x6e))
      return isInside(src, from, end) ? this.#json.unescaped(src, from, end, out, at) : -1
    if (src.indexOf(0x22, from) !== end) return -1
    const hasNewline = slash === end - 2 && slash >= from
    const plain = hasNewline ? end - 2 : end
    const length = plain - from + (hasNewline ? 1 : 0)
    const dst = at + strHeadSize(length)
    writeStrHead(out, at, length)
    src.copy(out, dst, from, plain)
    if (hasNewline) out[dst + length - 1] = 0x0a
    return dst + length
  }
}

/** Returns true when no quote in `src[start, end)` ends the string, and the last escape is complete. */
function isInside(src: Buffer, start: number, end: number): boolean {
  let p = start
  while (p < end && src[p] !== 0x22) p += src[p] === 0x5c ? 2 : 1
  return p === end
}

interface Middle {
  /** The bytes of `","stream":"std...","time":"` as three words of 64 bits and one of 32. */
  words: Float64Array
  last: number
  /** The pair `stream` and the key `time` as MessagePack. */
  pairs: Float64Array
  /** Size of `pairs` with the key `time`, and without it. */
  withTime: number
  withoutTime: number
}

function middle(name: string): Middle {
  const bytes = Buffer.from(`","stream":"${name}","time":"`)
  const stream = Buffer.from(`\xa6stream\xa6${name}`, 'latin1')
  const pairs = Buffer.concat([stream, Buffer.from('\xa4time', 'latin1')])
  const words = wordsOf(bytes.subarray(0, 24))
  return {
    words,
    last: bytes.readUInt32BE(24),
    pairs: wordsOf(pairs),
    withTime: pairs.length,
    withoutTime: stream.length,
  }
}

function isMiddle(view: DataView, at: number, { words, last }: Middle): boolean {
  return (
    view.getFloat64(at + 8) === words[1] &&
    view.getFloat64(at) === words[0] &&
    view.getFloat64(at + 16) === words[2] &&
    view.getUint32(at + 24) === last
  )
}

function word(text: string): number {
  return wordsOf(Buffer.from(text))[0] as number
}
