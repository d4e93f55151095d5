import { writeNumber, writeStrHead } from '../../../core/msgpack/encode.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import { writeBigInteger } from '../../../lib/json/number.ts'
import { ExactNumber } from '../../../lib/values/exact-number.ts'
import { convertText } from '../../../lib/values/typed-value.ts'

/** Types of values by which rules are named, and those that they give. */
export type SourceType = 'string' | 'int' | 'uint' | 'float'
/** In the order in which fluent-bit looks them up: it takes a part of a name, such as `str`, for the whole. */
export const TARGET_TYPES = ['int', 'uint', 'float', 'hex', 'string', 'bool'] as const
type TargetType = (typeof TARGET_TYPES)[number]

/** Longest value with its head: the text of a float64. */
export const MAX_CONVERTED_BYTES = 40

/** The value stays as it is: it is written under the new key as it came. */
export const AS_IT_IS = -2
/** The rule has no effect. */
export const NONE = -1

/** Writes the converted value of the one at `value` to out[at]; returns the offset after it, AS_IT_IS or NONE. */
export type Conversion = (buf: Buffer, value: number, out: Buffer, at: number) => number

/** Returns the type that a word names, or undefined. */
export function targetType(word: string): TargetType | undefined {
  const name = word.toLowerCase()
  return name === '' ? undefined : TARGET_TYPES.find((type) => type.startsWith(name))
}

/** Returns a conversion, or undefined when there is none between these types. */
export function conversionOf(source: SourceType, target: TargetType): Conversion | undefined {
  if (source === 'string') return fromText(target)
  return source === 'float' ? fromFloat(target) : fromInteger(source, target)
}

function fromText(target: TargetType): Conversion | undefined {
  if (target === 'string') return undefined
  const type = target === 'int' || target === 'uint' ? 'integer' : target
  return (buf, value, out, at) => {
    const head = textHead(buf, value)
    if (head < 0) return NONE
    const start = value + head
    const end = start + textLength(buf, value)
    const written = convertText(type, buf, start, end, out, at)
    // As in fluent-bit, which so keeps `yes` and `1`.
    if (written < 0) return target === 'bool' ? AS_IT_IS : NONE
    if (target === 'uint' && buf[start] === 0x2d) return NONE
    return target === 'int' && isAboveInt64(out, at) ? NONE : written
  }
}

function fromInteger(source: 'int' | 'uint', target: TargetType): Conversion | undefined {
  const number = new ExactNumber()
  switch (target) {
    case 'string':
      return (buf, value, out, at) =>
        isInteger(buf, value) ? writeText(digits(number, buf, value), out, at) : NONE
    case 'float':
      return (buf, value, out, at) => {
        if (!isInteger(buf, value) || !number.set(buf, value)) return NONE
        return writeFloat(number.value, out, at)
      }
    case 'int':
      if (source === 'int') return undefined
      return (buf, value) => (isInteger(buf, value) && !isAboveInt64(buf, value) ? AS_IT_IS : NONE)
    case 'uint':
      if (source === 'uint') return undefined
      return (buf, value) =>
        isInteger(buf, value) && number.set(buf, value) && number.value >= 0 ? AS_IT_IS : NONE
    default:
      return undefined
  }
}

function fromFloat(target: TargetType): Conversion | undefined {
  const number = new ExactNumber()
  switch (target) {
    case 'string':
      return (buf, value, out, at) => {
        if (!isFloat(buf, value) || !number.set(buf, value)) return NONE
        return writeText(floatText(number.value), out, at)
      }
    case 'int':
    case 'uint':
      return (buf, value, out, at) => {
        if (!isFloat(buf, value) || !number.set(buf, value)) return NONE
        // Not -0, which would be a float64.
        const whole = Math.trunc(number.value) + 0
        if (!Number.isFinite(whole) || (target === 'uint' && whole < 0)) return NONE
        if (Number.isSafeInteger(whole)) return writeNumber(out, at, whole)
        const written = writeBigInteger(BigInt(whole).toString(), out, at)
        return written < 0 || (target === 'int' && isAboveInt64(out, at)) ? NONE : written
      }
    default:
      return undefined
  }
}

function isInteger(buf: Buffer, at: number): boolean {
  const type = buf[at] as number
  return type < 0x80 || type >= 0xe0 || (type >= 0xcc && type <= 0xd3)
}

function isFloat(buf: Buffer, at: number): boolean {
  return buf[at] === 0xca || buf[at] === 0xcb
}

/** Returns true for a uint64 of 2^63 or more. */
function isAboveInt64(buf: Buffer, at: number): boolean {
  return buf[at] === 0xcf && (buf[at + 1] as number) >= 0x80
}

function digits(number: ExactNumber, buf: Buffer, at: number): string {
  number.set(buf, at)
  if (!number.isLong) return String(number.value)
  return (buf[at] === 0xcf ? buf.readBigUInt64BE(at + 1) : buf.readBigInt64BE(at + 1)).toString()
}

/** Whole numbers below this have all their digits and `.0`, larger ones an exponent. */
const MAX_WHOLE = 1e18

/** Returns the shortest text of a float64 that is not that of an integer. */
function floatText(value: number): string {
  if (!Number.isInteger(value)) return String(value)
  if (Math.abs(value) >= MAX_WHOLE) return value.toExponential()
  return Object.is(value, -0) ? '-0.0' : `${value}.0`
}

function writeFloat(value: number, out: Buffer, at: number): number {
  out[at] = 0xcb
  out.writeDoubleBE(value, at + 1)
  return at + 9
}

function writeText(text: string, out: Buffer, at: number): number {
  const start = writeStrHead(out, at, text.length)
  return start + out.write(text, start, 'latin1')
}
