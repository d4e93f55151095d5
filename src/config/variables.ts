import { hostname } from 'node:os'
import { problem, type Section, type Tree, warn } from './config-tree.ts'
import { noteSecret } from './secret-values.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** `${NAME}` or `${NAME:-default}`, not nested. Any other `$` (as in a regular expression) is left unchanged. */
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_.]*)(?::-([^}]*))?\}/g

/** Returns the variables in a text, in order, each with its default. */
export function variablesIn(
  text: string,
): { name: string; hasDefault: boolean; fallback: string | undefined }[] {
  return [...text.matchAll(VARIABLE)].map(([, name = '', fallback]) => ({
    name,
    hasDefault: fallback !== undefined,
    fallback,
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
      ? 'it is replaced by an empty string'
      : `"${omitted}" is ignored; its default, if any, applies`
  return `variable ${name} is not set: ${effect}`
}

/** Returns a lookup of variables: those of @SET first, then the environment; HOSTNAME is always defined. */
export function lookupIn(tree: Tree, env: Environment): (name: string) => string | undefined {
  return (name) => tree.variables.get(name) ?? env[name] ?? (name === 'HOSTNAME' ? hostname() : undefined)
}

/** Maximum length of all values with variables: a variable of a file may be long, and occur often. */
const MAX_EXPANDED_CHARS = 16_000_000

/** Expands the values of sections in place; also those from the command line, as fluent-bit does. */
export function expandSections(
  tree: Tree,
  sections: Section[],
  env: Environment,
  budget = { chars: MAX_EXPANDED_CHARS },
): void {
  const lookup = lookupIn(tree, env)
  const secrets = tree.secrets ?? new Set<string>()
  for (const section of sections) {
    if (section.isLiteral === true) continue
    for (const property of section.properties) {
      const variables = property.value.match(VARIABLE)
      if (variables === null) continue
      property.variables = variables
      property.written = property.value
      for (const { name, fallback } of variablesIn(property.value)) {
        const value = lookup(name)
        budget.chars -= value?.length ?? 0
        noteSecret(secrets, name, value)
        noteSecret(secrets, name, fallback)
      }
      if (secrets.size > 0) tree.secrets = secrets
      if (budget.chars < 0) {
        const message = `more than ${MAX_EXPANDED_CHARS} characters with the values of variables`
        tree.problems.push(problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, ''))
        return
      }
      const unset: string[] = []
      property.value = expand(property.value, lookup, (name) => unset.push(name))
      const omitted = property.value === '' ? property.key : undefined
      for (const name of unset) warn(tree, unsetWarning(name, omitted), property.valueLocation)
    }
    expandSections(tree, section.groups, env, budget)
  }
}
