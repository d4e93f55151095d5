import { isUtf8 } from 'node:buffer'
import { utf8SequenceLength } from '../../core/utf8.ts'

/**
 * Strings of expressions are JavaScript strings. A byte that is not UTF-8 is the lone surrogate U+DC00 plus
 * the byte, which no UTF-8 text contains: so every text keeps its bytes.
 */
const ESCAPE = 0xdc00
const SURROGATE = /[\ud800-\udfff]/
const ESCAPED = /(?<![\ud800-\udbff])[\udc80-\udcff]/

/** Returns the string of buf[start, end). */
export function readText(buf: Buffer, start: number, end: number): string {
  const bytes = buf.subarray(start, end)
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let text = ''
  let run = 0
  for (let p = 0; p < bytes.length; ) {
    const length = utf8SequenceLength(bytes, p, bytes.length)
    if (length > 0) p += length
    else {
      text += bytes.toString('utf8', run, p)
      for (const stop = p - length; p < stop; p++) text += String.fromCharCode(ESCAPE + (bytes[p] as number))
      run = p
    }
  }
  return text + bytes.toString('utf8', run)
}

/** Returns true when the string has bytes that are not UTF-8. */
export function hasInvalidBytes(text: string): boolean {
  return ESCAPED.test(text)
}

/** Returns the number of bytes of a string. */
export function unescapedSize(text: string): number {
  const size = Buffer.byteLength(text)
  if (!hasInvalidBytes(text)) return size
  let invalid = 0
  for (const char of text) if (isEscape(char)) invalid++
  // Each counts as a character of three bytes.
  return size - invalid * 2
}

/** Writes the bytes of a string at buf[at]; `size` is that of `unescapedSize`. Returns the size. */
export function writeText(text: string, buf: Buffer, at: number, size: number): number {
  if (!hasInvalidBytes(text)) return buf.write(text, at, size, 'utf8')
  let p = at
  for (const char of text) {
    if (isEscape(char)) buf[p++] = char.charCodeAt(0) - ESCAPE
    else p += buf.write(char, p, 'utf8')
  }
  return p - at
}

/** Returns the bytes of a string. */
export function textBytes(text: string): Buffer {
  if (!hasInvalidBytes(text)) return Buffer.from(text)
  const size = unescapedSize(text)
  const bytes = Buffer.alloc(size)
  writeText(text, bytes, 0, size)
  return bytes
}

function isEscape(char: string): boolean {
  const code = char.charCodeAt(0)
  return char.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff
}

/** Returns the byte that a character of a string stands for, or -1 when it is a character of UTF-8. */
export function invalidByte(char: string): number {
  return isEscape(char) ? char.charCodeAt(0) - ESCAPE : -1
}

/** Returns the number of characters. */
export function characters(text: string): number {
  if (!SURROGATE.test(text)) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

/** Returns `count` characters from the character `from` on. */
export function sliceCharacters(text: string, from: number, count: number): string {
  if (!SURROGATE.test(text)) return text.slice(from, from + count)
  return [...text].slice(from, from + count).join('')
}
