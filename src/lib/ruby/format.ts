import { skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs } from '../../core/msgpack/record.ts'
import { strftime } from '../time/strftime.ts'
import { RubyFailure } from './failure.ts'
import { MatchedText } from './regex.ts'
import { invalidByte } from './text.ts'
import {
  CLASS_NAMES,
  Expression,
  Instant,
  itemsOf,
  kindOf,
  Range,
  readValue,
  Stored,
  type Value,
} from './values.ts'

/** Maximum depth of a value that is written as text, as that of a record from JSON. */
const MAX_DEPTH = 256
const LETTERS: Record<string, string> = {
  '\n': '\\n',
  '\t': '\\t',
  '\r': '\\r',
  '\x1b': '\\e',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
}
const SPECIAL = /["\\\p{Cc}\ud800-\udfff\u2028\u2029]|#(?=[{$@])/gu
const EXPONENT = /e([+-])(\d+)$/

/** Returns the value as `to_s` does. */
export function textOf(value: Value): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'number':
      return floatText(value)
  }
  if (value === null) return ''
  if (value instanceof Instant) return timeText(value)
  if (value instanceof MatchedText) return value.groups[0] ?? ''
  return inspect(value)
}

/** Returns the value as `inspect` does, with `"key"=>value` in maps as before Ruby 3.4. */
export function inspect(value: Value, depth = 0): string {
  if (depth > MAX_DEPTH) throw new RubyFailure(`a value of more than ${MAX_DEPTH} levels has no text`)
  if (value === null) return 'nil'
  if (typeof value === 'string') return quote(value)
  if (Array.isArray(value)) return `[${value.map((item) => inspect(item, depth + 1)).join(', ')}]`
  if (value instanceof Stored) return inspectStored(value, depth)
  if (value instanceof Expression || value instanceof Range)
    throw new RubyFailure(`${CLASS_NAMES[kindOf(value)]} has no text`)
  return textOf(value)
}

function inspectStored(value: Stored, depth: number): string {
  const { buf, at, end, kind } = value
  if (kind === 'extension') throw new RubyFailure('an extension value has no text')
  if (kind === 'array')
    return `[${itemsOf(value)
      .map((item) => inspect(item, depth + 1))
      .join(', ')}]`
  const pairs = pairsOf(buf, at, end).map(
    ([key, item]) => `${inspect(key, depth + 1)}=>${inspect(item, depth + 1)}`,
  )
  return `{${pairs.join(', ')}}`
}

/** Returns the pairs of a map; the last of equal keys counts, at the place of the first. */
export function pairsOf(buf: Buffer, map: number, end: number): [Value, Value][] {
  const pairs = new Map<Value, [Value, Value]>()
  let at = mapBody(buf, map)
  for (let left = mapPairs(buf, map); left > 0; left--) {
    const key = readValue(buf, at, end)
    const item = skip(buf, at, end)
    pairs.set(key, [key, readValue(buf, item, end)])
    at = skip(buf, item, end)
  }
  return [...pairs.values()]
}

function quote(text: string): string {
  const escaped = text.replaceAll(SPECIAL, (char) => {
    if (char === '#') return '\\#'
    const byte = invalidByte(char)
    if (byte >= 0) return `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`
    return LETTERS[char] ?? `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  })
  return `"${escaped}"`
}

/** Formats a float: always with a point, with an exponent of two digits from 1e16 on and below 0.0001. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
  const size = Math.abs(value)
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const text = value.toExponential()
    const [mantissa = ''] = text.split('e')
    const [, sign = '+', digits = '0'] = EXPONENT.exec(text) ?? []
    return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}e${sign}${digits.padStart(2, '0')}`
  }
  const text = Object.is(value, -0) ? '-0' : String(value)
  return text.includes('.') ? text : `${text}.0`
}

function timeText({ sec, nsec, zone }: Instant): string {
  return strftime(zone === 'utc' ? '%Y-%m-%d %H:%M:%S UTC' : '%Y-%m-%d %H:%M:%S %z', sec, nsec, zone)
}
