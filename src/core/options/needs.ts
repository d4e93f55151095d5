import { camelName, type Needs, type Option, type OptionTable } from './option.ts'

type Parsed = Readonly<Record<string, unknown>>

/** Returns what an option has no effect without, as conditions. */
function conditionsOf({ needs }: Option): [option: string, wanted: Needs[string]][] {
  if (needs === undefined) return []
  return typeof needs === 'string' ? [[needs, ['true']]] : Object.entries(needs)
}

/** Returns the names of the options whose values decide whether an option has an effect. */
export function optionsNeededBy(option: Option): string[] {
  return conditionsOf(option).map(([name]) => name)
}

/** Returns true when an option of the table has an effect, given the parsed values. An invalid value has a problem of its own. */
export function hasEffect(option: Option, table: OptionTable, parsed: Parsed): boolean {
  const conditions = conditionsOf(option)
  return (
    conditions.length === 0 ||
    conditions.some(([name, wanted]) => {
      const value = parsed[camelName(name)]
      if (typeof wanted === 'string') return (value !== undefined) === (wanted === 'set')
      return value === undefined ? table[name]?.default !== undefined : wanted.includes(String(value))
    })
  )
}

/** Returns why an option has no effect, and whether another one stands in its place. */
export function whyNoEffect(option: Option): { reason: string; isReplaced: boolean } {
  const conditions = conditionsOf(option)
  const rivals = conditions.filter(([, wanted]) => wanted === 'unset').map(([name]) => `\`${name}\``)
  if (rivals.length > 0) return { reason: `with ${rivals.join(' or ')}`, isReplaced: true }
  const [[name, wanted] = ['', '']] = conditions
  const isOfOff =
    conditions.length === 1 && Array.isArray(wanted) && wanted.length === 1 && wanted[0] === 'false'
  if (isOfOff) return { reason: `with \`${name} on\``, isReplaced: false }
  return { reason: `without ${conditions.map(conditionText).join(' or ')}`, isReplaced: false }
}

/** How values of the type bool are written. */
const SWITCHED: Readonly<Record<string, string>> = { true: 'on', false: 'off' }

function conditionText([name, wanted]: [string, Needs[string]]): string {
  if (typeof wanted === 'string') return `\`${name}\``
  return wanted.map((value) => `\`${name} ${SWITCHED[value] ?? value}\``).join(' or ')
}
