import { formatLocation, type SourceLocation } from '../core/error.ts'
import type { Property, Tree } from './config-tree.ts'

/**
 * Returns a sentence, with its place, for each value of a fluentd file that stands in the tree as it is on this machine and not as a
 * variable: expressions that are no variable of ours, and values that were converted. The values themselves are not named.
 */
export function fixedValues({ sections, localValues = [] }: Tree): string[] {
  const properties = sections.flatMap((section) => section.properties)
  return localValues
    .filter((local) => local.isFixed || !isWritten(properties, local))
    .map(({ name, location }) => {
      const what = `"${name}": the value that its expression has on this machine was put in`
      return `${formatLocation(location)}: ${what}; check it, or write a variable such as \${NAME} in its place`
    })
}

/** True when all properties that are made from a value have it as a variable. */
function isWritten(
  properties: readonly Property[],
  { location, value = '' }: { location: SourceLocation; value: string | undefined },
): boolean {
  const own = properties.filter(({ valueLocation }) => isSame(valueLocation, location))
  const hasVariable = ({ written = '' }: Property): boolean => written.includes('${')
  if (own.length > 0) return own.every(hasVariable)
  // Options that several parameters decide have the place of their section.
  return value === '' || !properties.some((one) => one.value.includes(value) && !hasVariable(one))
}

function isSame(a: SourceLocation, b: SourceLocation): boolean {
  return a.file === b.file && a.line === b.line && a.col === b.col
}
