import { skip } from '../../core/msgpack/encode.ts'
import { arrayBody, arrayItems, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import type { TimeZone } from '../time/strftime.ts'
import type { MatchedText } from './regex.ts'
import { readText } from './text.ts'

/**
 * A value of an expression. Integers are bigints and floats are numbers, so that 1 and 1.0 differ. Maps,
 * lists and extension values of a record stay in its bytes.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Value[]
  | Stored
  | Instant
  | MatchedText
  | Expression
  | Range

/** A map, a list or an extension value in the bytes of a record. */
export class Stored {
  readonly buf: Buffer
  readonly at: number
  /** Offset after the entry that it is in. */
  readonly end: number

  constructor(buf: Buffer, at: number, end: number) {
    this.buf = buf
    this.at = at
    this.end = end
  }

  get kind(): 'map' | 'array' | 'extension' {
    if (mapPairs(this.buf, this.at) >= 0) return 'map'
    return arrayItems(this.buf, this.at) >= 0 ? 'array' : 'extension'
  }
}

/** A time. */
export class Instant {
  /** Seconds since 1970, and nanoseconds. */
  readonly sec: number
  readonly nsec: number
  readonly zone: TimeZone

  constructor(sec: number, nsec: number, zone: TimeZone = 'local') {
    this.sec = sec
    this.nsec = nsec
    this.zone = zone
  }
}

/** A regular expression of the configuration, as written. */
export class Expression {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

export class Range {
  readonly from: Value
  readonly to: Value
  readonly isOpen: boolean

  constructor(from: Value, to: Value, isOpen: boolean) {
    this.from = from
    this.to = to
    this.isOpen = isOpen
  }
}

export type Kind =
  | 'nil'
  | 'boolean'
  | 'integer'
  | 'float'
  | 'string'
  | 'array'
  | 'map'
  | 'extension'
  | 'time'
  | 'match'
  | 'regex'
  | 'range'

/** Names of the classes, for messages. */
export const CLASS_NAMES: Record<Kind, string> = {
  nil: 'nil',
  boolean: 'a Boolean',
  integer: 'an Integer',
  float: 'a Float',
  string: 'a String',
  array: 'an Array',
  map: 'a Hash',
  extension: 'an extension value',
  time: 'a Time',
  match: 'a MatchData',
  regex: 'a Regexp',
  range: 'a Range',
}

export function kindOf(value: Value): Kind {
  switch (typeof value) {
    case 'boolean':
      return 'boolean'
    case 'bigint':
      return 'integer'
    case 'number':
      return 'float'
    case 'string':
      return 'string'
  }
  if (value === null) return 'nil'
  if (value instanceof Stored) return value.kind
  if (value instanceof Instant) return 'time'
  if (value instanceof Expression) return 'regex'
  if (value instanceof Range) return 'range'
  return Array.isArray(value) ? 'array' : 'match'
}

export function isTruthy(value: Value): boolean {
  return value !== null && value !== false
}

/**
 * Reads the value at `at`: text and numbers are decoded, maps, lists and extension values stay where they
 * are.
 */
export function readValue(buf: Buffer, at: number, end: number): Value {
  const head = textHead(buf, at)
  if (head > 0) return readText(buf, at + head, at + head + textLength(buf, at))
  const t = buf[at] as number
  if (t <= 0x7f) return BigInt(t)
  if (t >= 0xe0) return BigInt(t - 256)
  switch (t) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xca:
      return buf.readFloatBE(at + 1)
    case 0xcb:
      return buf.readDoubleBE(at + 1)
    case 0xcc:
      return BigInt(buf.readUInt8(at + 1))
    case 0xcd:
      return BigInt(buf.readUInt16BE(at + 1))
    case 0xce:
      return BigInt(buf.readUInt32BE(at + 1))
    case 0xcf:
      return buf.readBigUInt64BE(at + 1)
    case 0xd0:
      return BigInt(buf.readInt8(at + 1))
    case 0xd1:
      return BigInt(buf.readInt16BE(at + 1))
    case 0xd2:
      return BigInt(buf.readInt32BE(at + 1))
    case 0xd3:
      return buf.readBigInt64BE(at + 1)
  }
  return new Stored(buf, at, end)
}

/** Returns the items of a list. */
export function itemsOf(list: Stored): Value[] {
  const items: Value[] = []
  let at = arrayBody(list.buf, list.at)
  for (let left = arrayItems(list.buf, list.at); left > 0; left--) {
    items.push(readValue(list.buf, at, list.end))
    at = skip(list.buf, at, list.end)
  }
  return items
}
