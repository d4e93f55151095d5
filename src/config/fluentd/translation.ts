import type { ErrorCode, ShipperError, SourceLocation } from '../../core/error.ts'
import { formatTime } from '../../core/options/units.ts'
import { didYouMean } from '../../lib/text/did-you-mean.ts'
import {
  type Diagnostics,
  type MissingInFile,
  newSection,
  note,
  problem,
  type Section,
  type SectionOrigin,
  type Tree,
  type TreeStep,
  warn,
} from '../config-tree.ts'
import type { Attribute, Element } from './element.ts'
import { textOf, typeOf } from './element.ts'

/** Name of the steps outside of any label. */
export const ROOT_LABEL = '@ROOT'

/** Name of the label for records on which a filter fails. */
export const ERROR_LABEL = '@ERROR'

/** The sections that a fluentd file becomes, while it is translated. */
export class Translation implements Diagnostics {
  readonly problems: ShipperError[]
  readonly warnings: string[]
  readonly labels = new Map<string, TreeStep[]>([['', []]])
  /** True when the file has a label @ERROR. */
  hasErrorLabel = false
  /** Tags of the sources that follow files, with `*`; a filter learns from them what tags look like. */
  readonly tailTags: string[] = []
  readonly #tree: Tree
  readonly #origin: SectionOrigin
  #service: Section | undefined
  #parsers = 0
  readonly #used: { label: string; location: SourceLocation }[] = []
  #httpServer: { port: string } | undefined
  #bufferFolder: string | undefined
  /** Default of Chunk_Size. */
  #chunkBytes = 1_000_000
  readonly #shortest = new Map<string, number>()

  constructor(tree: Tree, origin: SectionOrigin) {
    this.#tree = tree
    this.#origin = origin
    this.problems = tree.problems
    this.warnings = tree.warnings
  }

  problem(code: ErrorCode, message: string, location: SourceLocation, hint = ''): void {
    this.problems.push(problem(code, message, location, hint))
  }

  warn(message: string, location: SourceLocation): void {
    warn(this.#tree, message, location)
  }

  /** Records what differs from fluentd without harm, for `-D`. */
  note(message: string, location: SourceLocation): void {
    note(this.#tree, message, location)
  }

  /** Adds a section of the tree; its plugin is named by `name`, and by `@id` in logs and metrics. */
  section(kind: string, name: string, element: Element): Section {
    const section = newSection(kind, this.#origin, element.location)
    section.isLiteral = true
    const at = typeOf(element)
    set(section, 'Name', name, at?.location ?? element.location, at?.valueLocation)
    const id = textOf(element, '@id') ?? textOf(element, 'id')
    if (id !== undefined && kind !== 'PARSER') set(section, 'Alias', id, element.location)
    const level = textOf(element, '@log_level') ?? textOf(element, 'log_level')
    if (level !== undefined && kind !== 'PARSER') set(section, 'Log_Level', logLevel(level), element.location)
    this.#tree.sections.push(section)
    return section
  }

  /** Adds a section without a plugin, such as that of a parser, and returns the name that it gets. */
  namedSection(kind: string, prefix: string, element: Element): Section {
    const section = newSection(kind, this.#origin, element.location)
    section.isLiteral = true
    set(section, 'Name', `${prefix}.${this.#parsers++}`, element.location)
    this.#tree.sections.push(section)
    return section
  }

  /** Returns the section of a parser of this name. */
  parser(name: string): Section | undefined {
    return this.#tree.sections.find(
      ({ name: kind, properties }) => kind === 'PARSER' && properties[0]?.value === name,
    )
  }

  /** Records that records are sent to a label, for `unknownLabels`. */
  uses(label: string, location: SourceLocation): void {
    this.#used.push({ label, location })
  }

  /** Reports the labels that are used and not there. */
  reportUnknownLabels(): void {
    const unknown = this.#used.filter(({ label }) => !this.labels.has(label))
    for (const { label, location } of unknown) {
      const near = didYouMean(
        label,
        [...this.labels.keys()].filter((name) => name !== ''),
      )
      this.problem(
        'E_CONFIG_BAD_VALUE',
        `there is no label ${label}${near}`,
        location,
        near === '' ? `add <label ${label}>` : '',
      )
    }
    // The rest of the plan is checked, too, without a second report of the label.
    for (const { label } of unknown) this.labels.set(label, [])
  }

  /** Records a plugin without a counterpart. */
  missing(plugin: Omit<MissingInFile, 'program'>): void {
    this.#tree.missing ??= []
    this.#tree.missing.push({ ...plugin, program: 'fluentd' })
  }

  /** Sets an option of [SERVICE]. */
  service(key: string, value: string, location: SourceLocation): void {
    this.#service ??= this.#newService(location)
    const earlier = this.#service.properties.find((property) => property.key === key)
    if (earlier === undefined) set(this.#service, key, value, location)
    else earlier.value = value
  }

  /** Sets the folder of the buffer on disk, of which there is one; returns the one that is used: the first. */
  bufferFolder(folder: string, location: SourceLocation): string {
    if (this.#bufferFolder === undefined) this.service('storage.path', folder, location)
    this.#bufferFolder ??= folder
    return this.#bufferFolder
  }

  /** Returns the inputs but those of some plugins; the matches are translated after all sources. */
  inputsWithout(plugins: readonly string[]): Section[] {
    return this.#tree.sections.filter(
      ({ name, properties }) =>
        name === 'INPUT' && !properties.some(({ key, value }) => key === 'Name' && plugins.includes(value)),
    )
  }

  /** Sets the address of the HTTP server, of which there is one. `isDefault`: another address takes precedence. */
  httpServer(address: { host: string; port: string; isDefault: boolean }, location: SourceLocation): void {
    const before = this.#httpServer
    if (before !== undefined && before.port !== address.port) {
      const port = address.isDefault ? before.port : address.port
      this.warn(`there is one HTTP server, on port ${port}`, location)
      if (address.isDefault) return
    }
    this.#httpServer = address
    this.service('HTTP_Server', 'on', location)
    this.service('HTTP_Listen', address.host, location)
    this.service('HTTP_Port', address.port, location)
  }

  /**
   * Sets a time of [SERVICE] that several outputs of the file may want, in milliseconds: the shortest counts, as what is sent
   * earlier is not late for the others.
   */
  shortest(key: string, ms: number, location: SourceLocation): void {
    const before = this.#shortest.get(key)
    if (before !== undefined && before !== ms)
      this.note(`${key} is one for all outputs: the shortest time counts`, location)
    if (before !== undefined && before <= ms) return
    this.#shortest.set(key, ms)
    this.service(key, formatTime(ms), location)
  }

  /** Sets the size of chunks, of which there is one for all outputs. */
  smallestChunk(bytes: number, location: SourceLocation): void {
    if (bytes >= this.#chunkBytes) return
    this.#chunkBytes = bytes
    this.service('Chunk_Size', String(bytes), location)
  }

  #newService(location: SourceLocation): Section {
    const section = newSection('SERVICE', this.#origin, location)
    section.isLiteral = true
    this.#tree.sections.push(section)
    return section
  }
}

/** Appends a property to a section. */
export function set(
  section: Section,
  key: string,
  value: string,
  location: SourceLocation,
  valueLocation = location,
  variables?: string[],
): void {
  const property = { key, value, location, valueLocation }
  section.properties.push(variables === undefined ? property : { ...property, variables })
}

/** Appends a property whose value is that of an attribute, or made from it. */
export function setFrom(section: Section, key: string, attribute: Attribute, value = attribute.value): void {
  if (value === undefined) return
  const { location, valueLocation, variables, source } = attribute
  set(section, key, value, location, valueLocation, variables)
  const property = section.properties.at(-1)
  if (property === undefined || source === undefined) return
  // What is made from the value has the variables of the value.
  if (attribute.value === '') {
    if (value === '' || value.endsWith(' ')) property.written = value + source
  } else if (attribute.value !== undefined && value.includes(attribute.value))
    property.written = value.replace(attribute.value, () => source)
}

/** Sets the last property of a section as it is before variables are expanded in it; undefined: it has none. */
export function setWritten(section: Section, written: string | undefined): void {
  const property = section.properties.at(-1)
  if (property !== undefined && written !== undefined) property.written = written
}

export function logLevel(level: string): string {
  return level === 'fatal' ? 'error' : level
}
