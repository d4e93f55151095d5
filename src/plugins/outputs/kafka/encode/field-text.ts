import { textHead, textLength } from '../../../../core/msgpack/record.ts'
import type { JsonText } from '../../../../lib/json/msgpack-to-json.ts'

/** Bytes of a key or a value: `src[start, start + length)`. */
export interface Span {
  src: Buffer
  start: number
  length: number
}

/** The value at `at` as text: a str or bin where it stands, anything else as JSON that is written to `json`. */
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
