import { type ErrorCode, formatLocation, ShipperError, type SourceLocation } from '../core/error.ts'

/**
 * The result of reading a file of any format or the command line: sections with properties and their locations, nothing
 * interpreted yet. The plan is made from it and does not depend on the format.
 */
export interface Tree extends Diagnostics {
  sections: Section[]
  /** Variables set in the configuration itself (`@SET`); they take precedence over the environment. */
  variables: Map<string, string>
}

export interface Diagnostics {
  /** Errors that prevent the start; reported all together. */
  problems: ShipperError[]
  /** Messages to be logged, each with its location. */
  warnings: string[]
}

/** File name in the location of a command-line argument. */
export const COMMAND_LINE = 'command line'

/** `main`: the file of -c and what it includes · `parsers`: a Parsers_File · `flags`: the command line. */
export type SectionOrigin = 'main' | 'parsers' | 'flags'

export interface Section {
  /** Name as written, e.g. `INPUT`. */
  name: string
  origin: SectionOrigin
  location: SourceLocation
  properties: Property[]
  /** Sections within this section. */
  groups: Section[]
}

export interface Property {
  key: string
  value: string
  /** Variables expanded in the value, as written: `${PORT}`. */
  variables?: string[]
  location: SourceLocation
  valueLocation: SourceLocation
}

export function emptyTree(): Tree {
  return { sections: [], variables: new Map(), problems: [], warnings: [] }
}

export function newSection(name: string, origin: SectionOrigin, location: SourceLocation): Section {
  return { name, origin, location, properties: [], groups: [] }
}

/** Appends sections, variables, problems and warnings of `other` to those of `tree`. */
export function append(tree: Tree, other: Tree): void {
  tree.sections.push(...other.sections)
  for (const [name, value] of other.variables) tree.variables.set(name, value)
  tree.problems.push(...other.problems)
  tree.warnings.push(...other.warnings)
}

/** Returns the first property with this lower-case key; the first one counts, as for names in fluent-bit. */
export function propertyOf(section: Section, key: string): Property | undefined {
  return section.properties.find((property) => property.key.toLowerCase() === key)
}

/** Adds a warning with its location. */
export function warn(diagnostics: Diagnostics, message: string, location: SourceLocation): void {
  diagnostics.warnings.push(`${formatLocation(location)}: ${message}`)
}

/** Creates an error with a location; the default of `hint` is the remedy of the code. */
export function problem(
  code: ErrorCode,
  message: string,
  location: SourceLocation | undefined,
  hint?: string,
): ShipperError {
  return new ShipperError(code, message, {
    ...(location === undefined ? {} : { location }),
    ...(hint === undefined ? {} : { hint }),
  })
}

/**
 * Returns the problems sorted by location within a file, files in the order of their first problem; then those of the
 * command line, then those without a location.
 */
export function sortByLocation(problems: readonly ShipperError[]): ShipperError[] {
  const files = [...new Set(problems.map((p) => p.location?.file))].filter((file) => file !== undefined)
  const rank = (p: ShipperError): number[] => {
    const { file, line = 0, col = 0 } = p.location ?? {}
    if (file === undefined) return [files.length + 1, 0, 0]
    return [file === COMMAND_LINE ? files.length : files.indexOf(file), line, col]
  }
  return problems
    .map((p) => ({ p, rank: rank(p) }))
    .sort((a, b) => a.rank.map((n, i) => n - (b.rank[i] as number)).find((d) => d !== 0) ?? 0)
    .map(({ p }) => p)
}
