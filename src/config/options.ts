import type { SourceLocation } from '../core/error.ts'
import { camelName, type Option, type OptionTable } from '../core/options/option.ts'
import { defaultValue, findOption, parseValue } from '../core/options/parse.ts'
import { didYouMean, nearest } from '../lib/text/did-you-mean.ts'
import { type Diagnostics, type Property, problem, warn } from './config-tree.ts'

/** What may have been meant as a comment behind a value. */
export const COMMENT = /\s#/

export interface OptionContext {
  /** Who the options are of, in messages: `tail`, `service`. */
  label: string
  /** Where a required option is missing. */
  location: SourceLocation
  /** What lists the options, e.g. `shipper -i tail -h`. */
  list: string
  /**
   * Unknown options that are a warning: those unlike any name of ours in [PARSER] and [SERVICE], where fluent-bit passes
   * over them without a word; all of them in parsers files, which other programs share.
   */
  lenient?: 'unlike' | 'all'
  /** Of an option given twice the first counts: so does fluent-bit read parsers. Else the last one, as it reads plugins. */
  firstWins?: boolean
}

/**
 * The entries as the tables' options: one object per table, with camel-case names and defaults. An option belongs to
 * the first table that knows it. After a problem the values are not to be used.
 */
export function readOptions(
  entries: readonly Property[],
  tables: readonly OptionTable[],
  about: OptionContext,
  findings: Diagnostics,
): Record<string, unknown>[] {
  const given = tables.map(() => new Map<string, Property[]>())
  for (const entry of entries) {
    // A variable that is not set makes nothing of its value: the option is as if it were not there, as in fluent-bit.
    if (entry.value === '' && entry.variables !== undefined && !isRequired(entry, tables)) continue
    const at = tables.findIndex((table) => findOption(table, entry.key) !== undefined)
    const table = tables[at]
    if (table === undefined) {
      reportUnknown(entry, tables, about, findings)
      continue
    }
    const name = findOption(table, entry.key) as string
    const values = given[at]?.get(name)
    if (values === undefined) given[at]?.set(name, [entry])
    else values.push(entry)
  }
  return tables.map((table, at) => {
    const parsed: Record<string, unknown> = {}
    for (const [name, option] of Object.entries(table)) {
      parsed[camelName(name)] = readOption(name, option, given[at]?.get(name) ?? [], about, findings)
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
  entries: readonly Property[],
  about: OptionContext,
  findings: Diagnostics,
): unknown {
  const { label } = about
  const filled = entries.filter((entry) => entry.value !== '')
  if (option.required === true && filled.length === 0) {
    const at = entries[0]?.valueLocation ?? about.location
    findings.problems.push(
      problem('E_CONFIG_MISSING_OPTION', `[${label}] required option "${name}" is missing`, at, ''),
    )
    return undefined
  }
  const first = entries[0]
  if (first === undefined) return defaultValue(name, option)
  if (option.ignored !== undefined && !entries.every(({ value }) => isDefault(name, option, value))) {
    warn(findings, `[${label}] "${name}" has no effect: ${option.ignored}`, first.location)
  }
  if (option.repeat === true) return entries.map((entry) => readValue(name, option, entry, about, findings))
  const counts = about.firstWins === true ? first : (entries.at(-1) as Property)
  for (const entry of entries) if (entry !== counts) reportRepeated(name, entry, counts, about, findings)
  return readValue(name, option, counts, about, findings)
}

/** `Daemon off`: what is not there is not asked for either. */
function isDefault(name: string, option: Option, value: string): boolean {
  const parsed = parseValue(name, option, value)
  return parsed.problem === undefined && parsed.value === defaultValue(name, option)
}

function readValue(
  name: string,
  option: Option,
  entry: Property,
  about: OptionContext,
  findings: Diagnostics,
): unknown {
  const text = option.named === true ? `${entry.key.toLowerCase()} ${entry.value}` : entry.value
  const result = parseValue(name, option, text)
  if (result.problem === undefined) {
    if (result.warning !== undefined)
      warn(findings, `[${about.label}] ${result.warning}`, entry.valueLocation)
    return result.value
  }
  const bare = withoutComment(entry.value, option)
  const again = bare === undefined ? result : parseValue(name, option, bare)
  if (again.problem === undefined) {
    warn(
      findings,
      `[${about.label}] "${name}" is ${bare}: a comment needs a line of its own`,
      entry.valueLocation,
    )
    return again.value
  }
  // An option without effect cannot have a wrong value either.
  if (option.ignored !== undefined) return undefined
  const near = option.type === 'enum' ? didYouMean(entry.value, option.values ?? []) : ''
  const message = `[${about.label}] ${result.problem}${near}`
  const hint = hintOf(entry, option) ?? result.hint ?? ''
  findings.problems.push(problem('E_CONFIG_BAD_VALUE', message, entry.valueLocation, hint))
  return undefined
}

/** There are no comments behind values: a text may have a `#`. fluent-bit reads a number up to what is none, though. */
function withoutComment(value: string, { type }: Option): string | undefined {
  if (type === 'string' || type === 'slist' || type === 'clist') return undefined
  const at = value.search(COMMENT)
  return at < 0 ? undefined : value.slice(0, at).trimEnd()
}

/** What is often behind a wrong value, whatever the option. */
function hintOf({ value, variables }: Property, option: Option): string | undefined {
  if (variables !== undefined) return `the value comes from ${variables.join(' and ')}`
  return withoutComment(value, option) === undefined ? undefined : 'a comment needs a line of its own'
}

/** Where each option of the table has its value, by the name of the table; of several the last. */
export function locationsOf(entries: readonly Property[], table: OptionTable): Map<string, SourceLocation> {
  const locations = new Map<string, SourceLocation>()
  for (const { key, valueLocation } of entries) {
    const name = findOption(table, key)
    if (name !== undefined) locations.set(name, valueLocation)
  }
  return locations
}

/** Flags are meant to change what the file says, without a word. */
function reportRepeated(
  name: string,
  entry: Property,
  counts: Property,
  about: OptionContext,
  findings: Diagnostics,
): void {
  if (entry.location.line !== undefined && counts.location.line === undefined) return
  const where = about.firstWins === true ? 'further up' : 'again further on'
  const message = `[${about.label}] "${name}" is given ${where}: this value does not count`
  warn(findings, message, entry.location)
}

function reportUnknown(
  entry: Property,
  tables: readonly OptionTable[],
  about: OptionContext,
  findings: Diagnostics,
): void {
  const names = tables.flatMap((table) => Object.keys(table))
  const near = nearest(entry.key, names)
  const message = `[${about.label}] unknown option "${entry.key}"${didYouMean(entry.key, names)}`
  if (about.lenient === 'all' || (about.lenient === 'unlike' && near === undefined))
    warn(findings, `${message}: it has no effect`, entry.location)
  else {
    const hint = near === undefined ? `\`${about.list}\` lists them` : ''
    findings.problems.push(problem('E_CONFIG_UNKNOWN_OPTION', message, entry.location, hint))
  }
}
