import { encodeStr, writeMapHead, writeStrHead } from '../../core/msgpack/encode.ts'
import type { CriForm, CriLines, EntryWriter, Parser, ParserKernel } from '../../core/parser.ts'
import { copyString } from '../json/json-to-msgpack.ts'
import { copyText, putWords, sourceView, targetView, wordsOf } from '../text/data-views.ts'
import { Rfc3339 } from '../time/rfc3339.ts'
import { CriKernel } from '../wasm/cri-kernel.ts'

const STREAM = encodeStr('stream')
const TIME = encodeStr('time')
/**
 * Bytes beyond the line: the fixed keys take at least 27, and words are written with up to seven bytes too
 * many.
 */
const EXTRA_BYTES = 64

/** The 10 bytes ` stdout F ` or ` stderr F ` and the pairs they become, up to the message. */
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

/** Keys of the record for the tag letter and for the message. */
interface CriKeys {
  tag: string
  text: string
}

/** All lines with the stream stdout or stderr and the tag F or P. */
const ALL_LINES: CriLines = {
  shapes: 2 ** 18 - 1,
  partial: true,
  empty: true,
  noStream: false,
  trimmed: false,
  maxLength: Number.POSITIVE_INFINITY,
}

function criForm(keep: boolean, { tag, text }: CriKeys): CriForm {
  return {
    name: 'cri',
    time: keep ? { key: 'time', hasBlank: false } : undefined,
    readsTime: true,
    middle: [
      { key: 'stream', from: 1, to: 7 },
      { key: tag, from: 8, to: 9 },
    ],
    text: { key: text, from: 10, skipEmpty: false },
    lines: ALL_LINES,
  }
}

/**
 * Parses line = time SP stream SP tag SP message; stream and tag are words without blanks, the message may be
 * empty.
 */
export class CriParser implements Parser {
  readonly lineFormat: Parser['lineFormat']
  readonly keys: readonly string[]
  readonly #time = new Rfc3339()
  readonly #keep: boolean
  readonly #tagKey: Buffer
  readonly #textKey: Buffer
  readonly #stdout: [full: Middle, partial: Middle]
  readonly #stderr: [full: Middle, partial: Middle]
  readonly #keys: CriKeys
  #kernel: CriKernel | undefined
  /** What fills blocks with entries of these lines is faster than the kernel, which is for a merge into records. */
  readonly seesLineFormat = true

  /** `keep` is true when the time stays in the record. */
  constructor(keep: boolean, keys: CriKeys) {
    this.#keep = keep
    this.#keys = keys
    this.#tagKey = encodeStr(keys.tag)
    this.#textKey = encodeStr(keys.text)
    this.#stdout = [middle('stdout', 'F', keys), middle('stdout', 'P', keys)]
    this.#stderr = [middle('stderr', 'F', keys), middle('stderr', 'P', keys)]
    this.keys = ['time', 'stream', keys.tag, keys.text]
    this.lineFormat = criForm(keep, keys)
  }

  bound(length: number): number {
    return length + EXTRA_BYTES + this.#tagKey.length + this.#textKey.length
  }

  kernel(): ParserKernel {
    this.#kernel ??= CriKernel.of({ keepTime: this.#keep, ...this.#keys, perByte: 1, others: this.bound(0) })
    return this.#kernel
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
    if (this.#parseWords(src, start, p, end, out)) return true
    out.sec = sec
    out.nsec = nsec
    return false
  }

  #middle(src: Buffer, p: number): Middle | undefined {
    const stream = sourceView(src).getFloat64(p)
    const tag = src[p + 8]
    const [full, partial] = stream === this.#stdout[0].text ? this.#stdout : this.#stderr
    if (stream !== full.text) return undefined
    return tag === 0x46 ? full : tag === 0x50 ? partial : undefined
  }

  /** Writes the head of the map, and the time when it is kept; returns the offset after them. */
  #begin(src: Buffer, start: number, end: number, out: EntryWriter): number {
    const buf = out.buf
    let at = writeMapHead(buf, out.at, (this.#keep ? 4 : 3) + out.extraPairs)
    if (!this.#keep) return at
    for (let i = 0; i < TIME.length; i++) buf[at++] = TIME[i] as number
    at = writeStrHead(buf, at, end - start)
    return copyText(src, sourceView(src), start, end, buf, at)
  }

  /** Parses lines with other streams or with tags of more than one letter. */
  #parseWords(src: Buffer, start: number, p: number, end: number, out: EntryWriter): boolean {
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

/** Returns the offset of the next blank, or `end`. */
function wordEnd(src: Buffer, start: number, end: number): number {
  let p = start
  while (p < end && src[p] !== 0x20) p++
  return p
}
