import { encodeStr } from '../../core/msgpack/encode.ts'
import { Rfc3339 } from '../time/rfc3339.ts'
import type { TimeReader } from '../time/strptime.ts'
import { sharedFields } from './fields-module.ts'
import { ParserRecord } from './parser-record.ts'
import { encodeRows, ROW_BYTES, type Row, RowsKernel } from './rows-kernel.ts'

const SPAN_BYTES = 8

interface CriSettings {
  keepTime: boolean
  /** Keys of the tag and of the text. */
  tag: string
  text: string
  perByte: number
  others: number
}

/** Reads a time that is the entire text, in RFC 3339. */
class WholeTime implements TimeReader {
  readonly #time = new Rfc3339()
  readonly #read = { sec: 0, nsec: 0 }

  get parts() {
    return this.#time.parts
  }

  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean {
    if (!this.#time.parse(src, start, end, this.#read) || this.#time.end !== end) return false
    out.sec = this.#read.sec
    out.nsec = this.#read.nsec
    return true
  }
}

/** Writes the lines of container runtimes, `TIME STREAM TAG TEXT`, with any words as stream and tag, byte for byte as CriParser. */
export class CriKernel extends RowsKernel {
  static of({ keepTime, tag, text, perByte, others }: CriSettings): CriKernel {
    const words = sharedFields().exports.WORDS.value
    const row = (key: string, i: number): Row => ({
      spans: [words + i * SPAN_BYTES],
      key: encodeStr(key),
      type: 'string',
      isTime: false,
    })
    const rows = ['time', 'stream', tag, text].map(row).slice(keepTime ? 0 : 1)
    const tableEnd = rows.length * ROW_BYTES
    const fixed = { form: 'cri', time: new WholeTime(), maxLength: Number.POSITIVE_INFINITY } as const
    return new CriKernel(
      new ParserRecord({ ...fixed, keepTime, table: encodeRows(rows), tableEnd, perByte, others }),
    )
  }
}
