import { NIL } from '../../../core/msgpack/encode.ts'
import { arrayItems, mapPairs, textHead } from '../../../core/msgpack/record.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'

const QUOTE = 0x22

/**
 * Writes fields of CSV (RFC 4180):
 *
 * ```
 *   field  = [ number / "true" / "false" / <"> *( char / <"> <"> ) <"> ]
 * ```
 *
 * Texts are in quotation marks, maps and arrays too, as JSON; null is an empty field, which an empty text is not. A line feed in a text
 * stays; other control characters are written as `\\x1b`, because files are shown in terminals.
 */
export class CsvFields {
  readonly #text = new JsonText()

  constructor() {
    this.#text.escapesControls = true
  }

  write(out: JsonText, buf: Buffer, at: number): void {
    if (buf[at] === NIL) return
    if (textHead(buf, at) < 0 && mapPairs(buf, at) < 0 && arrayItems(buf, at) < 0) {
      out.value(buf, at)
      return
    }
    const text = this.#text
    text.reset()
    text.plain(buf, at)
    out.byte(QUOTE)
    let run = 0
    for (let p = 0; p < text.at; p++) {
      if (text.buf[p] !== QUOTE) continue
      // The quotation mark is written twice: it ends this run and begins the next.
      out.copy(text.buf, run, p + 1)
      run = p
    }
    out.copy(text.buf, run, text.at)
    out.byte(QUOTE)
  }
}
