import { maskValue } from '../../core/mask-secrets.ts'
import { formatTime } from '../../core/options/units.ts'
import type { Attribute } from './element.ts'
import type { Translation } from './translation.ts'

/** How fluentd reads a value. Of a `secret` a message does not say where it comes from, but what is wrong with the option. */
export type Conversion = 'text' | 'secret' | 'bool' | 'int' | 'time' | 'size' | 'list' | 'seconds'

const DIGITS = /^-?\d+$/
const NUMBER = /^-?\d+(?:\.\d+)?$/
const SIZE_UNITS = [/(\d+)k/i, /(\d+)m/i, /(\d+)g/i, /(\d+)t/i]
const TIME_UNITS: [RegExp, number][] = [
  [/(\d+)s/, 1000],
  [/(\d+)m/, 60_000],
  [/(\d+)h/, 3_600_000],
  [/(\d+)d/, 86_400_000],
]
const COMMA = /\s*,\s*/

/**
 * Returns the value of an attribute as the options of a section are written; undefined when it cannot be read, which is
 * recorded.
 */
export function convert(
  attribute: Attribute,
  conversion: Conversion,
  translation: Translation,
): string | undefined {
  const { value } = attribute
  if (value === undefined) return undefined
  switch (conversion) {
    case 'text':
      return value
    case 'secret':
      // An empty key would let everybody in.
      return value === '' ? invalid(attribute, 'a string that is not empty', translation) : value
    case 'list':
      return listOf(attribute, translation).join(',')
    case 'bool': {
      const bool = boolOf(attribute, translation)
      return bool === undefined ? undefined : bool ? 'on' : 'off'
    }
    case 'size': {
      const size = sizeOf(value)
      return size === undefined ? invalid(attribute, 'a size such as 8m', translation) : String(size)
    }
    case 'time': {
      const ms = timeOf(value)
      return ms === undefined ? invalid(attribute, 'a time such as 5s', translation) : formatTime(ms)
    }
    case 'seconds':
    case 'int': {
      const text = conversion === 'seconds' && NUMBER.test(value) ? value : DIGITS.exec(value)?.[0]
      return text ?? invalid(attribute, 'a number', translation)
    }
  }
}

function invalid(
  { name, written = name, value, valueLocation }: Attribute,
  must: string,
  translation: Translation,
): undefined {
  translation.problem(
    'E_CONFIG_BAD_VALUE',
    `"${written}" must be ${must}, not "${maskValue('', value ?? '')}"`,
    valueLocation,
  )
  return undefined
}

/** Returns a size in bytes; k, m, g and t are powers of 1024, as in fluentd, and what follows them is passed over. */
export function sizeOf(text: string): number | undefined {
  for (const [power, unit] of SIZE_UNITS.entries()) {
    const number = unit.exec(text)?.[1]
    if (number !== undefined) return Number(number) * 1024 ** (power + 1)
  }
  return DIGITS.test(text) ? Number(text) : undefined
}

/** Returns a time in milliseconds; of a text with a unit the whole number before it counts, as in fluentd. */
export function timeOf(text: string): number | undefined {
  for (const [unit, ms] of TIME_UNITS) {
    const number = unit.exec(text)?.[1]
    if (number !== undefined) return Number(number) * ms
  }
  return NUMBER.test(text) ? Number(text) * 1000 : undefined
}

/** Returns a switch; one without a value is on. */
export function boolOf(attribute: Attribute, translation: Translation): boolean | undefined {
  const value = attribute.value ?? ''
  if (value === 'true' || value === 'yes' || value === '' || value.startsWith('#')) return true
  if (value === 'false' || value === 'no') return false
  invalid(attribute, 'true or false', translation)
  return undefined
}

/** Returns the items of an array in JSON, or separated by commas. */
export function listOf(attribute: Attribute, translation: Translation): string[] {
  const value = attribute.value ?? ''
  if (!value.startsWith('[')) return value.trim() === '' ? [] : value.trim().split(COMMA)
  const items = jsonOf(attribute, translation)
  return Array.isArray(items)
    ? items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)))
    : []
}

/** Returns the pairs of an object in JSON, or of `key:value,key:value`. */
export function hashOf(attribute: Attribute, translation: Translation): [string, string][] {
  const value = attribute.value ?? ''
  if (value.startsWith('{')) {
    const object = jsonOf(attribute, translation)
    return typeof object === 'object' && object !== null
      ? Object.entries(object).map(([key, item]) => [
          key,
          typeof item === 'string' ? item : JSON.stringify(item),
        ])
      : []
  }
  return value
    .trim()
    .split(COMMA)
    .filter((pair) => pair !== '')
    .map((pair) => {
      const colon = pair.indexOf(':')
      return colon < 0 ? [pair, ''] : [pair.slice(0, colon), pair.slice(colon + 1)]
    })
}

/** Returns the value as JSON; undefined when it is none, which is recorded. */
export function jsonOf(attribute: Attribute, translation: Translation): unknown {
  try {
    return JSON.parse(attribute.value ?? '') as unknown
  } catch {
    return invalid(attribute, 'JSON', translation)
  }
}

const SLASHES = /^\/(.*)\/([a-z]*)$/s

/** Returns an expression without its slashes, as one that stands within another: `/a/i` -> `(?i:a)`. */
export function expressionOf(text: string): string {
  const [, source, flags] = SLASHES.exec(text) ?? []
  if (source === undefined || flags === undefined) return text
  const kept = ['i', 'm', 'x'].filter((flag) => flags.includes(flag)).join('')
  return kept === '' ? source : `(?${kept}:${source})`
}
