import { expect, test } from 'bun:test'
import {
  type Unescape,
  unescapeLetters,
  unescapeUtf8,
  unquoteMysql,
} from '../../../src/lib/parsing/unescape.ts'
import { fc } from '../../support/property.ts'

const BEFORE = '\\u00'
const AFTER = '41\\'

/** Decodes the text between bytes that would change the result if they were read; they stay unchanged, and nothing grows. */
function decoded(decode: Unescape, text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text as string)
  const buf = Buffer.concat([Buffer.from(BEFORE), bytes, Buffer.from(AFTER)])
  const end = decode(buf, BEFORE.length, BEFORE.length + bytes.length)
  expect(end).toBeWithin(BEFORE.length, BEFORE.length + bytes.length + 1)
  expect(buf.toString('latin1', 0, BEFORE.length)).toBe(BEFORE)
  expect(buf.toString('latin1', BEFORE.length + bytes.length)).toBe(AFTER)
  return buf.subarray(BEFORE.length, end)
}

const letters = (text: string): string => decoded(unescapeLetters, text).toString()
const utf8 = (text: string): string => decoded(unescapeUtf8, text).toString()
const mysql = (text: string): string => decoded(unquoteMysql, text).toString()

test('escaped: the letters of C are resolved, and the backslash before anything else is removed', () => {
  expect(letters('\\a\\b\\t\\n\\v\\f\\r\\\\')).toBe('\x07\b\t\n\v\f\r\\')
  expect(letters(String.raw`{\"a\":\"\/x\"} \u0041\x41\101\'`)).toBe(`{"a":"/x"} u0041x41101'`)
  expect(letters(String.raw`a\\nb\\\nc`)).toBe('a\\nb\\\nc')
  expect(letters('é\\é\\')).toBe('éé\\')
})

test('escaped_utf8: numbers become characters', () => {
  expect(utf8(String.raw`\u0009a\u00e9\u20AC\ud83d\ude00\U0001F600\x41\xe9\101\0`)).toBe('\taé€😀😀AéA\0')
  expect(utf8(String.raw`\"\'\\\/\a\v\n\q`)).toBe(`"'\\/\x07\v\nq`)
  expect(utf8(String.raw`\1018\x4g\U41z`)).toBe('A8\x04gAz')
  expect(utf8(String.raw`\u\x\U\9\8`)).toBe('uxU98')
})

test('escaped_utf8: an invalid character becomes U+FFFD, and what follows it is kept', () => {
  expect(utf8(String.raw`\ud83d!`)).toBe('\ufffd!')
  expect(utf8(String.raw`\ud83d\u0041`)).toBe('\ufffdA')
  expect(utf8(String.raw`\ud83d\ude0`)).toBe('\ufffd\ufffd')
  expect(utf8(String.raw`\ude00\u12\u1g`)).toBe('\ufffd\ufffd\ufffdg')
  expect(utf8(String.raw`\Ud83d\U00110000\Uffffffff`)).toBe('\ufffd\ufffd\ufffd')
})

test('mysql_quoted: only between quotation marks, and an unknown escape keeps its backslash', () => {
  expect(mysql(String.raw`'a\n\r\t\\\'\"\0\Z'`)).toBe(`a\n\r\t\\'"\0\x1a`)
  expect(mysql(String.raw`"it's \%_\x"`)).toBe(String.raw`it's \%_\x`)
  for (const text of ['', "'", 'a', "'a", `'a"`, String.raw`a\n`, ' "a"']) expect(mysql(text)).toBe(text)
  expect(mysql("''")).toBe('')
  expect(mysql(String.raw`'a\'`)).toBe('a\\')
})

const bytes = fc.uint8Array({ maxLength: 200 })
const texts = fc.string({ unit: fc.constantFrom(...'\\\\\\\'"uUx01d8fFntZé€'), maxLength: 80 })

test('any bytes are decoded in place, and a text without a backslash is unchanged', () => {
  for (const decode of [unescapeLetters, unescapeUtf8, unquoteMysql]) {
    fc.assert(fc.property(fc.oneof(bytes, texts), (text) => void decoded(decode, text as string)))
  }
  fc.assert(
    fc.property(bytes, (text) => {
      const plain = Buffer.from(text.filter((byte) => byte !== 0x5c))
      expect(decoded(unescapeLetters, plain).equals(plain)).toBe(true)
      expect(decoded(unescapeUtf8, plain).equals(plain)).toBe(true)
    }),
  )
})

test('any escaped bytes are restored', () => {
  const marked = (text: Uint8Array, marks: string): Buffer =>
    Buffer.concat(
      [...text].map((byte) => Buffer.from(marks.includes(String.fromCharCode(byte)) ? [0x5c, byte] : [byte])),
    )
  fc.assert(
    fc.property(bytes, (text) => {
      expect([...decoded(unescapeLetters, marked(text, '\\'))]).toEqual([...text])
      expect([...decoded(unescapeUtf8, marked(text, '\\"/'))]).toEqual([...text])
      const quoted = Buffer.concat([Buffer.from("'"), marked(text, `\\'"`), Buffer.from("'")])
      expect([...decoded(unquoteMysql, quoted)]).toEqual([...text])
    }),
  )
})

test('any text is restored from its \\u escapes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (any) => {
      const text = any.toWellFormed()
      const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))
      expect(utf8(units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join(''))).toBe(text)
      const points = [...text].map((c) => `\\U${(c.codePointAt(0) as number).toString(16).padStart(8, '0')}`)
      expect(utf8(points.join(''))).toBe(text)
    }),
  )
})
