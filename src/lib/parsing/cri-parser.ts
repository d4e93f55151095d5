import { encodeStr, writeMapHead, writeStrHead } from '../../core/msgpack/encode.ts'
import type { EntryWriter, Parser } from '../../core/parser.ts'
import { copyString } from '../json/json-to-msgpack.ts'
import { copyText, putWords, sourceView, targetView, wordsOf } from '../text/data-views.ts'
import { Rfc3339 } from '../time/rfc3339.ts'

const STREAM = encodeStr('stream')
const TIME = encodeStr('time')
/** The words are written with up to seven bytes too many; the keys take 27 at least, and those that are given. */
const BOUND = 64

/** ` stdout F ` and ` stderr F `, 10 bytes, and the pairs they become, up to the message. */
interface Middle {
  text: number
  pairs: Float64Array
  size: number
}

function middle(stream: string, tag: string, keys: CriKeys): Middle {
  const pairs = Buffer.concat([
    ...[STREAM, encodeStr(stream), encodeStr(keys.tag), encodeStr(tag)],
    encodeStr(keys.text),
  ])
  const text = wordsOf(Buffer.from(` ${stream} `))[0] as number
  return { text, pairs: wordsOf(pairs), size: pairs.length }
}

/** Of the record: what the letter and the message are called. */
interface CriKeys {
  tag: string
  text: string
}

/** line = time SP stream SP tag SP message; stream and tag are words without blanks, the message may be empty. */
export class CriParser implements Parser {
  readonly lineFormat: Parser['lineFormat']
  readonly #time = new Rfc3339()
  readonly #keep: boolean
  readonly #tagKey: Buffer
  readonly #textKey: Buffer
  readonly #out: [f: Middle, p: Middle]
  readonly #err: [f: Middle, p: Middle]

  /** `keep`: the time stays in the record. */
  constructor(keep: boolean, keys: CriKeys) {
    this.#keep = keep
    this.#tagKey = encodeStr(keys.tag)
    this.#textKey = encodeStr(keys.text)
    this.#out = [middle('stdout', 'F', keys), middle('stdout', 'P', keys)]
    this.#err = [middle('stderr', 'F', keys), middle('stderr', 'P', keys)]
    this.lineFormat = { name: 'cri', keepTime: keep, tagKey: keys.tag, textKey: keys.text }
  }

  bound(length: number): number {
    return length + BOUND + this.#tagKey.length + this.#textKey.length
  }

  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    const { sec, nsec } = out
    if (!this.#time.parse(src, start, end, out)) return false
    const p = this.#time.end
    if (p + 10 <= end && src[p + 9] === 0x20) {
      const rest = this.#middle(src, p)
      if (rest !== undefined) {
        let at = this.#begin(src, start, p, out)
        putWords(targetView(out.buf), at, rest.pairs)
        at = writeStrHead(out.buf, at + rest.size, end - p - 10)
        src.copy(out.buf, at, p + 10, end)
        out.at = at + end - p - 10
        return true
      }
    }
    if (this.#words(src, start, p, end, out)) return true
    out.sec = sec
    out.nsec = nsec
    return false
  }

  #middle(src: Buffer, p: number): Middle | undefined {
    const stream = sourceView(src).getFloat64(p)
    const tag = src[p + 8]
    const [whole, partial] = stream === this.#out[0].text ? this.#out : this.#err
    if (stream !== whole.text) return undefined
    return tag === 0x46 ? whole : tag === 0x50 ? partial : undefined
  }

  /** Head of the map and the time. */
  #begin(src: Buffer, start: number, end: number, out: EntryWriter): number {
    const buf = out.buf
    let at = writeMapHead(buf, out.at, (this.#keep ? 4 : 3) + out.extraPairs)
    if (!this.#keep) return at
    for (let i = 0; i < TIME.length; i++) buf[at++] = TIME[i] as number
    at = writeStrHead(buf, at, end - start)
    return copyText(src, sourceView(src), start, end, buf, at)
  }

  /** The same for other streams and for tags of more than one letter. */
  #words(src: Buffer, start: number, p: number, end: number, out: EntryWriter): boolean {
    if (p >= end || src[p] !== 0x20) return false
    const stream = wordEnd(src, p + 1, end)
    const tag = wordEnd(src, stream + 1, end)
    if (stream === p + 1 || tag === stream + 1 || tag >= end) return false
    const buf = out.buf
    let at = this.#begin(src, start, p, out)
    at += STREAM.copy(buf, at)
    at = copyString(src, p + 1, stream, buf, at)
    at += this.#tagKey.copy(buf, at)
    at = copyString(src, stream + 1, tag, buf, at)
    at += this.#textKey.copy(buf, at)
    out.at = copyString(src, tag + 1, end, buf, at)
    return true
  }
}

/** The next blank, or `end`. */
function wordEnd(src: Buffer, start: number, end: number): number {
  let p = start
  while (p < end && src[p] !== 0x20) p++
  return p
}
