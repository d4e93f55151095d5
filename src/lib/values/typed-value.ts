import { FALSE, TRUE, writeNumber } from '../../core/msgpack/encode.ts'
import type { InvalidValue } from '../../core/options/checks.ts'
import { HEX } from '../json/escapes.ts'
import { copyString } from '../json/json-to-msgpack.ts'
import { writeBigInteger } from '../json/number.ts'

/** Types that `Types` can give to a field. */
export const VALUE_TYPES = ['string', 'integer', 'float', 'bool', 'hex'] as const
export type ValueType = (typeof VALUE_TYPES)[number]

/** Maximum size of a value that is not text. */
export const MAX_TYPED_BYTES = 9

/** Takes linear time: nothing can match the same digits twice. */
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const LEADING_PLUS = /^\+/

/** Parses words such as `code:integer`. An unknown type means text, as in fluent-bit. */
export function parseTypes(words: readonly string[] | undefined): { key: string; type: ValueType }[] {
  return (words ?? [])
    .filter((word) => word.lastIndexOf(':') > 0)
    .map((word) => ({ key: word.slice(0, word.lastIndexOf(':')), type: typeOf(word) ?? 'string' }))
}

/** Reports the first word that is not `name:type`. */
export function checkTypes(words: readonly string[]): InvalidValue | undefined {
  const invalid = words.find((word) => word.lastIndexOf(':') < 1 || typeOf(word) === undefined)
  if (invalid === undefined) return undefined
  const hint = `write name:type with one of the types ${VALUE_TYPES.join(', ')}`
  return {
    must: 'a list of name:type',
    reason: `"${invalid}" is not valid`,
    hint,
    instead: 'fields with an unknown type stay text',
  }
}

function typeOf(word: string): ValueType | undefined {
  const name = word.slice(word.lastIndexOf(':') + 1).toLowerCase()
  return VALUE_TYPES.find((known) => known === (name === 'int' ? 'integer' : name))
}

/** Writes src[start, end) as a value of this type, or as text when it does not match; returns the offset after it. */
export function writeTyped(
  type: ValueType,
  src: Buffer,
  start: number,
  end: number,
  out: Buffer,
  at: number,
): number {
  const written = type === 'string' ? -1 : WRITERS[type](src, start, end, out, at)
  return written < 0 ? copyString(src, start, end, out, at) : written
}

/** Writes src[start, end) as a value of this type; returns the offset after it, or -1 when it does not match. */
export function convertText(
  type: Exclude<ValueType, 'string'>,
  src: Buffer,
  start: number,
  end: number,
  out: Buffer,
  at: number,
): number {
  return WRITERS[type](src, start, end, out, at)
}

type Writer = (src: Buffer, start: number, end: number, out: Buffer, at: number) => number

const WRITERS: Record<Exclude<ValueType, 'string'>, Writer> = {
  integer: writeInteger,
  float: writeFloat,
  bool: writeBool,
  hex: writeHex,
}

/** Writes integer = [ "+" / "-" ] 1*digit; returns the offset after it, or -1. */
function writeInteger(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  const sign = start < end ? src[start] : 0
  const from = sign === 0x2d || sign === 0x2b ? start + 1 : start
  let value = 0
  for (let p = from; p < end; p++) {
    const digit = (src[p] as number) - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  if (from === end) return -1
  // Not 0 - value: -0 would be a float64.
  if (end - from <= 15) return writeNumber(out, at, sign === 0x2d && value > 0 ? -value : value)
  // Beyond 64 bits -1 leaves the value as text, the only exact form.
  return writeBigInteger(stripLeadingZeros(src, from, end, sign === 0x2d ? '-' : ''), out, at)
}

function stripLeadingZeros(src: Buffer, from: number, end: number, sign: string): string {
  let p = from
  while (p < end - 1 && src[p] === 0x30) p++
  return sign + src.toString('latin1', p, end)
}

/** Writes a decimal number, always as float64; `inf` and `nan` are not accepted. */
function writeFloat(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  const text = src.toString('latin1', start, end)
  const value = FLOAT.test(text) ? Number(text.replace(LEADING_PLUS, '')) : Number.NaN
  if (!Number.isFinite(value)) return -1
  out[at] = 0xcb
  out.writeDoubleBE(value, at + 1)
  return at + 9
}

/** Writes true or false, in any case. */
function writeBool(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  if (end - start !== 4 && end - start !== 5) return -1
  const text = src.toString('latin1', start, end).toLowerCase()
  if (text !== 'true' && text !== 'false') return -1
  out[at] = text === 'true' ? TRUE : FALSE
  return at + 1
}

/** Writes hex = [ "0x" ] 1*16hexdigit as an unsigned integer. */
function writeHex(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  const hasPrefix = end - start > 2 && src[start] === 0x30 && ((src[start + 1] as number) | 0x20) === 0x78
  const from = hasPrefix ? start + 2 : start
  if (from === end || end - from > 16) return -1
  let value = 0
  for (let p = from; p < end; p++) {
    const digit = HEX[src[p] as number] as number
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  if (Number.isSafeInteger(value)) return writeNumber(out, at, value)
  out[at] = 0xcf
  out.writeBigUInt64BE(BigInt(`0x${src.toString('latin1', from, end)}`), at + 1)
  return at + 9
}
