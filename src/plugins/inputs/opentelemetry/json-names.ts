import { textHead, textLength } from '../../../core/msgpack/record.ts'
import { unescapeJson } from '../../../lib/json/escapes.ts'

const UNDERSCORE = 0x5f
const BACKSLASH = 0x5c
/** Characters of `\u006c`, which is one. */
const MAX_ESCAPE_CHARS = 6
const MAX_NAME_CHARS = 32

/**
 * Returns a name as `isNamed` and `isKey` take it. Names are read in any case, as in fluent-bit, and as protobuf has them, as its JSON
 * mapping says: logRecords and log_records are the same.
 */
export function nameOf(camelCase: string): Buffer {
  return Buffer.from(camelCase.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
}

/** True when the text at `at` of MessagePack is this name. */
export function isNamed(src: Buffer, at: number, name: Buffer): boolean {
  const head = textHead(src, at)
  return head > 0 && isName(src, at + head, at + head + textLength(src, at), name)
}

/** True when the text of JSON src[start, end), between its quotation marks, is this name. */
export function isKey(src: Buffer, start: number, end: number, name: Buffer): boolean {
  if (end - start > MAX_ESCAPE_CHARS * name.length) return false
  if (isName(src, start, end, name)) return true
  const backslash = src.indexOf(BACKSLASH, start)
  if (backslash < 0 || backslash >= end) return false
  const stop = unescapeJson(src, start, end, unescaped, 0)
  return stop > 0 && isName(unescaped, 0, stop, name)
}

const unescaped = Buffer.alloc(MAX_ESCAPE_CHARS * MAX_NAME_CHARS)

function isName(src: Buffer, start: number, end: number, name: Buffer): boolean {
  if (end - start > name.length) return false
  let p = start
  for (let i = 0; i < name.length; i++) {
    const wanted = name[i] as number
    const c = p < end ? (src[p] as number) : 0
    if (c === wanted || (c >= 0x41 && c <= 0x5a && (c | 0x20) === wanted)) p++
    else if (wanted !== UNDERSCORE) return false
  }
  return p === end
}
