import { propertyOf, type Section, type Tree } from './config-tree.ts'

/** Variable whose value is a dollar sign, for values in which `${` does not begin a variable. */
export const DOLLAR = 'DOLLAR'
/** What stands for a dollar sign in a protected text. */
export const PROTECTED_DOLLAR = `\${${DOLLAR}}`
const BEFORE_VARIABLE = /\$(?=\{[A-Za-z_][A-Za-z0-9_.]*(?::-[^}]{0,1000})?\})/g
/** The same at one place. */
const AT_VARIABLE = /\$\{[A-Za-z_][A-Za-z0-9_.]*(?::-[^}]{0,1000})?\}/y

/** Returns a text whose `${...}` stay as they are when variables are expanded in it. */
export function protect(text: string): string {
  return text.replace(BEFORE_VARIABLE, () => `\${${DOLLAR}}`)
}

/** Returns the dollar sign at a place of a text as `protect` writes it. */
export function protectedDollar(text: string, at: number): string {
  AT_VARIABLE.lastIndex = at
  return AT_VARIABLE.test(text) ? `\${${DOLLAR}}` : '$'
}

/** A variable that `protect` has protected, with its braces. */
const PROTECTED = /\$\{DOLLAR\}\{([^}]*)\}/g

/**
 * Returns a value whose placeholders are no variables. Those of record_transformer may have blanks within the braces, which
 * variables have not, and so stay readable.
 */
function withoutDollars(section: Section, key: string, written: string): string {
  const isTransformer = propertyOf(section, 'name')?.value.toLowerCase() === 'record_transformer'
  if (!isTransformer || key.toLowerCase() !== 'record') return written
  return written.replace(PROTECTED, (_, placeholder: string) => `\${ ${placeholder} }`)
}

/** Returns a tree whose literal values are written in a format in which values have variables. */
export function withoutLiterals(tree: Tree): Tree {
  const variables = new Map(tree.variables)
  const protectedSection = (section: Section): Section => {
    if (section.isLiteral !== true) return section
    const properties = section.properties.map((property) => {
      const written = withoutDollars(section, property.key, property.written ?? protect(property.value))
      if (written.includes(`\${${DOLLAR}}`)) variables.set(DOLLAR, '$')
      return written === property.value ? property : { ...property, written }
    })
    return { ...section, properties }
  }
  const sections = tree.sections.map(protectedSection)
  return { ...tree, sections, variables }
}
