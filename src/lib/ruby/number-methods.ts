import { RubyFailure } from './failure.ts'
import { type Call, classOf, intArg, type Methods, method } from './method.ts'
import type { Value } from './values.ts'

/** Largest integer that is calculated with, in bits: fields have 64. */
const MAX_BITS = 4096
const LIMIT = 1n << BigInt(MAX_BITS)

type Numeric = bigint | number
type Operator = '+' | '-' | '*' | '/' | '%'
type On = (self: Numeric, call: Call) => Value

function numeric(body: On) {
  return { integer: body as never, float: body as never }
}

/** Returns the method of an operator: integers stay integers and divide downwards, as in Ruby. */
export function arithmetic(operator: Operator): On {
  return (self, { args }) => {
    const [other] = args
    if (typeof other !== 'bigint' && typeof other !== 'number') {
      const own = typeof self === 'bigint' ? 'Integer' : 'Float'
      throw new RubyFailure(`${classOf(other)} can't be coerced into ${own}`)
    }
    if (typeof self === 'bigint' && typeof other === 'bigint') return integers(operator, self, other)
    return floats(operator, Number(self), Number(other))
  }
}

function integers(operator: Operator, a: bigint, b: bigint): bigint {
  if ((operator === '/' || operator === '%') && b === 0n) throw new RubyFailure('divided by 0')
  const value = calculate(operator, a, b)
  if (value > LIMIT || value < -LIMIT) throw new RubyFailure('the integer is too large')
  return value
}

function calculate(operator: Operator, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/': {
      const quotient = a / b
      return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
    }
    case '%': {
      const rest = a % b
      return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest
    }
  }
}

function floats(operator: Operator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return a / b
    case '%': {
      const rest = a % b
      return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest
    }
  }
}

function whole(value: number): bigint {
  if (!Number.isFinite(value)) throw new RubyFailure(Number.isNaN(value) ? 'NaN' : 'Infinity')
  return BigInt(value)
}

function rounding(round: (value: number) => number) {
  return numeric((self, { args }) => {
    const digits = args[0] === undefined ? 0 : intArg(args[0])
    if (typeof self === 'bigint') {
      if (digits >= 0) return self
      if (digits < -15) return 0n
      const unit = 10 ** -digits
      return BigInt(round(Number(self) / unit)) * BigInt(unit)
    }
    if (digits <= 0) {
      const unit = 10 ** Math.min(-digits, 300)
      return whole(round(self / unit) * unit)
    }
    if (digits > 15 || !Number.isFinite(self)) return self
    // By the decimal digits: 1.005 * 100 would be less than 100.5.
    return Number(`${round(Number(`${self}e${digits}`))}e-${digits}`)
  })
}

/** Rounds half away from zero. */
function half(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value))
}

export const NUMBER_METHODS: Methods = {
  '/': method(1, 1, numeric(arithmetic('/'))),
  '%': method(1, 1, numeric(arithmetic('%'))),
  '-@': method(
    0,
    0,
    numeric((self) => -self),
  ),
  to_i: method(
    0,
    0,
    numeric((self) => (typeof self === 'bigint' ? self : whole(Math.trunc(self)))),
  ),
  to_f: method(
    0,
    0,
    numeric((self) => Number(self)),
  ),
  round: method(0, 1, rounding(half)),
  floor: method(0, 1, rounding(Math.floor)),
  ceil: method(0, 1, rounding(Math.ceil)),
  abs: method(
    0,
    0,
    numeric((self) => (self < 0 ? -self : self)),
  ),
  'zero?': method(
    0,
    0,
    numeric((self) => Number(self) === 0),
  ),
  'positive?': method(
    0,
    0,
    numeric((self) => self > 0),
  ),
  'negative?': method(
    0,
    0,
    numeric((self) => self < 0),
  ),
}
