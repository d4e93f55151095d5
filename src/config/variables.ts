import { hostname } from 'node:os'
import { type Section, type Tree, warn } from './config-tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** `${NAME}` or `${NAME:-default}`, not nested. Any other `$` (as in a regular expression) is left unchanged. */
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_.]*)(?::-([^}]*))?\}/g

/** Returns the variables in a text, in order, and whether each use has a default. */
export function variablesIn(text: string): { name: string; hasDefault: boolean }[] {
  return [...text.matchAll(VARIABLE)].map(([, name = '', fallback]) => ({
    name,
    hasDefault: fallback !== undefined,
  }))
}

/**
 * Expands variables in a text. A variable with neither a value nor a default becomes an empty text, as in fluent-bit, and
 * is passed to `unset`.
 */
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

/** `omitted`: name of the option whose value has become empty, so that it is ignored (see readOptions). */
export function unsetWarning(name: string, omitted?: string): string {
  const effect =
    omitted === undefined
      ? 'nothing takes its place'
      : `"${omitted}" is left out, as if it were not given, and its default applies if it has one`
  return `variable ${name} is not set: ${effect}`
}

/** Returns a lookup of variables: those of @SET first, then the environment; HOSTNAME is always defined. */
export function lookupIn(tree: Tree, env: Environment): (name: string) => string | undefined {
  return (name) => tree.variables.get(name) ?? env[name] ?? (name === 'HOSTNAME' ? hostname() : undefined)
}

/** Expands the values of sections in place; also those from the command line, as fluent-bit does. */
export function expandSections(tree: Tree, sections: Section[], env: Environment): void {
  const lookup = lookupIn(tree, env)
  for (const section of sections) {
    for (const property of section.properties) {
      const variables = property.value.match(VARIABLE)
      if (variables === null) continue
      property.variables = variables
      const unset: string[] = []
      property.value = expand(property.value, lookup, (name) => unset.push(name))
      const omitted = property.value === '' ? property.key : undefined
      for (const name of unset) warn(tree, unsetWarning(name, omitted), property.valueLocation)
    }
    expandSections(tree, section.groups, env)
  }
}
