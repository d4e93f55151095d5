import { encodeStr, writeMapHead, writeStrHead } from '../../core/msgpack.ts'
import { defineOptions } from '../../core/option.ts'
import { defineParser, type EntryWriter, type Parser } from '../../core/plugin.ts'
import { copyString } from '../../lib/json-transcode.ts'
import { Rfc3339 } from '../../lib/rfc3339.ts'
import { copyText, putWords, sourceView, targetView, wordsOf } from '../../lib/views.ts'

const OPTIONS = defineOptions({
  time_keep: { type: 'bool', default: 'true', help: 'Keep the field `time` in the record.' },
})

export const spec = defineParser({
  kind: 'parser',
  name: 'cri',
  summary: 'Reads the log lines of containerd and CRI-O.',
  description: `A line is \`2026-11-21T06:00:00.123456789Z stdout F the message\`; the record has the fields \`time\`, \`stream\`,
\`logtag\` and \`message\`. The time's zone may be any offset. A line of another form is kept as it is. Lines that the
runtime has split (\`P\`) are not joined.`,
  options: OPTIONS,
  example: `[PARSER]
    Name   cri
    Format cri
`,
  create: ({ timeKeep }) => new CriParser(timeKeep),
})

const STREAM = encodeStr('stream')
const LOGTAG = encodeStr('logtag')
const MESSAGE = encodeStr('message')
const TIME = encodeStr('time')
/** The words are written with up to seven bytes too many, the keys take 27. */
const BOUND = 64

/** ` stdout F ` and ` stderr F `, 10 bytes, and the pairs they become, up to the message. */
interface Middle {
  text: number
  pairs: Float64Array
  size: number
}

function middle(stream: string, tag: string): Middle {
  const pairs = Buffer.concat([STREAM, encodeStr(stream), LOGTAG, encodeStr(tag), MESSAGE])
  const text = wordsOf(Buffer.from(` ${stream} `))[0] as number
  return { text, pairs: wordsOf(pairs), size: pairs.length }
}

const OUT_F = middle('stdout', 'F')
const ERR_F = middle('stderr', 'F')
const OUT_P = middle('stdout', 'P')
const ERR_P = middle('stderr', 'P')

/** line = time SP stream SP tag SP message; stream and tag are words without blanks, the message may be empty. */
class CriParser implements Parser {
  readonly form: Parser['form']
  readonly #time = new Rfc3339()
  readonly #keep: boolean

  constructor(keep: boolean) {
    this.#keep = keep
    this.form = { name: 'cri', keepTime: keep }
  }

  bound(length: number): number {
    return length + BOUND
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
    if (stream === OUT_F.text) return tag === 0x46 ? OUT_F : tag === 0x50 ? OUT_P : undefined
    if (stream === ERR_F.text) return tag === 0x46 ? ERR_F : tag === 0x50 ? ERR_P : undefined
    return undefined
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
    at += LOGTAG.copy(buf, at)
    at = copyString(src, stream + 1, tag, buf, at)
    at += MESSAGE.copy(buf, at)
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
