import { type ErrorCode, formatLocation, ShipperError, type SourceLocation } from '../core/error.ts'

/**
 * The result of reading a file of any format or the command line: sections with properties and their locations, nothing
 * interpreted yet. The plan is made from it and does not depend on the format.
 */
export interface Tree extends Diagnostics {
  sections: Section[]
  /** Path of the configuration file; undefined when the command line is all there is. */
  file?: string
  /** Variables set in the configuration itself (`@SET`); they take precedence over the environment. */
  variables: Map<string, string>
  /** Plugins that a fluentd file names and that are not there; the others are found out by the plan. */
  missing?: MissingInFile[]
  /** Values of variables whose names are secret; absent when there are none. */
  secrets?: Set<string>
  /** What a fluentd file takes from the environment or the host by its expressions. */
  localValues?: LocalValue[]
  /** Set by a fluentd file: the order of its filters and matches. Without it filters and outputs have a Match. */
  routing?: TreeRouting
}

/** The sections of OrderedRouting (core/plan.ts) by label. Each is in `sections`, too. */
export interface TreeRouting {
  labels: Map<string, TreeStep[]>
}

/** A value that may be another one on another machine. */
export interface LocalValue {
  /** What has it: a parameter, or a section. */
  name: string
  /** Location of the values of properties that are made from it. */
  location: SourceLocation
  /** The value on this machine; undefined: it is as if the parameter were not there. */
  value: string | undefined
  /** True when it is no variable of ours. */
  isFixed: boolean
}

/** A plugin that a file of another program names and that is not there. */
export interface MissingInFile {
  kind: 'input' | 'filter' | 'output'
  name: string
  location: SourceLocation
  standIn: string
  program: string
}

export interface TreeStep {
  patterns: string[]
  location: SourceLocation
  filter?: Section
  targets?: ({ output: Section } | { label: string })[]
}

export interface Diagnostics {
  /** Errors that prevent the start; reported all together. */
  problems: ShipperError[]
  /** Messages to be logged, each with its location. */
  warnings: string[]
  /** What differs from the program whose format the file has, without harm; printed by `-D` only. */
  notes?: string[]
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
  /**
   * Sections within this section: PROCESSOR (of INPUT and OUTPUT; a filter by its name), ROUTE (of INPUT), CONDITION (of PROCESSOR
   * and ROUTE), RULE (of CONDITION), NODE (of UPSTREAM), and those of TEST.
   */
  groups: Section[]
  /** Label in TreeRouting at which the records of an input begin. */
  label?: string
  /** True when the values have no variables: `${...}` in them belongs to the plugin. */
  isLiteral?: true
}

export interface Property {
  key: string
  value: string
  /** Variables expanded in the value, as written: `${PORT}`. */
  variables?: string[]
  /** The value before variables were expanded in it. */
  written?: string
  /** Part of the value, as written in the classic format, that looks like a comment: blanks, `#`, and a blank or the end. */
  comment?: string
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
  if (other.notes !== undefined) tree.notes = [...(tree.notes ?? []), ...other.notes]
  if (other.localValues !== undefined) tree.localValues = [...(tree.localValues ?? []), ...other.localValues]
  if (other.missing !== undefined) tree.missing = [...(tree.missing ?? []), ...other.missing]
  if (other.secrets !== undefined) tree.secrets = new Set([...(tree.secrets ?? []), ...other.secrets])
  if (other.routing !== undefined) tree.routing = other.routing
}

/** Returns the first property with this lower-case key; the first one counts, as for names in fluent-bit. */
export function propertyOf(section: Section, key: string): Property | undefined {
  return section.properties.find((property) => property.key.toLowerCase() === key)
}

/** Adds a warning with its location. */
export function warn(diagnostics: Diagnostics, message: string, location: SourceLocation): void {
  diagnostics.warnings.push(`${formatLocation(location)}: ${message}`)
}

/** Adds a note with its location. */
export function note(diagnostics: Diagnostics, message: string, location: SourceLocation): void {
  diagnostics.notes ??= []
  diagnostics.notes.push(`${formatLocation(location)}: ${message}`)
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
