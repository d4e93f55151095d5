import { strHeadSize, writeMapHead, writeStrHead } from '../../core/msgpack/encode.ts'
import { mapHeadSize } from '../../core/msgpack/map-head.ts'
import type { EntryWriter } from '../../core/parser.ts'
import type { JsonTranscoder } from '../json/json-to-msgpack.ts'
import { copyText, putWords, sourceView, targetView, wordsOf } from '../text/data-views.ts'
import type { Rfc3339 } from '../time/rfc3339.ts'

const HEAD = word('{"log":"')
const LOG_KEY = [0xa3, 0x6c, 0x6f, 0x67] as const
/** Between the end of the text and the time, for each stream. */
const STDOUT = middle('stdout')
const STDERR = middle('stderr')
const MIDDLE = 28
/** `"}` behind the time. */
const TAIL = 2
const TIME_MAX = 40
/** What Docker writes most: nine digits and Z. */
const TIME_USUAL = 30
const SHORTEST = 8 + MIDDLE + 19 + TAIL

/**
 * The lines of Docker's json-file driver, told by their fixed bytes at both ends:
 *
 * ```
 *   {"log":"any text\n","stream":"stdout","time":"2026-11-21T06:00:00.123456789Z"}
 *   |------|          |---------------------------|                              |
 * ```
 * The text is copied in one go when its only escape is the `\n` at its end. Control characters, which Docker always
 * escapes, are not looked for in it. Any other form (attrs, another order, blanks) is left to the JSON transcoder.
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

  /** False: it has another form, or the time is none; `out` is as before. */
  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    if (end - start < SHORTEST || src[end - 1] !== 0x7d || src[end - 2] !== 0x22) return false
    const view = sourceView(src)
    if (view.getFloat64(start) !== HEAD) return false
    const time = this.#timeStart(src, start, end)
    const text = time - MIDDLE
    if (text < start + 8) return false
    const rest = isMiddle(view, text, STDOUT) ? STDOUT : isMiddle(view, text, STDERR) ? STDERR : undefined
    if (rest === undefined) return false
    const pairs = (this.#keep ? 3 : 2) + out.extraPairs
    const body = out.at + mapHeadSize(pairs)
    const value = this.#text(src, start + 7, text, out.buf, body + 4)
    if (value < 0 || !this.#readTime(src, time, end - TAIL, out)) return false
    writeMapHead(out.buf, out.at, pairs)
    const buf = out.buf
    buf[body] = LOG_KEY[0]
    buf[body + 1] = LOG_KEY[1]
    buf[body + 2] = LOG_KEY[2]
    buf[body + 3] = LOG_KEY[3]
    putWords(targetView(buf), value, rest.pairs)
    out.at = this.#keep
      ? copyText(src, view, time, end - TAIL, buf, writeStrHead(buf, value + rest.withKey, end - TAIL - time))
      : value + rest.alone
    return true
  }

  /** All of the string must be a time: it is copied without a look at escapes. */
  #readTime(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    const { sec, nsec } = out
    if (this.#time.parse(src, start, end, out) && this.#time.end === end) return true
    out.sec = sec
    out.nsec = nsec
    return false
  }

  /** Where the time begins behind its quote; 0 when there is none of a likely length. */
  #timeStart(src: Buffer, start: number, end: number): number {
    const usual = end - TAIL - TIME_USUAL
    // A quote that far from the end may also be that of the key, before a shorter time.
    if (usual > start && src[usual - 1] === 0x22 && src[usual] === 0x32) return usual
    for (let p = end - TAIL - 1; p > start && p > end - TIME_MAX; p--) if (src[p] === 0x22) return p + 1
    return 0
  }

  /** The string from its quote at `quote`, which must end at `end`: the offset behind what it wrote, or -1. */
  #text(src: Buffer, quote: number, end: number, out: Buffer, at: number): number {
    const from = quote + 1
    const slash = src.indexOf(0x5c, from)
    if (slash >= 0 && slash < end && !(slash === end - 2 && src[slash + 1] === 0x6e)) {
      const o = this.#json.string(src, quote, end + 1, out, at)
      return this.#json.end === end + 1 ? o : -1
    }
    if (src.indexOf(0x22, from) !== end) return -1
    const broken = slash === end - 2 && slash >= from
    const plain = broken ? end - 2 : end
    const length = plain - from + (broken ? 1 : 0)
    const o = at + strHeadSize(length)
    writeStrHead(out, at, length)
    src.copy(out, o, from, plain)
    if (broken) out[o + length - 1] = 0x0a
    return o + length
  }
}

interface Middle {
  /** `","stream":"std...","time":"` in three and a half words. */
  words: Float64Array
  last: number
  /** `stream` and `time` keys as MessagePack; sizes with the key `time` and without it. */
  pairs: Float64Array
  withKey: number
  alone: number
}

function middle(stream: string): Middle {
  const bytes = Buffer.from(`","stream":"${stream}","time":"`)
  const alone = Buffer.from(`\xa6stream\xa6${stream}`, 'latin1')
  const pairs = Buffer.concat([alone, Buffer.from('\xa4time', 'latin1')])
  const words = wordsOf(bytes.subarray(0, 24))
  return {
    words,
    last: bytes.readUInt32BE(24),
    pairs: wordsOf(pairs),
    withKey: pairs.length,
    alone: alone.length,
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
