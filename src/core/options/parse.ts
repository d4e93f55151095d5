import { MASK, maskValue } from '../mask-secrets.ts'
import type { InvalidValue } from './checks.ts'
import type { Option, OptionsOf, OptionTable } from './option.ts'
import { camelName } from './option.ts'
import { hasSecret } from './secret-values.ts'
import { formatSize, formatTime, parseBool, parseSize, parseTime } from './units.ts'
import { splitWords } from './words.ts'

/** A parsed value, or a problem: one line that names the option and what it accepts, with secrets hidden. */
type ValueResult =
  | {
      value: unknown
      problem?: undefined
      /** What the text should have been, and which value is used instead. */
      warning?: string
    }
  | { problem: string; hint?: string }

/** More of a value than a message shows: what follows need not be masked. */
const MAX_MASKED_CHARS = 4000
const INT = /^[+-]?\d+$/
const DOUBLE = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i

/** Names of the options of a table, by their aliases in lower case. */
const ALIASES = new WeakMap<OptionTable, ReadonlyMap<string, string>>()

/** Returns the name of the option that `given` denotes, by name or alias, regardless of case. */
export function findOption(table: OptionTable, given: string): string | undefined {
  const name = given.toLowerCase()
  return Object.hasOwn(table, name) ? name : aliasesOf(table).get(name)
}

function aliasesOf(table: OptionTable): ReadonlyMap<string, string> {
  let aliases = ALIASES.get(table)
  if (aliases === undefined) {
    const pairs = Object.entries(table).flatMap(([name, option]) =>
      (option.aliases ?? []).map((alias): [string, string] => [alias.toLowerCase(), name]),
    )
    // The first option with an alias has it.
    aliases = new Map(pairs.toReversed())
    ALIASES.set(table, aliases)
  }
  return aliases
}

/** Parses and checks one value. `isExpanded`: variables were expanded in it. */
export function parseValue(name: string, option: Option, text: string, isExpanded = false): ValueResult {
  const given = interpret(option, text)
  const value = option.type === 'size' ? adjusted(given, option) : given
  const fits = value !== undefined && inRange(option, value)
  const invalid = fits && value === given ? option.check?.(value, isExpanded) : outOfRange(option, value)
  if (invalid === undefined) return { value }
  const { must, reason: why, hint = '', instead, doubt } = invalid
  if (doubt !== undefined) return { value, warning: `"${name}" ${doubt}` }
  const head = text.slice(0, MAX_MASKED_CHARS)
  const shown = hasSecret(option, text) ? MASK : maskValue('', head)
  // The reason may repeat a part of the value.
  const reason = shown !== head || why === undefined ? '' : `: ${why}`
  const problem = `"${name}" must be ${must}, not ${shown === MASK ? MASK : `"${shown}"`}${reason}`
  return instead === undefined ? { problem, hint } : { value, warning: `${problem}: ${instead}` }
}

/**
 * Returns the maximum for a larger value: sizes are limits, and too large a limit should not prevent a start. A smaller value
 * than the minimum is usually a lost unit, so it is raised only where the option says so.
 */
function adjusted(value: unknown, { min, max, raised }: Option): unknown {
  if (typeof value !== 'number') return value
  const atMost = max === undefined ? value : Math.min(value, max)
  return raised === true && min !== undefined ? Math.max(atMost, min) : atMost
}

function outOfRange(option: Option, value: unknown): InvalidValue {
  const must = describe(option)
  const isLimit = value === option.max || (option.raised === true && value === option.min)
  const wasAdjusted = option.type === 'size' && typeof value === 'number' && isLimit
  const reason = option.form === undefined ? undefined : 'a word is missing'
  if (reason !== undefined) return { must, reason }
  return wasAdjusted ? { must, instead: `using ${formatSize(value)}` } : { must }
}

/** Returns the parsed default of an option. */
export function defaultValue(name: string, option: Option): unknown {
  if (option.default === undefined) return option.repeat === true ? [] : undefined
  const result = parseValue(name, option, option.default)
  if (result.problem !== undefined) throw new Error(`default of an option: ${result.problem}`)
  return option.repeat === true ? [result.value] : result.value
}

/**
 * Parses texts, given by canonical name, into the options of a table; absent ones get their defaults. Checking names and
 * required options is left to the caller; an invalid value throws an Error.
 */
export function parseOptions<const T extends OptionTable>(
  table: T,
  texts: { readonly [name in keyof T]?: string | readonly string[] },
): OptionsOf<T> {
  const parsed: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(table)) {
    const given = texts[name]
    const values = (given === undefined ? [] : [given].flat()).map((text) => {
      const result = parseValue(name, option, text)
      if (result.problem !== undefined) throw new Error(result.problem)
      return result.value
    })
    if (values.length === 0) parsed[camelName(name)] = defaultValue(name, option)
    else parsed[camelName(name)] = option.repeat === true ? values : values.at(-1)
  }
  return parsed as OptionsOf<T>
}

/** Describes what the option accepts; completes the sentence "must be ...". */
function describe(option: Option): string {
  switch (option.type) {
    case 'string':
      return 'a string'
    case 'bool':
      return 'true, on or yes, or false, off or no'
    case 'int':
      return `an integer${rangeText(option, String)}`
    case 'double':
      return `a number${rangeText(option, String)}`
    case 'size':
      return `a size like 32K or 5M${rangeText(option, formatSize)}`
    case 'time':
      return `a time like 60 or 5m${rangeText(option, formatTime)}`
    case 'enum':
      return `one of ${option.values?.join(', ') ?? ''}`
    case 'clist':
      return 'a list separated by commas'
    case 'slist':
      if (option.form !== undefined) return option.form
      return option.words === undefined ? 'words separated by blanks' : `${option.words} words`
  }
}

function interpret(option: Option, text: string): unknown {
  switch (option.type) {
    case 'string':
      return text
    case 'bool':
      return parseBool(text)
    case 'int':
      return INT.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined
    case 'double':
      return DOUBLE.test(text) ? Number(text) : undefined
    case 'size':
      return parseSize(text)
    case 'time':
      return parseTime(text)
    case 'enum':
      return option.values?.find((value) => value.toLowerCase() === text.toLowerCase())
    case 'clist':
      return text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')
    case 'slist':
      return splitWords(text, option.words)
  }
}

function inRange(option: Option, value: unknown): boolean {
  if (typeof value !== 'number') return true
  const { min, max } = limits(option)
  return (min === undefined || value >= min) && (max === undefined || value <= max)
}

/** Returns the range of an option. A size or a time is not negative unless its table says so. */
function limits(option: Option): { min: number | undefined; max: number | undefined } {
  const min = option.min ?? (option.type === 'size' || option.type === 'time' ? 0 : undefined)
  return { min, max: option.max }
}

function rangeText(option: Option, format: (n: number) => string): string {
  const { min, max } = limits(option)
  if (min !== undefined && max !== undefined) return ` from ${format(min)} to ${format(max)}`
  if (max !== undefined) return ` of at most ${format(max)}`
  return min !== undefined && option.min !== undefined ? ` of at least ${format(min)}` : ''
}
