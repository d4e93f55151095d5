import { RubyFailure } from './failure.ts'
import type { RubyRegex } from './regex.ts'
import type { Scope } from './scope.ts'
import { CLASS_NAMES, type Kind, kindOf, type Value } from './values.ts'

/** Arguments of a call, with what the method may need besides. */
export interface Call {
  readonly args: readonly Value[]
  readonly scope: Scope
  /** Returns the compiled form of a regular expression. */
  regex(source: string): RubyRegex
}

type Body = (self: never, call: Call) => Value

/** A method: how many arguments it takes, and what it does for each kind of value. */
export interface Method {
  readonly min: number
  readonly max: number
  readonly on: Partial<Record<Kind, Body>>
}

export type Methods = Readonly<Record<string, Method>>

/** Describes a method of one kind of values. */
export function method(min: number, max: number, on: Partial<Record<Kind, Body>>): Method {
  return { min, max, on }
}

/** Returns an argument that has to be a string. */
export function stringArg(value: Value | undefined): string {
  if (typeof value === 'string') return value
  throw new RubyFailure(`no implicit conversion of ${classOf(value)} into String`)
}

/** Returns an argument that has to be an integer of the size of an index. */
export function intArg(value: Value | undefined): number {
  const number =
    typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? Math.trunc(value) : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw new RubyFailure(`no implicit conversion of ${classOf(value)} into Integer`)
}

export function classOf(value: Value | undefined): string {
  if (value === undefined || value === null) return 'nil'
  if (typeof value === 'boolean') return String(value)
  return CLASS_NAMES[kindOf(value)].split(' ').at(-1) as string
}

/**
 * Returns the first index and the number of items of a range or an index with a length; undefined outside.
 */
export function span(
  first: Value | undefined,
  second: Value | undefined,
  size: number,
): [number, number] | undefined {
  const from = first === null || first === undefined ? 0 : intArg(first)
  const start = from < 0 ? from + size : from
  if (start < 0 || start > size) return undefined
  const count = intArg(second)
  return count < 0 ? undefined : [start, Math.min(count, size - start)]
}

/** Returns the first index and the number of items of a range; undefined outside. */
export function rangeSpan(
  from: Value,
  to: Value,
  isOpen: boolean,
  size: number,
): [number, number] | undefined {
  const first = from === null ? 0 : intArg(from)
  const start = first < 0 ? first + size : first
  if (start < 0 || start > size) return undefined
  const last = to === null ? size - 1 : intArg(to)
  const end = (last < 0 ? last + size : last) + (isOpen && to !== null ? 0 : 1)
  return [start, Math.max(0, Math.min(end, size) - start)]
}
