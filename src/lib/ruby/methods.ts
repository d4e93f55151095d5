import { findKey } from '../../core/msgpack/record.ts'
import { compare, equals, listOf } from './compare.ts'
import { RubyFailure } from './failure.ts'
import { inspect, pairsOf, textOf } from './format.ts'
import { toJson } from './json.ts'
import { LIST_METHODS, sliceList } from './list-methods.ts'
import { type Call, classOf, intArg, type Method, type Methods, method } from './method.ts'
import { arithmetic, NUMBER_METHODS } from './number-methods.ts'
import { charge, type Scope } from './scope.ts'
import { indexOfText, parseFloatText, plus, STRING_METHODS, sliceText } from './string-methods.ts'
import { characters, textBytes } from './text.ts'
import { TIME_METHODS } from './time-methods.ts'
import { type Kind, kindOf, readValue, Stored, type Value } from './values.ts'

type On<T> = (self: T, call: Call) => Value

/** Returns a method of every kind of values. */
function any(min: number, max: number, body: On<Value>): Method {
  const kinds: Kind[] = [
    'nil',
    'boolean',
    'integer',
    'float',
    'string',
    'array',
    'map',
    'extension',
    'time',
    'match',
  ]
  return method(min, max, Object.fromEntries(kinds.map((kind) => [kind, body])))
}

const GENERAL: Methods = {
  'nil?': any(0, 0, (self) => self === null),
  to_s: any(0, 1, (self, { args, scope }) => {
    if (args[0] !== undefined) return inBase(self, args[0])
    return counted(textOf(self), scope)
  }),
  inspect: any(0, 0, (self, { scope }) => counted(inspect(self), scope)),
  to_json: any(0, 0, (self, { scope }) => toJson(self, scope)),
  '==': any(1, 1, (self, { args }) => equals(self, args[0] as Value)),
  'eql?': any(
    1,
    1,
    (self, { args }) => kindOf(self) === kindOf(args[0] as Value) && equals(self, args[0] as Value),
  ),
  dup: any(0, 0, (self) => self),
  itself: any(0, 0, (self) => self),
  freeze: any(0, 0, (self) => self),
  'is_a?': any(1, 1, (self, { args }) => CLASSES[String(args[0])]?.includes(kindOf(self)) ?? false),
}

/** Kinds of the classes that `is_a?` knows. `true` and `false` are told apart by `==`. */
export const CLASSES: Readonly<Record<string, readonly Kind[]>> = {
  String: ['string'],
  Hash: ['map'],
  Array: ['array'],
  Integer: ['integer'],
  Float: ['float'],
  Numeric: ['integer', 'float'],
  NilClass: ['nil'],
  Time: ['time'],
}

const ORDER: On<Value> = (self, { args }) => BigInt(Math.sign(compare(self, args[0] as Value)))

function ordered(test: (order: number) => boolean): Method {
  const body: On<Value> = (self, { args }) => {
    const other = args[0] as Value
    // A comparison with NaN is never true.
    if (Number.isNaN(self) || Number.isNaN(other)) return false
    return test(compare(self, other))
  }
  return method(1, 1, { integer: body, float: body, string: body, time: body })
}

const between: On<Value> = (self, { args }) =>
  compare(self, args[0] as Value) >= 0 && compare(self, args[1] as Value) <= 0

/**
 * Returns a method of strings with an expression as its argument, which may be called the other way round.
 */
function swapped(name: '=~' | 'match' | 'match?', more: Method['on']): Method {
  const body = STRING_METHODS[name]?.on.string as unknown as On<string>
  const regex: On<Value> = (self, call) => {
    const [text] = call.args
    if (text === null) return name === 'match?' ? false : null
    return body(plusArg(call), { ...call, args: [self] })
  }
  return method(1, 1, { ...more, string: body as never, regex: regex as never })
}

/** Methods with one name and a meaning for each kind of values. */
const SHARED: Methods = {
  '[]': method(1, 2, {
    string: sliceText as On<string>,
    array: sliceList as On<Value>,
    map: ((self, { args }) => field(self, args[0] as Value)) as On<Stored>,
    match: matchGroup as never,
  }),
  dig: method(1, 50, { map: dig as never, array: dig as never }),
  fetch: method(1, 2, { map: fetch as never, array: fetch as never }),
  length: method(0, 0, {
    string: ((self) => BigInt(characters(self))) as On<string>,
    array: ((self) => BigInt((listOf(self) ?? []).length)) as On<Value>,
    map: ((self) => BigInt(pairs(self).length)) as On<Stored>,
  }),
  'empty?': method(0, 0, {
    string: ((self) => self === '') as On<string>,
    array: ((self) => listOf(self)?.length === 0) as On<Value>,
    map: ((self) => pairs(self).length === 0) as On<Stored>,
  }),
  'include?': method(1, 1, {
    string: ((self, call) => self.includes(plusArg(call))) as On<string>,
    array: ((self, { args }) =>
      (listOf(self) ?? []).some((item) => equals(item, args[0] as Value))) as On<Value>,
    map: hasKey as never,
  }),
  'key?': method(1, 1, { map: hasKey as never }),
  keys: method(0, 0, { map: ((self) => pairs(self).map(([key]) => key)) as On<Stored> }),
  values: method(0, 0, { map: ((self) => pairs(self).map(([, value]) => value)) as On<Stored> }),
  index: method(1, 1, {
    string: indexOfText as On<string>,
    array: ((self, { args }) => {
      const at = (listOf(self) ?? []).findIndex((item) => equals(item, args[0] as Value))
      return at < 0 ? null : BigInt(at)
    }) as On<Value>,
  }),
  '+': method(1, 1, {
    string: plus as On<string>,
    integer: arithmetic('+') as never,
    float: arithmetic('+') as never,
    array: LIST_METHODS['+']?.on.array as never,
    time: TIME_METHODS['+']?.on.time as never,
  }),
  '-': method(1, 1, {
    integer: arithmetic('-') as never,
    float: arithmetic('-') as never,
    array: LIST_METHODS['-']?.on.array as never,
    time: TIME_METHODS['-']?.on.time as never,
  }),
  '*': method(1, 1, {
    string: STRING_METHODS['*']?.on.string as never,
    integer: arithmetic('*') as never,
    float: arithmetic('*') as never,
  }),
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
  '<=>': method(1, 1, {
    integer: ORDER as never,
    float: ORDER as never,
    string: ORDER as never,
    time: ORDER as never,
  }),
  'between?': method(2, 2, {
    integer: between as never,
    float: between as never,
    string: between as never,
    time: between as never,
  }),
  reverse: method(0, 0, {
    string: STRING_METHODS.reverse?.on.string as never,
    array: LIST_METHODS.reverse?.on.array as never,
  }),
  to_i: method(0, 1, {
    nil: (() => 0n) as never,
    string: STRING_METHODS.to_i?.on.string as never,
    ...NUMBER_METHODS.to_i?.on,
    ...TIME_METHODS.to_i?.on,
  }),
  to_f: method(0, 0, {
    nil: (() => 0) as never,
    string: STRING_METHODS.to_f?.on.string as never,
    ...NUMBER_METHODS.to_f?.on,
    ...TIME_METHODS.to_f?.on,
  }),
  to_a: method(0, 0, {
    nil: (() => []) as never,
    array: ((self: Value) => self) as never,
    match: ((self: { groups: readonly (string | null)[] }) => self.groups) as never,
  }),
  '=~': swapped('=~', { nil: (() => null) as never }),
  match: swapped('match', {}),
  'match?': swapped('match?', {}),
  captures: method(0, 0, {
    match: ((self: { groups: readonly (string | null)[] }) => self.groups.slice(1)) as never,
  }),
}

const ALIASES: Readonly<Record<string, string>> = {
  size: 'length',
  count: 'length',
  slice: '[]',
  'has_key?': 'key?',
  'member?': 'include?',
  to_str: 'to_s',
  'kind_of?': 'is_a?',
  'instance_of?': 'is_a?',
  '===': '==',
  concat: '+',
}

const TABLE: Methods = {
  ...NUMBER_METHODS,
  ...TIME_METHODS,
  ...LIST_METHODS,
  ...STRING_METHODS,
  ...GENERAL,
  ...SHARED,
}

/** Returns the method of this name, or undefined. */
export function findMethod(name: string): Method | undefined {
  const own = Object.hasOwn(ALIASES, name) ? (ALIASES[name] as string) : name
  return Object.hasOwn(TABLE, own) ? TABLE[own] : undefined
}

/** Names of methods, for suggestions. */
export function methodNames(): string[] {
  return [...Object.keys(TABLE), ...Object.keys(ALIASES)]
}

/** Calls a method; throws Ruby's message when the value has none of that name. */
export function invoke(found: Method, name: string, self: Value, call: Call): Value {
  const body = found.on[kindOf(self)]
  if (body !== undefined) return body(self as never, call)
  throw new RubyFailure(`undefined method '${name}' for ${whose(self)}`)
}

function plusArg({ args }: Call): string {
  if (typeof args[0] === 'string') return args[0]
  throw new RubyFailure(`no implicit conversion of ${classOf(args[0])} into String`)
}

function inBase(self: Value, base: Value): string {
  if (typeof self !== 'bigint') throw new RubyFailure('only integers have a text in another base')
  const radix = intArg(base)
  if (radix < 2 || radix > 36) throw new RubyFailure('invalid radix')
  return self.toString(radix)
}

function counted(text: string, scope: Scope): string {
  charge(scope, text.length)
  return text
}

/** Returns the field of a map; keys that are not strings are not found. */
function field(map: Stored, key: Value): Value {
  if (typeof key !== 'string') return null
  const at = findKey(map.buf, map.at, map.end, textBytes(key))
  return at < 0 ? null : readValue(map.buf, at, map.end)
}

function hasKey(map: Stored, { args }: Call): Value {
  const [key] = args
  return typeof key === 'string' && findKey(map.buf, map.at, map.end, textBytes(key)) >= 0
}

function pairs(map: Stored): [Value, Value][] {
  return pairsOf(map.buf, map.at, map.end)
}

function dig(self: Value, { args }: Call): Value {
  let value = self
  for (const step of args) {
    if (value === null) return null
    if (value instanceof Stored && value.kind === 'map') value = field(value, step)
    else {
      const list = listOf(value)
      if (list === undefined) throw new RubyFailure(`${classOf(value)} does not have #dig method`)
      value = list.at(intArg(step)) ?? null
    }
  }
  return value
}

function fetch(self: Value, { args }: Call): Value {
  const [key, other] = args as [Value, Value | undefined]
  if (self instanceof Stored && self.kind === 'map') {
    const at = typeof key === 'string' ? findKey(self.buf, self.at, self.end, textBytes(key)) : -1
    if (at >= 0) return readValue(self.buf, at, self.end)
    if (other !== undefined) return other
    throw new RubyFailure('key not found')
  }
  const list = listOf(self) ?? []
  const found = list.at(intArg(key))
  if (found !== undefined) return found
  if (other !== undefined) return other
  throw new RubyFailure(`index outside of array bounds: ${-list.length}...${list.length}`)
}

function matchGroup(
  self: { groups: readonly (string | null)[]; named(name: string): string | null | undefined },
  { args }: Call,
): Value {
  const [which] = args
  if (typeof which !== 'string') return self.groups.at(intArg(which)) ?? null
  const found = self.named(which)
  if (found === undefined) throw new RubyFailure('undefined group name reference')
  return found
}

/** Returns the value as `to_f` does. */
export function floatOf(value: Value): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (value === null) return 0
  if (typeof value === 'string') return parseFloatText(value)
  throw new RubyFailure(`undefined method 'to_f' for ${whose(value)}`)
}

function whose(value: Value): string {
  const owner = classOf(value)
  return owner === 'nil' || owner === 'true' || owner === 'false' ? owner : `an instance of ${owner}`
}
