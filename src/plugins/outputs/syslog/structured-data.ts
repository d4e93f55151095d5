import { skip } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import type { Entry } from '../../../lib/records/entry.ts'

/** Maximum length of SD-ID and PARAM-NAME. */
const MAX_NAME_BYTES = 32

/** Bytes of names: printable ASCII but `=`, `]`, the blank and the quotation mark. */
const NAME_BYTE = new Uint8Array(256).fill(1, 0x21, 0x7f)
for (const c of Buffer.from('="]')) NAME_BYTE[c] = 0

/** Writes maps of a record as STRUCTURED-DATA of RFC 5424. */
export class StructuredData {
  readonly #maps: { accessor: RecordAccessor; id: Buffer }[]
  readonly #preset: string
  readonly #maxName: number
  readonly #value = new JsonText()

  constructor(keys: readonly string[], preset: string, allowsLonger: boolean) {
    this.#maps = keys.map((key) => {
      const accessor = RecordAccessor.parseLoose(key, 'syslog_sd_key')
      return { accessor, id: accessor.place?.key ?? Buffer.from(key) }
    })
    this.#preset = preset
    this.#maxName = allowsLonger ? Number.POSITIVE_INFINITY : MAX_NAME_BYTES
  }

  write(text: JsonText, buf: Buffer, { map, end }: Entry): void {
    const start = text.at
    for (let i = 0; i < this.#maps.length; i++) {
      const { accessor, id } = this.#maps[i] as { accessor: RecordAccessor; id: Buffer }
      const found = accessor.find(buf, map, end)
      if (found >= 0 && mapPairs(buf, found) >= 0) this.#element(text, id, buf, found, end)
    }
    if (text.at === start) text.raw(this.#preset)
  }

  #element(text: JsonText, id: Buffer, buf: Buffer, map: number, end: number): void {
    text.byte(0x5b)
    this.#name(text, id, 0, id.length)
    let p = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const value = skip(buf, p, end)
      const head = textHead(buf, p)
      if (head > 0 && textLength(buf, p) > 0) {
        text.byte(0x20)
        this.#name(text, buf, p + head, p + head + textLength(buf, p))
        text.byte(0x3d)
        text.byte(0x22)
        this.#quoted(text, buf, value)
        text.byte(0x22)
      }
      p = skip(buf, value, end)
    }
    text.byte(0x5d)
  }

  #name(text: JsonText, src: Buffer, start: number, end: number): void {
    const from = text.at
    text.copy(src, start, Math.min(end, start + this.#maxName))
    for (let i = from; i < text.at; i++) if (NAME_BYTE[text.buf[i] as number] === 0) text.buf[i] = 0x5f
  }

  /** Writes a value with backslashes before quotation marks, backslashes and closing brackets. */
  #quoted(text: JsonText, buf: Buffer, at: number): void {
    const value = this.#value
    value.reset()
    writeScalar(value, buf, at)
    let run = 0
    for (let i = 0; i < value.at; i++) {
      const c = value.buf[i]
      if (c !== 0x22 && c !== 0x5c && c !== 0x5d) continue
      text.copy(value.buf, run, i)
      text.byte(0x5c)
      run = i
    }
    text.copy(value.buf, run, value.at)
  }
}

/** Writes a float with six digits after the point if that is all of it, as fluent-bit does; else as JSON, and a text as it is. */
export function writeScalar(text: JsonText, buf: Buffer, at: number): void {
  const t = buf[at] as number
  if (t === 0xca || t === 0xcb) {
    const value = t === 0xca ? buf.readFloatBE(at + 1) : buf.readDoubleBE(at + 1)
    const fixed = Math.abs(value) < 1e21 ? value.toFixed(6) : ''
    if (fixed !== '' && Number(fixed) === value) {
      text.raw(fixed)
      return
    }
  }
  text.plain(buf, at)
}
