import { equals, listOf } from './compare.ts'
import { RubyFailure } from './failure.ts'
import { textOf } from './format.ts'
import { type Call, intArg, type Methods, method, rangeSpan, span, stringArg } from './method.ts'
import { charge } from './scope.ts'
import { isTruthy, kindOf, Range, type Value } from './values.ts'

const MAX_DEPTH = 256

type List = readonly Value[]

/** Describes a method of lists, those of records included. */
function list(min: number, max: number, body: (self: List, call: Call) => Value) {
  const array = (self: Value, call: Call): Value => {
    const items = listOf(self) as List
    charge(call.scope, items.length)
    return body(items, call)
  }
  return method(min, max, { array: array as never })
}

export const LIST_METHODS: Methods = {
  first: list(0, 1, (self, { args }) =>
    args.length === 0 ? (self[0] ?? null) : self.slice(0, counted(args[0])),
  ),
  last: list(0, 1, (self, { args }) => {
    if (args.length === 0) return self.at(-1) ?? null
    return self.slice(Math.max(0, self.length - counted(args[0])))
  }),
  take: list(1, 1, (self, { args }) => self.slice(0, counted(args[0]))),
  drop: list(1, 1, (self, { args }) => self.slice(counted(args[0]))),
  join: list(0, 1, (self, call) => {
    const separator = call.args[0] === undefined || call.args[0] === null ? '' : stringArg(call.args[0])
    return join(self, separator, call, 0)
  }),
  compact: list(0, 0, (self) => self.filter((item) => item !== null)),
  reverse: list(0, 0, (self) => self.toReversed()),
  uniq: list(0, 0, (self, { scope }) => {
    charge(scope, self.length * self.length)
    return self.filter(
      (item, i) => self.findIndex((other) => kindOf(other) === kindOf(item) && equals(item, other)) === i,
    )
  }),
  'any?': list(0, 0, (self) => self.some(isTruthy)),
  '+': list(1, 1, (self, { args }) => [...self, ...other(args[0])]),
  '-': list(1, 1, (self, { args, scope }) => {
    const without = other(args[0])
    charge(scope, self.length * without.length)
    return self.filter((item) => !without.some((each) => equals(item, each)))
  }),
}

/** Implements `list[...]` and `slice`. */
export function sliceList(self: Value, { args }: Call): Value {
  const items = listOf(self) as List
  const [first, second] = args
  if (first instanceof Range) return part(items, rangeSpan(first.from, first.to, first.isOpen, items.length))
  if (second !== undefined) return part(items, span(first, second, items.length))
  return items.at(intArg(first)) ?? null
}

function part(items: List, found: [number, number] | undefined): Value {
  return found === undefined ? null : items.slice(found[0], found[0] + found[1])
}

function counted(value: Value | undefined): number {
  const count = intArg(value)
  if (count < 0) throw new RubyFailure('negative array size')
  return count
}

function other(value: Value | undefined): List {
  const items = value === undefined ? undefined : listOf(value)
  if (items === undefined) throw new RubyFailure('only a list can be added to or taken from a list')
  return items
}

function join(self: List, separator: string, call: Call, depth: number): string {
  if (depth > MAX_DEPTH) throw new RubyFailure(`a list of more than ${MAX_DEPTH} levels cannot be joined`)
  const texts = self.map((item) => {
    const inner = listOf(item)
    return inner === undefined ? textOf(item) : join(inner, separator, call, depth + 1)
  })
  charge(
    call.scope,
    texts.reduce((sum, text) => sum + text.length + separator.length, 0),
  )
  return texts.join(separator)
}
