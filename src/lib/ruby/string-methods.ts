import { compare } from './compare.ts'
import { RubyFailure } from './failure.ts'
import { type Call, intArg, type Methods, method, rangeSpan, span, stringArg } from './method.ts'
import { charge } from './scope.ts'
import { replace, scan, split, translate } from './string-search.ts'
import { characters, hasInvalidBytes, invalidByte, sliceCharacters, unescapedSize } from './text.ts'
import { Expression, Range, type Value } from './values.ts'

const LEFT_BLANKS = /^[\0\t\n\v\f\r ]+/
const INTEGER = /^[\t\n\v\f\r ]*([+-]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-zA-Z]+(?:_[0-9a-zA-Z]+)*)/
const FLOAT =
  /^[\t\n\v\f\r ]*[+-]?\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?|^[\t\n\v\f\r ]*[+-]?\.\d+(?:[eE][+-]?\d+)?/
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
/** Longest integer that is read from a text: it only has to be recognized as too large. */
const MAX_DIGITS = 400

type Text = (self: string, call: Call) => Value

/** Describes a method of strings whose result is a string, which is counted. */
function made(min: number, max: number, body: (self: string, call: Call) => string) {
  const string: Text = (self, call) => {
    const text = body(self, call)
    charge(call.scope, text.length)
    return text
  }
  return method(min, max, { string })
}

function asked(min: number, max: number, string: Text) {
  return method(min, max, { string })
}

export const STRING_METHODS: Methods = {
  upcase: made(0, 0, (self) => self.toUpperCase()),
  downcase: made(0, 0, (self) => self.toLowerCase()),
  capitalize: made(0, 0, (self) => {
    const first = String.fromCodePoint(self.codePointAt(0) ?? 0)
    return self === '' ? '' : first.toUpperCase() + self.slice(first.length).toLowerCase()
  }),
  swapcase: made(0, 0, (self) =>
    [...self].map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())).join(''),
  ),
  strip: made(0, 0, (self) => stripRight(self.replace(LEFT_BLANKS, ''))),
  lstrip: made(0, 0, (self) => self.replace(LEFT_BLANKS, '')),
  rstrip: made(0, 0, stripRight),
  chomp: made(0, 1, (self, { args }) =>
    args.length === 0 ? chomp(self) : without(self, stringArg(args[0])),
  ),
  chop: made(0, 0, (self) => (self.endsWith('\r\n') ? self.slice(0, -2) : [...self].slice(0, -1).join(''))),
  delete_suffix: made(1, 1, (self, { args }) => without(self, stringArg(args[0]))),
  delete_prefix: made(1, 1, (self, { args }) => {
    const prefix = stringArg(args[0])
    return self.startsWith(prefix) ? self.slice(prefix.length) : self
  }),
  reverse: made(0, 0, (self) => [...self].reverse().join('')),
  squeeze: made(0, 0, (self) => self.replace(/(.)\1+/gsu, '$1')),
  ljust: made(1, 2, (self, call) => self + padding(missing(self, call), call)),
  rjust: made(1, 2, (self, call) => padding(missing(self, call), call) + self),
  center: made(1, 2, (self, call) => {
    const size = missing(self, call)
    return padding(Math.floor(size / 2), call) + self + padding(Math.ceil(size / 2), call)
  }),
  gsub: made(2, 2, (self, call) => replace(self, call, true)),
  sub: made(2, 2, (self, call) => replace(self, call, false)),
  tr: made(2, 2, (self, { args }) => translate(self, stringArg(args[0]), stringArg(args[1]))),
  delete: made(1, 1, (self, { args }) => translate(self, stringArg(args[0]), '')),
  scrub: made(0, 1, (self, { args }) => {
    const mark = args.length === 0 ? '\ufffd' : stringArg(args[0])
    return hasInvalidBytes(self) ? [...self].map((c) => (invalidByte(c) < 0 ? c : mark)).join('') : self
  }),
  force_encoding: asked(1, 1, (self, { args }) => encoding(self, args[0])),
  encode: asked(1, 1, (self, { args }) => encoding(self, args[0])),
  '*': made(1, 1, (self, { args, scope }) => {
    const times = intArg(args[0])
    if (times < 0) throw new RubyFailure('negative argument')
    charge(scope, self.length * times)
    return self.repeat(times)
  }),
  to_i: method(0, 1, { string: ((self, { args }) => integer(self, args[0])) as Text }),
  hex: asked(0, 0, (self) => integer(self, 16n)),
  to_f: asked(0, 0, parseFloatText),
  bytesize: asked(0, 0, (self) => BigInt(unescapedSize(self))),
  ord: asked(0, 0, (self) => {
    if (self === '') throw new RubyFailure('empty string')
    return BigInt(self.codePointAt(0) ?? 0)
  }),
  'start_with?': asked(1, 100, (self, { args, regex }) =>
    args.some((arg) =>
      arg instanceof Expression
        ? regex(arg.source).match(self)?.before === ''
        : self.startsWith(stringArg(arg)),
    ),
  ),
  'end_with?': asked(1, 100, (self, { args }) => args.some((arg) => self.endsWith(stringArg(arg)))),
  'casecmp?': asked(1, 1, (self, { args }) => self.toLowerCase() === stringArg(args[0]).toLowerCase()),
  casecmp: asked(1, 1, (self, { args }) => {
    return BigInt(Math.sign(compare(self.toLowerCase(), stringArg(args[0]).toLowerCase())))
  }),
  'match?': asked(1, 1, (self, { args, regex }) => regex(sourceOf(args[0])).match(self) !== undefined),
  match: asked(1, 1, (self, { args, regex, scope }) => {
    charge(scope, self.length * 2)
    return regex(sourceOf(args[0])).match(self) ?? null
  }),
  '=~': asked(1, 1, (self, { args, regex }) => {
    if (!(args[0] instanceof Expression))
      throw new RubyFailure('only a regular expression can be right of =~')
    const at = regex(args[0].source).index(self)
    return at < 0 ? null : BigInt(at)
  }),
  split: asked(0, 2, split),
  scan: asked(1, 1, scan),
  partition: asked(1, 1, (self, call) => partition(self, call)),
  rpartition: asked(1, 1, (self, { args }) => {
    const separator = stringArg(args[0])
    const at = self.lastIndexOf(separator)
    return at < 0 ? ['', '', self] : [self.slice(0, at), separator, self.slice(at + separator.length)]
  }),
  chars: asked(0, 0, (self, { scope }) => {
    charge(scope, self.length * 8)
    return [...self]
  }),
  lines: asked(0, 0, (self, { scope }) => {
    charge(scope, self.length * 8)
    return self.match(/[^\n]*\n|[^\n]+$/g) ?? []
  }),
}

/** Implements `text[...]` and `slice`. */
export function sliceText(self: string, { args, regex, scope }: Call): Value {
  const [first, second] = args
  if (first instanceof Expression) {
    charge(scope, self.length * 2)
    const found = regex(first.source).match(self)
    if (found === undefined) return null
    if (typeof second === 'string') return found.named(second) ?? null
    return found.groups.at(second === undefined ? 0 : intArg(second)) ?? null
  }
  if (typeof first === 'string') return self.includes(first) ? first : null
  const size = characters(self)
  if (first instanceof Range) return part(self, rangeSpan(first.from, first.to, first.isOpen, size))
  if (second !== undefined) return part(self, span(first, second, size))
  const at = intArg(first)
  const index = at < 0 ? at + size : at
  return index < 0 || index >= size ? null : sliceCharacters(self, index, 1)
}

/** Implements `index`. */
export function indexOfText(self: string, { args, regex }: Call): Value {
  const [what] = args
  if (what instanceof Expression) {
    const at = regex(what.source).index(self)
    return at < 0 ? null : BigInt(at)
  }
  const at = self.indexOf(stringArg(what))
  return at < 0 ? null : BigInt(characters(self.slice(0, at)))
}

function part(self: string, found: [number, number] | undefined): Value {
  return found === undefined ? null : sliceCharacters(self, found[0], found[1])
}

/** Returns the number at the beginning of a text, or 0. */
export function parseFloatText(self: string): number {
  const [digits = '0'] = FLOAT.exec(self.slice(0, 2 * MAX_DIGITS)) ?? []
  return Number(digits.replaceAll('_', '').trim())
}

function stripRight(text: string): string {
  let end = text.length
  while (end > 0 && '\0\t\n\v\f\r '.includes(text[end - 1] as string)) end--
  return text.slice(0, end)
}

function chomp(text: string): string {
  if (text.endsWith('\r\n')) return text.slice(0, -2)
  return text.endsWith('\n') || text.endsWith('\r') ? text.slice(0, -1) : text
}

function without(text: string, suffix: string): string {
  return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text
}

function missing(self: string, { args }: Call): number {
  return Math.max(0, intArg(args[0]) - characters(self))
}

function padding(size: number, { args, scope }: Call): string {
  const fill = args[1] === undefined ? ' ' : stringArg(args[1])
  if (fill === '') throw new RubyFailure('zero width padding')
  charge(scope, size)
  return sliceCharacters(fill.repeat(Math.ceil(size / characters(fill))), 0, size)
}

function integer(self: string, base: Value | undefined): bigint {
  const radix = base === undefined ? 10 : intArg(base)
  if (radix < 2 || radix > 36) throw new RubyFailure('invalid radix')
  const [all = '', sign, digits = ''] = INTEGER.exec(self.slice(0, 2 * MAX_DIGITS)) ?? []
  const isPrefixed = /0[xX]/.test(all.slice(0, all.length - digits.length))
  if (isPrefixed && radix !== 16) return 0n
  const plain = digits.replaceAll('_', '').toLowerCase()
  let length = 0
  while (length < plain.length && DIGITS.indexOf(plain[length] as string) < radix) length++
  if (length > MAX_DIGITS) throw new RubyFailure('the integer has too many digits')
  let value = 0n
  for (const digit of plain.slice(0, length)) value = value * BigInt(radix) + BigInt(DIGITS.indexOf(digit))
  return sign === '-' ? -value : value
}

function encoding(self: string, name: Value | undefined): Value {
  const wanted = stringArg(name).toUpperCase()
  if (wanted === 'UTF-8' || wanted === 'UTF8') return self
  throw new RubyFailure('the encoding is not supported')
}

function sourceOf(value: Value | undefined): string {
  if (value instanceof Expression) return value.source
  throw new RubyFailure('only a regular expression can be matched')
}

function partition(self: string, { args, regex, scope }: Call): Value {
  charge(scope, self.length)
  const [what] = args
  if (what instanceof Expression) {
    const found = regex(what.source).match(self)
    return found === undefined ? [self, '', ''] : [found.before, found.groups[0] ?? '', found.after]
  }
  const separator = stringArg(what)
  const at = self.indexOf(separator)
  return at < 0 ? [self, '', ''] : [self.slice(0, at), separator, self.slice(at + separator.length)]
}

/** Implements `+`. */
export function plus(self: string, { args, scope }: Call): string {
  const other = stringArg(args[0])
  charge(scope, self.length + other.length)
  return self + other
}
