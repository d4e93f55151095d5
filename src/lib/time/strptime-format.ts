import { ShipperError } from '../../core/error.ts'

/** One step of a compiled Time_Format. */
export type FormatStep =
  | { op: 'literal'; byte: number }
  | { op: 'blanks' }
  | { op: 'fraction'; digits: number }
  | { op: 'number'; field: number; digits: number; min: number; max: number }
  | { op: 'epoch'; decimals: number }
  | { op: 'zone' }
  | { op: 'month' }
  | { op: 'weekday' }
  | { op: 'half' }

/** Indexes of the numbers that a format can read. */
export const FIELD = {
  year: 0,
  month: 1,
  day: 2,
  hour: 3,
  hour12: 4,
  minute: 5,
  second: 6,
  yearDay: 7,
  skip: 8,
} as const
export const FIELD_COUNT = 9

const number = (field: keyof typeof FIELD, digits: number, min: number, max: number): FormatStep => ({
  op: 'number',
  field: FIELD[field],
  digits,
  min,
  max,
})

/** Value of `decimals` for an epoch whose unit follows from its number of digits. */
export const AUTO = -1

/** Formats that are a name: a number since 1970 in this unit, with its decimal places. */
const EPOCHS: Record<string, number> = { epoch: 0, epoch_ms: 3, epoch_us: 6, epoch_ns: 9 }

/** Conversions of strptime(3) that are useful for logs, and `%L`, a fraction of a second. */
const CONVERSIONS: Record<string, FormatStep> = {
  Y: number('year', 4, 0, 9999),
  y: number('year', 2, 0, 99),
  m: number('month', 2, 1, 12),
  d: number('day', 2, 1, 31),
  e: number('day', 2, 1, 31),
  H: number('hour', 2, 0, 23),
  k: number('hour', 2, 0, 23),
  I: number('hour12', 2, 1, 12),
  l: number('hour12', 2, 1, 12),
  M: number('minute', 2, 0, 59),
  S: number('second', 2, 0, 60),
  j: number('yearDay', 3, 1, 366),
  u: number('skip', 1, 1, 7),
  w: number('skip', 1, 0, 6),
  L: { op: 'fraction', digits: Number.POSITIVE_INFINITY },
  s: { op: 'epoch', decimals: AUTO },
  z: { op: 'zone' },
  Z: { op: 'zone' },
  b: { op: 'month' },
  B: { op: 'month' },
  h: { op: 'month' },
  a: { op: 'weekday' },
  A: { op: 'weekday' },
  p: { op: 'half' },
  P: { op: 'half' },
  n: { op: 'blanks' },
  t: { op: 'blanks' },
  '%': { op: 'literal', byte: 0x25 },
}

const SHORTHANDS: Record<string, string> = {
  T: '%H:%M:%S',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  R: '%H:%M',
  r: '%I:%M:%S %p',
  c: '%a %b %e %H:%M:%S %Y',
}

/**
 * Compiles a format of strptime(3) or the name of an epoch. Throws E_CONFIG_BAD_VALUE for an unknown
 * conversion.
 */
export function compileFormat(format: string): FormatStep[] {
  const decimals = Object.hasOwn(EPOCHS, format) ? EPOCHS[format] : undefined
  if (decimals !== undefined) return [{ op: 'epoch', decimals }, ...compileFormat('.%L')]
  const steps: FormatStep[] = []
  const bytes = Buffer.from(format)
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte === 0x20 || (byte >= 9 && byte <= 13)) {
      if (steps.at(-1)?.op !== 'blanks') steps.push({ op: 'blanks' })
    } else if (byte !== 0x25) {
      steps.push({ op: 'literal', byte })
    } else {
      const letter = String.fromCharCode(bytes[++i] ?? 0)
      steps.push(...conversion(letter))
    }
  }
  return steps.map((step, i) =>
    step.op === 'fraction' && isNumber(steps[i + 1]) ? { ...step, digits: 3 } : step,
  )
}

function conversion(letter: string): FormatStep[] {
  const shorthand = SHORTHANDS[letter]
  if (shorthand !== undefined) return compileFormat(shorthand)
  const step = CONVERSIONS[letter]
  if (step !== undefined) return [step]
  const hint = 'known conversions are %Y %y %m %d %e %H %I %M %S %L %p %b %B %a %A %j %s %z %Z %T %D %F %R %%'
  throw new ShipperError('E_CONFIG_BAD_VALUE', `unknown conversion %${letter}`, { hint })
}

/**
 * Returns true for a number directly after a fraction. The fraction then has exactly three digits, since it
 * would take those of the number otherwise.
 */
function isNumber(step: FormatStep | undefined): boolean {
  return step?.op === 'number' || step?.op === 'epoch'
}
