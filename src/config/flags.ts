import type { Position } from '../core/error.ts'
import { ShipperError } from '../core/error.ts'
import { emptyTree, newSection, type Section, type Tree } from './tree.ts'

export type StageKind = 'input' | 'filter' | 'output'

const POSITION: Position = { file: 'command line' }

/** Makes a tree of the flags, from left to right: `-p`, `-t` and `-m` belong to the latest `-i`, `-F` or `-o`. */
export class Flags {
  readonly tree: Tree = emptyTree()
  #current: Section | undefined
  #service: Section | undefined

  begin(kind: StageKind, plugin: string): void {
    this.#current = newSection(kind.toUpperCase(), 'flags', POSITION)
    this.tree.sections.push(this.#current)
    this.#add(this.#current, 'name', plugin)
  }

  /** `key=value`; the value may have further `=`. */
  property(text: string): void {
    const equals = text.indexOf('=')
    if (equals < 1) throw usage(`-p needs key=value, not "${text}"`)
    const key = text.slice(0, equals).trim()
    // Only the key is shown: the value may be a secret.
    this.#add(this.#stage(`-p ${key}`), key, text.slice(equals + 1))
  }

  tag(tag: string): void {
    const section = this.#stage(`-t ${tag}`)
    if (section.name !== 'INPUT')
      throw usage(`-t ${tag} stands behind ${flagOf(section)}: only an input has a tag`)
    this.#add(section, 'tag', tag)
  }

  match(pattern: string): void {
    const section = this.#stage(`-m ${pattern}`)
    if (section.name === 'INPUT') {
      throw usage(`-m ${pattern} stands behind ${flagOf(section)}: only filters and outputs have a match`)
    }
    this.#add(section, 'match', pattern)
  }

  service(key: string, value: string): void {
    if (this.#service === undefined) {
      this.#service = newSection('SERVICE', 'flags', POSITION)
      this.tree.sections.push(this.#service)
    }
    this.#add(this.#service, key, value)
  }

  /** The plugin that `-h` asks about. */
  get current(): { kind: StageKind; plugin: string } | undefined {
    const section = this.#current
    if (section === undefined) return undefined
    return { kind: section.name.toLowerCase() as StageKind, plugin: section.entries[0]?.value ?? '' }
  }

  #stage(flag: string): Section {
    if (this.#current === undefined) throw usage(`${flag} stands before any -i, -F or -o`)
    return this.#current
  }

  #add(section: Section, key: string, value: string): void {
    section.entries.push({ key, value, position: POSITION, valuePosition: POSITION })
  }
}

function flagOf(section: Section): string {
  const flag = { INPUT: '-i', FILTER: '-F', OUTPUT: '-o' }[section.name]
  return `${flag} ${section.entries[0]?.value}`
}

function usage(message: string): ShipperError {
  return new ShipperError('E_CLI_USAGE', message)
}
