import type { OptionTable } from '../core/options/option.ts'
import { nearest } from '../lib/text/did-you-mean.ts'
import { type Diagnostics, type Property, problem, warn } from './config-tree.ts'
import type { OptionContext } from './option-context.ts'

/**
 * Reports a value that is overridden, except by a flag: flags are meant to override the file. Under another name of the option
 * it is always a warning.
 */
export function reportRepeated(
  property: Property,
  winner: Property,
  context: OptionContext,
  diagnostics: Diagnostics,
): void {
  const { key, value, location } = property
  const isFlag = winner.location.line === undefined
  if (location.line !== undefined && isFlag) return
  const isSameName = key.toLowerCase() === winner.key.toLowerCase()
  if (context.repeatedIsError === true && isSameName && value !== winner.value && !isFlag) {
    const message = `[${context.label}] "${winner.key}" has another value at line ${location.line}`
    const hint = 'remove one of the two: which of them counts is not obvious, and fluent-bit does not start'
    diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, winner.location, hint))
    return
  }
  const name = isSameName ? 'is' : `, under the name "${winner.key}", is`
  const where = context.firstWins === true ? 'already set above' : 'set again below'
  const message = `[${context.label}] "${key}"${isSameName ? ' ' : ''}${name} ${where}: this value is ignored`
  warn(diagnostics, message, location)
}

/** Reports an option that is in none of the tables, with the nearest name or the section to which it belongs. */
export function reportUnknown(
  property: Property,
  tables: readonly OptionTable[],
  context: OptionContext,
  diagnostics: Diagnostics,
): void {
  const names = tables.flatMap((table) =>
    Object.entries(table).flatMap(([name, { aliases = [] }]) => [name, ...aliases]),
  )
  // A line such as `password=x y` has a secret in its first word.
  const [key = property.key] = property.key.split('=', 1)
  if (context.isPassedOver?.(key, property.value) === true) {
    const near = nearestName(key, names)
    const meant = near === undefined ? '' : ` (did you mean ${near}?)`
    warn(diagnostics, `[${context.label}] "${key}" has no effect in this plugin${meant}`, property.location)
    return
  }
  const isLost = diagnostics.problems.length + diagnostics.warnings.length > MAX_SUGGESTING
  const section = isLost ? undefined : context.ownerOf?.(key, property.value)
  const isCommon = section?.startsWith('[') === true
  const near = isCommon || isLost ? undefined : nearestName(key, [...names, ...(context.groups ?? [])])
  const owner = near === undefined ? section : undefined
  const belongs = owner === undefined ? '' : `, an option of ${owner}`
  const meant = near === undefined ? '' : ` (did you mean ${near}?)`
  const isPassed = context.passesOn !== undefined && key.toLowerCase().startsWith(context.passesOn)
  const message = `[${context.label}] unknown option "${key}"${belongs}${meant}`
  if (context.isLenient === true || isPassed)
    warn(diagnostics, `${message}: it has no effect${owner === undefined ? '' : ' here'}`, property.location)
  else {
    const hint = near === undefined ? `\`${context.list}\` lists them` : ''
    diagnostics.problems.push(problem('E_CONFIG_UNKNOWN_OPTION', message, property.location, hint))
  }
}

/** Longest name that needs the same first letter as its suggestion: `Trace` is not meant as `grace`. */
const MAX_SHORT_NAME = 6

/** Number of messages after which nothing is suggested: a file that is something else has one for each line. */
const MAX_SUGGESTING = 1000

function nearestName(key: string, names: readonly string[]): string | undefined {
  const isShort = key.length <= MAX_SHORT_NAME
  const first = key[0]?.toLowerCase()
  return nearest(key, isShort ? names.filter((name) => name[0]?.toLowerCase() === first) : names)
}
