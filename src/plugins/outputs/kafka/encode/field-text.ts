import { textHead, textLength } from '../../../../core/msgpack/record.ts'
import type { JsonText } from '../../../../lib/json/msgpack-to-json.ts'
import type { Entry } from '../../../../lib/records/entry.ts'

/** Writes a record as text. */
export interface TextFormat {
  write(text: JsonText, buf: Buffer, entry: Entry): void
}

/** Bytes of a key or a value: `src[start, start + length)`. */
export interface Span {
  src: Buffer
  start: number
  length: number
}

/** Sets `span` to the text of the value at `at`: a str or bin in place, anything else as JSON, which `json` holds. */
export function setFieldText(span: Span, json: JsonText, buf: Buffer, at: number): void {
  const head = textHead(buf, at)
  if (head > 0) {
    span.src = buf
    span.start = at + head
    span.length = textLength(buf, at)
    return
  }
  json.reset()
  json.value(buf, at)
  span.src = json.buf
  span.start = 0
  span.length = json.at
}
