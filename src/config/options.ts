import type { SourceLocation } from '../core/error.ts'
import { truncate } from '../core/escape-controls.ts'
import { hasEffect, optionsNeededBy, whyNoEffect } from '../core/options/needs.ts'
import { camelName, type Option, type OptionTable, type OptionType } from '../core/options/option.ts'
import { defaultValue, findOption, parseValue } from '../core/options/parse.ts'
import { hasSecret } from '../core/options/secret-values.ts'
import { readWholeText } from '../lib/fs/file-system.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import { COMMAND_LINE, type Diagnostics, type Property, problem, warn } from './config-tree.ts'
import { reportRepeated, reportUnknown } from './misplaced-options.ts'
import type { OptionContext } from './option-context.ts'
import { shellVariableHint, shellVariableWarning } from './shell-variables.ts'

/** Text in a value that may have been meant as a comment. */
export const COMMENT = /\s#/

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
    let at = 0
    let name: string | undefined
    for (; at < tables.length; at++) {
      name = findOption(tables[at] as OptionTable, property.key)
      if (name !== undefined) break
    }
    if (name === undefined) {
      reportUnknown(property, tables, context, diagnostics)
      continue
    }
    const values = given[at]?.get(name)
    if (values === undefined) given[at]?.set(name, [property])
    else values.push(property)
  }
  return tables.map((table, at) => {
    const parsed: Record<string, unknown> = {}
    const own = at === 0 ? context : { ...context, repeatedIsError: false }
    for (const { name, camel, option, absent } of entriesOf(table)) {
      const values = given[at]?.get(name)
      parsed[camel] =
        values === undefined && absent !== undefined
          ? absent.value
          : readOption(name, option, values ?? [], own, diagnostics)
    }
    warnUnneeded(table, given[at] ?? new Map(), parsed, context, diagnostics)
    return parsed
  })
}

/** Warns of options that have no effect because of the value of another one. */
function warnUnneeded(
  table: OptionTable,
  given: ReadonlyMap<string, readonly Property[]>,
  parsed: Readonly<Record<string, unknown>>,
  { label }: OptionContext,
  diagnostics: Diagnostics,
): void {
  for (const [name, properties] of given) {
    const option = table[name]
    const [first] = properties
    if (option === undefined || first === undefined || hasEffect(option, table, parsed)) continue
    // An invalid value, of this option or of one that it needs, has a problem of its own.
    const isInvalid = (other: string): boolean => given.has(other) && parsed[camelName(other)] === undefined
    if (isInvalid(name) || optionsNeededBy(option).some(isInvalid)) continue
    const { reason, isReplaced } = whyNoEffect(option)
    // A default asks for nothing, except in place of something else.
    if (!isReplaced && properties.every(({ value }) => isDefault(name, option, value))) continue
    warn(diagnostics, `[${label}] "${first.key}" has no effect ${reason}`, first.location)
  }
}

/** An option with what is the same for every section that has its table. */
interface Entry {
  name: string
  camel: string
  option: Option
  /** Value without a property; undefined where one is required, or where each section needs a value of its own. */
  absent: { value: unknown } | undefined
}

const ENTRIES = new WeakMap<OptionTable, Entry[]>()

/** Returns the entries of a table, which are made once: a configuration may have hundreds of sections of one plugin. */
function entriesOf(table: OptionTable): Entry[] {
  const known = ENTRIES.get(table)
  if (known !== undefined) return known
  const entries = Object.entries(table).map(([name, option]) => {
    const value = option.required === true ? undefined : defaultValue(name, option)
    const isShared = option.required !== true && typeof value !== 'object'
    return { name, camel: camelName(name), option, absent: isShared ? { value } : undefined }
  })
  ENTRIES.set(table, entries)
  return entries
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
    warn(diagnostics, `[${label}] "${first.key}" has no effect: ${option.ignored}`, first.location)
  }
  if (option.repeat === true) {
    const values = properties.filter((property) => !isLeftOut(property, option, context, diagnostics))
    return values.map((property) => readValue(name, option, property, context, diagnostics))
  }
  const winner = context.firstWins === true ? first : (properties.at(-1) as Property)
  for (const property of properties)
    if (property !== winner) reportRepeated(property, winner, context, diagnostics)
  if (isLeftOut(winner, option, context, diagnostics)) return defaultValue(name, option)
  return readValue(name, option, winner, context, diagnostics)
}

/** Returns true for a value like that of `Daemon off`: it asks for nothing, so it needs no warning. */
function isDefault(name: string, option: Option, value: string): boolean {
  const parsed = parseValue(name, option, value)
  return parsed.problem === undefined && parsed.value === defaultValue(name, option)
}

/** Returns true, with a warning, for a key without a value whose option cannot be empty. */
function isLeftOut(
  property: Property,
  option: Option,
  { label }: OptionContext,
  found: Diagnostics,
): boolean {
  const { key, value, variables, location } = property
  if (value !== '' || variables !== undefined || parseValue(key, option, '').problem === undefined)
    return false
  warn(found, `[${label}] "${key}" has no value: it is ignored`, location)
  return true
}

function readValue(
  name: string,
  option: Option,
  property: Property,
  context: OptionContext,
  diagnostics: Diagnostics,
): unknown {
  const { key, valueLocation } = property
  const mayBeSecret = hasSecret(option, property.value)
  const value = mayBeSecret ? secretOf(name, property, context, diagnostics) : property.value
  const parse = (text: string): ReturnType<typeof parseValue> =>
    parseValue(
      key,
      option,
      option.named === true ? `${key.toLowerCase()} ${text}` : text,
      property.variables !== undefined,
    )
  const result = parse(value)
  const say = (message: string): void => warn(diagnostics, `[${context.label}] ${message}`, valueLocation)
  const comment = commentIn(name, option, property)
  if (result.problem === undefined && result.warning === undefined) {
    if (comment !== undefined) say(partOfValue(key, comment))
    const literal = property.variables === undefined ? shellVariableWarning(name, option, value) : undefined
    if (literal !== undefined) say(literal)
    return result.value
  }
  for (const [text, reason] of readings(value, option)) {
    const again = parse(text)
    if (again.problem !== undefined || again.warning !== undefined) continue
    say(`"${key}" is ${text}: ${reason}`)
    return again.value
  }
  if (result.problem === undefined) {
    if (comment !== undefined) say(partOfValue(key, comment))
    say(result.warning ?? '')
    return result.value
  }
  // The value of an option without effect does not matter.
  if (option.ignored !== undefined) return undefined
  if (context.isLenient === true && option.type === 'bool') {
    say(`${result.problem}: it is off, as in fluent-bit`)
    return false
  }
  // A value in the list was refused for something else than its spelling.
  const isListed = option.values?.some((one) => one.toLowerCase() === property.value.toLowerCase()) === true
  const near = option.type === 'enum' && !isListed ? didYouMean(property.value, option.values ?? []) : ''
  const message = `[${context.label}] ${result.problem}${near}`
  const hint = hintOf(property, option) ?? shellVariableHint(name, option, value) ?? result.hint ?? ''
  diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, valueLocation, hint))
  return undefined
}

/** Options whose text is a path, an address, a tag or a name: a comment in one is never meant. */
const PLAIN_NAME = /(?:^|[._])(?:path|dir|file|host|listen|address|match|tag|db|brokers|topics|alias|name)$/
const TEXT_TYPES: readonly OptionType[] = ['string', 'clist', 'slist']
const MAX_COMMENT_CHARS = 60
const SIGN = ' #'

/** Returns the part of a text that may have been meant as a comment, without what a message must not show. */
function commentIn(name: string, option: Option, { value, comment }: Property): string | undefined {
  const { type, ignored, expression, secret } = option
  // Words after the rule of a [MULTILINE_PARSER] are passed over.
  if (!TEXT_TYPES.includes(type) || ignored !== undefined || expression === 'rule') return undefined
  if (comment !== undefined) return secret !== undefined ? SIGN : truncate(comment, MAX_COMMENT_CHARS)
  const isPlain = type !== 'slist' && expression === undefined && PLAIN_NAME.test(name)
  return isPlain && COMMENT.test(value) ? SIGN : undefined
}

function partOfValue(key: string, comment: string): string {
  const part = comment === SIGN ? 'which' : `so "${comment}"`
  return `"${key}" contains "${SIGN}", ${part} is part of the value: a comment needs a line of its own`
}

const WITH_UNIT = /^([+-]?\d+)\s*[A-Za-z]+$/
const FRACTION = /^[+]?(?:\d*\.\d+|\d+\.)$/

/**
 * Returns other readings of a value that its option does not accept, each with its reason. fluent-bit reads a number up to the
 * first character that does not belong to it. Here only a comment, a unit and a fraction are passed over: anything else is more
 * likely to be a mistake.
 */
function readings(value: string, option: Option): [text: string, reason: string][] {
  const texts: [string, string][] = []
  const bare = withoutComment(value, option)
  if (bare !== undefined) texts.push([bare, 'a comment needs a line of its own'])
  if (option.type !== 'int') return texts
  const [, integer] = WITH_UNIT.exec(value) ?? []
  if (integer !== undefined) texts.push([integer, 'the text after the number is ignored'])
  if (FRACTION.test(value)) {
    const least = Math.max(Math.trunc(Number(value)), option.min ?? Number.NEGATIVE_INFINITY)
    texts.push([String(least), 'it must be an integer'])
  }
  return texts
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
 * Returns the value before a `#`, or undefined when there is none or the option is a text, which may contain one: then a word
 * too many is refused, in the rules of every filter. The format has no comments after values, but fluent-bit parses a number up
 * to the first character that does not belong to it, and some texts, such as Retry_Limit, are numbers.
 */
function withoutComment(value: string, { type, check, repeat }: Option): string | undefined {
  if (type === 'slist' || type === 'clist') return undefined
  if (type === 'string' && (check === undefined || repeat === true)) return undefined
  const at = value.search(COMMENT)
  return at < 0 ? undefined : value.slice(0, at).trimEnd()
}

/** Returns a hint at a frequent cause of an invalid value, independent of the option. */
function hintOf({ value, variables, comment }: Property, option: Option): string | undefined {
  if (variables !== undefined) return `the value comes from ${variables.join(' and ')}`
  const mayHaveComment = comment !== undefined || withoutComment(value, option) !== undefined
  return mayHaveComment ? 'a comment needs a line of its own' : undefined
}

/**
 * Returns the locations of the option values, by name in the first table that has it. Of an option that may be repeated,
 * that of the last value, and that of each value by name, blank and value.
 */
export function locationsOf(
  properties: readonly Property[],
  tables: readonly OptionTable[],
): Map<string, SourceLocation> {
  const locations = new Map<string, SourceLocation>()
  for (const { key, value, valueLocation } of properties) {
    for (const table of tables) {
      const name = findOption(table, key)
      if (name === undefined) continue
      locations.set(name, valueLocation)
      if (table[name]?.repeat === true) locations.set(`${name} ${value}`, valueLocation)
      break
    }
  }
  return locations
}
