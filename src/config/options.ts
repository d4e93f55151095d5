import type { SourceLocation } from '../core/error.ts'
import { camelName, type Option, type OptionTable } from '../core/options/option.ts'
import { defaultValue, findOption, parseValue } from '../core/options/parse.ts'
import { readWholeText } from '../lib/fs/file-system.ts'
import { didYouMean, nearest } from '../lib/text/did-you-mean.ts'
import { COMMAND_LINE, type Diagnostics, type Property, problem, warn } from './config-tree.ts'

/** Text in a value that may have been meant as a comment. */
export const COMMENT = /\s#/

/** The section that options are read from. */
interface OptionContext {
  /** Owner of the options, as named in messages: `tail`, `service`. */
  label: string
  /** Location reported for a missing required option. */
  location: SourceLocation
  /** Command or page that lists the options, e.g. `shipper -i tail -h`. */
  list: string
  /**
   * Unknown options that cause a warning only: those not similar to a known name in [PARSER] and [SERVICE], where
   * fluent-bit silently ignores them; all of them in parsers files, which other programs share. Default: none.
   */
  lenient?: 'dissimilar' | 'all'
  /** True when the first value of a repeated option counts, as for fluent-bit's parsers; else the last, as for plugins. */
  firstWins?: boolean
}

/**
 * Parses properties with option tables. Returns one object per table, with camel-case names and defaults; an option belongs
 * to the first table that contains it. When problems were recorded, the values must not be used.
 */
export function readOptions(
  properties: readonly Property[],
  tables: readonly OptionTable[],
  context: OptionContext,
  diagnostics: Diagnostics,
): Record<string, unknown>[] {
  const given = tables.map(() => new Map<string, Property[]>())
  for (const property of properties) {
    // An option whose value is empty because of an unset variable is ignored, as in fluent-bit.
    if (property.value === '' && property.variables !== undefined && !isRequired(property, tables)) continue
    const at = tables.findIndex((table) => findOption(table, property.key) !== undefined)
    const table = tables[at]
    if (table === undefined) {
      reportUnknown(property, tables, context, diagnostics)
      continue
    }
    const name = findOption(table, property.key) as string
    const values = given[at]?.get(name)
    if (values === undefined) given[at]?.set(name, [property])
    else values.push(property)
  }
  return tables.map((table, at) => {
    const parsed: Record<string, unknown> = {}
    for (const [name, option] of Object.entries(table)) {
      parsed[camelName(name)] = readOption(name, option, given[at]?.get(name) ?? [], context, diagnostics)
    }
    return parsed
  })
}

function isRequired({ key }: Property, tables: readonly OptionTable[]): boolean {
  return tables.some((table) => table[findOption(table, key) ?? '']?.required === true)
}

function readOption(
  name: string,
  option: Option,
  properties: readonly Property[],
  context: OptionContext,
  diagnostics: Diagnostics,
): unknown {
  const { label } = context
  const filled = properties.filter((property) => property.value !== '')
  if (option.required === true && filled.length === 0) {
    const at = properties[0]?.valueLocation ?? context.location
    diagnostics.problems.push(
      problem('E_CONFIG_MISSING_OPTION', `[${label}] required option "${name}" is missing`, at, ''),
    )
    return undefined
  }
  const first = properties[0]
  if (first === undefined) return defaultValue(name, option)
  if (option.ignored !== undefined && !properties.every(({ value }) => isDefault(name, option, value))) {
    warn(diagnostics, `[${label}] "${name}" has no effect: ${option.ignored}`, first.location)
  }
  if (option.repeat === true)
    return properties.map((property) => readValue(name, option, property, context, diagnostics))
  const winner = context.firstWins === true ? first : (properties.at(-1) as Property)
  for (const property of properties)
    if (property !== winner) reportRepeated(name, property, winner, context, diagnostics)
  return readValue(name, option, winner, context, diagnostics)
}

/** Returns true for a value like that of `Daemon off`: it asks for nothing, so it needs no warning. */
function isDefault(name: string, option: Option, value: string): boolean {
  const parsed = parseValue(name, option, value)
  return parsed.problem === undefined && parsed.value === defaultValue(name, option)
}

function readValue(
  name: string,
  option: Option,
  property: Property,
  context: OptionContext,
  diagnostics: Diagnostics,
): unknown {
  const value = option.secret === true ? secretOf(name, property, context, diagnostics) : property.value
  const text = option.named === true ? `${property.key.toLowerCase()} ${value}` : value
  const result = parseValue(name, option, text)
  if (result.problem === undefined) {
    if (result.warning !== undefined)
      warn(diagnostics, `[${context.label}] ${result.warning}`, property.valueLocation)
    return result.value
  }
  const bare = withoutComment(property.value, option)
  const again = bare === undefined ? result : parseValue(name, option, bare)
  if (again.problem === undefined) {
    warn(
      diagnostics,
      `[${context.label}] "${name}" is ${bare}: a comment needs a line of its own`,
      property.valueLocation,
    )
    return again.value
  }
  // The value of an option without effect does not matter.
  if (option.ignored !== undefined) return undefined
  const near = option.type === 'enum' ? didYouMean(property.value, option.values ?? []) : ''
  const message = `[${context.label}] ${result.problem}${near}`
  const hint = hintOf(property, option) ?? result.hint ?? ''
  diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, hint))
  return undefined
}

/** Maximum size of a file with a secret: more than any key that is used as an option. */
const MAX_SECRET_BYTES = 65_536
const LINE_ENDS = /[\r\n]+$/

/**
 * Returns the value of a secret. On the command line `@FILE` is the content of a file, without the line end: arguments can
 * be read by every user of the machine.
 */
function secretOf(
  name: string,
  { value, location, variables, valueLocation }: Property,
  { label }: OptionContext,
  diagnostics: Diagnostics,
): string {
  if (location.file !== COMMAND_LINE || variables !== undefined || value === '') return value
  if (!value.startsWith('@')) {
    warn(
      diagnostics,
      `[${label}] every user of this machine can read "${name}" in the list of processes: use @FILE or '\${VARIABLE}' as its value`,
      valueLocation,
    )
    return value
  }
  const file = value.slice(1)
  const content = readWholeText(file, MAX_SECRET_BYTES)
  const secret = typeof content === 'string' ? content.replace(LINE_ENDS, '') : ''
  if (secret !== '') return secret
  const reason = typeof content === 'string' ? 'it is empty' : content.message
  const message = `[${label}] cannot read "${name}" from ${file}: ${reason}`
  const hint = 'a value that begins with @ is the path of a file; put one that is not into a variable'
  diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, valueLocation, hint))
  return ''
}

/**
 * Returns the value before a `#`, or undefined when there is none or the option is a text, which may contain one. The
 * format has no comments after values, but fluent-bit parses a number up to the first character that does not belong to it.
 */
function withoutComment(value: string, { type }: Option): string | undefined {
  if (type === 'string' || type === 'slist' || type === 'clist') return undefined
  const at = value.search(COMMENT)
  return at < 0 ? undefined : value.slice(0, at).trimEnd()
}

/** Returns a hint at a frequent cause of an invalid value, independent of the option. */
function hintOf({ value, variables }: Property, option: Option): string | undefined {
  if (variables !== undefined) return `the value comes from ${variables.join(' and ')}`
  return withoutComment(value, option) === undefined ? undefined : 'a comment needs a line of its own'
}

/** Returns the locations of the option values, by name in the table; of a repeated option, the last. */
export function locationsOf(
  properties: readonly Property[],
  table: OptionTable,
): Map<string, SourceLocation> {
  const locations = new Map<string, SourceLocation>()
  for (const { key, valueLocation } of properties) {
    const name = findOption(table, key)
    if (name !== undefined) locations.set(name, valueLocation)
  }
  return locations
}

/** Warns of a value that is overridden, except by a flag: flags are meant to override the file. */
function reportRepeated(
  name: string,
  property: Property,
  winner: Property,
  context: OptionContext,
  diagnostics: Diagnostics,
): void {
  if (property.location.line !== undefined && winner.location.line === undefined) return
  const where = context.firstWins === true ? 'is already set above' : 'is set again below'
  const message = `[${context.label}] "${name}" ${where}: this value is ignored`
  warn(diagnostics, message, property.location)
}

function reportUnknown(
  property: Property,
  tables: readonly OptionTable[],
  context: OptionContext,
  diagnostics: Diagnostics,
): void {
  const names = tables.flatMap((table) => Object.keys(table))
  const near = nearest(property.key, names)
  // A line such as `password=x y` has a secret in its first word.
  const [key = property.key] = property.key.split('=', 1)
  const message = `[${context.label}] unknown option "${key}"${didYouMean(key, names)}`
  if (context.lenient === 'all' || (context.lenient === 'dissimilar' && near === undefined))
    warn(diagnostics, `${message}: it has no effect`, property.location)
  else {
    const hint = near === undefined ? `\`${context.list}\` lists them` : ''
    diagnostics.problems.push(problem('E_CONFIG_UNKNOWN_OPTION', message, property.location, hint))
  }
}
