import { RubyFailure } from './failure.ts'
import { pairsOf } from './format.ts'
import { classOf } from './method.ts'
import { textBytes } from './text.ts'
import { Instant, itemsOf, Stored, type Value } from './values.ts'

const MAX_DEPTH = 256

/** Returns true when `==` does: an integer and a float may be equal, values of other classes never are. */
export function equals(a: Value, b: Value, depth = 0): boolean {
  if (a === b) return true
  if (depth > MAX_DEPTH) throw new RubyFailure(`values of more than ${MAX_DEPTH} levels cannot be compared`)
  if (isNumber(a) && isNumber(b))
    return Number(a) === Number(b) && !(typeof a === 'bigint' && typeof b === 'bigint')
  if (a instanceof Instant && b instanceof Instant) return a.sec === b.sec && a.nsec === b.nsec
  const [left, right] = [listOf(a), listOf(b)]
  if (left !== undefined && right !== undefined)
    return left.length === right.length && left.every((item, i) => equals(item, right[i] as Value, depth + 1))
  if (a instanceof Stored && b instanceof Stored && a.kind === 'map' && b.kind === 'map') {
    const other = new Map(pairsOf(b.buf, b.at, b.end))
    const pairs = pairsOf(a.buf, a.at, a.end)
    return (
      pairs.length === other.size &&
      pairs.every(([key, value]) => other.has(key) && equals(value, other.get(key) as Value, depth + 1))
    )
  }
  return false
}

/** Returns the items of a list, or undefined for other values. */
export function listOf(value: Value): readonly Value[] | undefined {
  if (value instanceof Stored) return value.kind === 'array' ? itemsOf(value) : undefined
  return Array.isArray(value) ? value : undefined
}

/** Returns a negative number, 0 or a positive one; throws when the values have no order. */
export function compare(a: Value, b: Value): number {
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'string' && typeof b === 'string')
    return a === b ? 0 : Buffer.compare(textBytes(a), textBytes(b))
  if (a instanceof Instant && b instanceof Instant) return a.sec - b.sec || a.nsec - b.nsec
  throw new RubyFailure(`comparison of ${classOf(a)} with ${classOf(b)} failed`)
}

function isNumber(value: Value): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number'
}
