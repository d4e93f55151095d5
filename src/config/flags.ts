import type { SourceLocation } from '../core/error.ts'
import { ShipperError } from '../core/error.ts'
import { COMMAND_LINE, emptyTree, newSection, type Section, type Tree } from './config-tree.ts'
import { withoutSecrets } from './plugin-uri.ts'

export type StageKind = 'input' | 'filter' | 'output'

const FLAG: Record<StageKind, string> = { input: '-i', filter: '-F', output: '-o' }

/** The part of an argument without a value that is no secret: `-p 'password x'`. */
const FIRST_WORD = /^[^\s=:]+/

/**
 * Builds a tree from the flags, from left to right: `-p`, `-t` and `-m` belong to the latest `-i`, `-F` or `-o`. The
 * location of a property is its argument, without the value of a `-p`, which may be a secret.
 */
export class Flags {
  readonly tree: Tree = emptyTree()
  #current: Section | undefined
  #service: Section | undefined

  /** Adds a stage: `-i`, `-F` or `-o`. */
  begin(kind: StageKind, plugin: string): void {
    const argument = `${FLAG[kind]} ${withoutSecrets(plugin)}`
    this.#current = newSection(kind.toUpperCase(), 'flags', at(argument))
    this.tree.sections.push(this.#current)
    this.#add(this.#current, 'name', plugin, argument)
  }

  /** Adds a `-p`: `key=value`, where the value may contain `=`. */
  property(text: string): void {
    const equals = text.indexOf('=')
    if (equals < 1) throw usage(`-p needs key=value, and "${FIRST_WORD.exec(text)?.[0] ?? ''}" has no value`)
    const key = text.slice(0, equals).trim()
    // Only the key is shown: the value may be a secret.
    const argument = `-p ${key}`
    const value = text.slice(equals + 1)
    // As in a configuration file: an empty host or path is never what was meant, but a variable that is not set.
    if (value.trim() === '') throw usage(`${argument}= has no value`)
    this.#add(this.#stage(argument), key, value, argument)
  }

  /** Adds a `-t`. */
  tag(tag: string): void {
    const section = this.#stage(`-t ${tag}`)
    if (section.name !== 'INPUT') throw usage(`-t ${tag} follows ${flagOf(section)}: only an input has a tag`)
    this.#add(section, 'tag', tag, `-t ${tag}`)
  }

  /** Adds a `-m`. */
  match(pattern: string): void {
    const section = this.#stage(`-m ${pattern}`)
    if (section.name === 'INPUT') {
      throw usage(`-m ${pattern} follows ${flagOf(section)}: only filters and outputs have a match`)
    }
    this.#add(section, 'match', pattern, `-m ${pattern}`)
  }

  /** Adds an option of [SERVICE] that has its own flag. */
  service(key: string, value: string, flag = ''): void {
    if (this.#service === undefined) {
      this.#service = newSection('SERVICE', 'flags', { file: COMMAND_LINE })
      this.tree.sections.push(this.#service)
    }
    this.#add(this.#service, key, value, flag)
  }

  /** Latest stage: the plugin that `-h` asks about. */
  get current(): { kind: StageKind; plugin: string } | undefined {
    const section = this.#current
    if (section === undefined) return undefined
    return { kind: section.name.toLowerCase() as StageKind, plugin: section.properties[0]?.value ?? '' }
  }

  #stage(flag: string): Section {
    if (this.#current === undefined) throw usage(`${flag} comes before any -i, -F or -o`)
    return this.#current
  }

  #add(section: Section, key: string, value: string, argument: string): void {
    section.properties.push({ key, value, location: at(argument), valueLocation: at(argument) })
  }
}

function at(argument: string): SourceLocation {
  return argument === '' ? { file: COMMAND_LINE } : { file: COMMAND_LINE, argument }
}

function flagOf(section: Section): string {
  return section.location.argument ?? COMMAND_LINE
}

function usage(message: string): ShipperError {
  return new ShipperError('E_CLI_USAGE', message)
}
