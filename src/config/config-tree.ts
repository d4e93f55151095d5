import { type ErrorCode, formatLocation, ShipperError, type SourceLocation } from '../core/error.ts'

/**
 * What every format and the command line are read into: sections with entries, each with its place, nothing
 * interpreted yet. The plan is made from this and never sees a format.
 */
export interface Tree extends Diagnostics {
  sections: Section[]
  /** Set in the configuration itself (`@SET`); looked up before the environment. */
  variables: Map<string, string>
}

/** Problems end the start, all of them together; warnings are said, each with its place. */
export interface Diagnostics {
  problems: ShipperError[]
  warnings: string[]
}

/** The file of a place that is no file. */
export const COMMAND_LINE = 'command line'

/** main: the file of -c and what it includes · parsers: a Parsers_File · flags: the command line. */
export type SectionOrigin = 'main' | 'parsers' | 'flags'

export interface Section {
  /** As written, e.g. `INPUT`. */
  name: string
  origin: SectionOrigin
  location: SourceLocation
  properties: Property[]
  /** Sections within it. */
  groups: Section[]
}

export interface Property {
  key: string
  value: string
  /** The variables that made the value, as written: `${PORT}`. */
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

/** Puts the parts of `other` behind those of `tree`. */
export function append(tree: Tree, other: Tree): void {
  tree.sections.push(...other.sections)
  for (const [name, value] of other.variables) tree.variables.set(name, value)
  tree.problems.push(...other.problems)
  tree.warnings.push(...other.warnings)
}

/** The first of this key, as fluent-bit has it for the names of sections. */
export function propertyOf(section: Section, key: string): Property | undefined {
  return section.properties.find((entry) => entry.key.toLowerCase() === key)
}

export function warn(findings: Diagnostics, message: string, location: SourceLocation): void {
  findings.warnings.push(`${formatLocation(location)}: ${message}`)
}

/** A problem of the configuration at a place; `hint` is for the one who mends it. */
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

/** By place within a file, files in the order in which they turn up; then the command line, then what has no place. */
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
