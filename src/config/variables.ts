import { hostname } from 'node:os'
import { type Section, type Tree, warn } from './config-tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** `${NAME}` or `${NAME:-default}`, not nested. Anything else with a `$` (a regular expression) stays as it is. */
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_.]*)(?::-([^}]*))?\}/g

/** `unset` hears of each variable that has neither value nor default; it becomes nothing, as in fluent-bit. */
export function expand(
  text: string,
  lookup: (name: string) => string | undefined,
  unset: (name: string) => void,
): string {
  return text.replace(VARIABLE, (_, name: string, fallback: string | undefined) => {
    const value = lookup(name)
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) unset(name)
    return value ?? ''
  })
}

export function unsetWarning(name: string): string {
  return `variable ${name} is not set: nothing is put in its place`
}

/** What a name stands for: @SET first, then the environment; HOSTNAME is always there. */
export function lookupIn(tree: Tree, env: Environment): (name: string) => string | undefined {
  return (name) => tree.variables.get(name) ?? env[name] ?? (name === 'HOSTNAME' ? hostname() : undefined)
}

/** Expands the values of these sections, in place; for the command line too, as fluent-bit does. */
export function expandSections(tree: Tree, sections: Section[], env: Environment): void {
  const lookup = lookupIn(tree, env)
  for (const section of sections) {
    for (const entry of section.properties) {
      const variables = entry.value.match(VARIABLE)
      if (variables === null) continue
      entry.variables = variables
      entry.value = expand(entry.value, lookup, (name) => {
        warn(tree, unsetWarning(name), entry.valueLocation)
      })
    }
    expandSections(tree, section.groups, env)
  }
}
