import type { ErrorCode, SourceLocation } from '../../core/error.ts'
import { truncate } from '../../core/escape-controls.ts'
import { nearest } from '../../lib/text/did-you-mean.ts'
import { newSection, problem, type Section, type SectionOrigin, type Tree, warn } from '../config-tree.ts'
import type { YamlEntry, YamlList, YamlMap, YamlNode, YamlText } from './document.ts'

/** Reads the value of one key into a section, in place of a property. */
export type KeyReader = (section: Section, entry: YamlEntry) => void

/** Readers by key in lower case. `rest`: reader of the other keys whose value is a map, or a list with one. */
export interface KeyReaders {
  readonly keys?: Readonly<Record<string, KeyReader>>
  readonly rest?: KeyReader
}

/** Maximum number of nodes visited: an alias may be visited often, and a list in it each time. */
const MAX_VISITS = 200_000
const MAX_PROBLEMS = 100
const MAX_WARNINGS = 100
const MAX_SHOWN_CHARS = 60

/** Options without which no record is sent, or with another tag than is meant. A file in classic format cannot have them empty. */
const ROUTING = /^(?:match|match_regex|tag)$/i
const STAGES = ['INPUT', 'FILTER', 'OUTPUT']
const EMPTY_HINT = "set it, or remove the line; '*' stands for all tags in a match"

/** Ends the reading of a file; the problem is recorded. */
export class TooMuch extends Error {}

/** What the readers of the parts of a document share. */
export class YamlReading {
  readonly origin: SectionOrigin
  readonly tree: Tree
  #visits = 0
  #problems = 0
  #warnings = 0

  constructor(origin: SectionOrigin, tree: Tree) {
    this.origin = origin
    this.tree = tree
  }

  problem(code: ErrorCode, message: string, location: SourceLocation, hint = ''): void {
    this.tree.problems.push(problem(code, message, location, hint))
    if (++this.#problems < MAX_PROBLEMS) return
    this.tree.problems.push(
      problem('E_CONFIG_SYNTAX', `more than ${MAX_PROBLEMS} problems: reading ends here`, location, ''),
    )
    throw new TooMuch()
  }

  warn(message: string, location: SourceLocation): void {
    if (++this.#warnings > MAX_WARNINGS) return
    warn(this.tree, message, location)
    if (this.#warnings === MAX_WARNINGS)
      warn(this.tree, 'further warnings of this kind are not shown', location)
  }

  visit({ location }: YamlNode): void {
    if (++this.#visits <= MAX_VISITS) return
    const message = 'aliases repeat too many values'
    this.tree.problems.push(problem('E_CONFIG_SYNTAX', message, location, 'write the values out'))
    throw new TooMuch()
  }

  /** Returns the entries of a map; anything else but an empty value is a problem. */
  entriesOf(node: YamlNode, what: string): YamlEntry[] {
    this.visit(node)
    if (node.kind === 'map') return node.entries
    if (!isEmpty(node))
      this.problem('E_CONFIG_SYNTAX', `${what} must be a map, not a ${node.kind}`, node.location)
    return []
  }

  /** Returns the items of a list; anything else but an empty value is a problem. */
  itemsOf(node: YamlNode, what: string, hint = ''): YamlNode[] {
    this.visit(node)
    if (node.kind === 'list') return node.items
    if (!isEmpty(node))
      this.problem('E_CONFIG_SYNTAX', `${what} must be a list, not a ${node.kind}`, node.location, hint)
    return []
  }

  /** Returns the maps of a list. */
  mapsOf(node: YamlNode, what: string): YamlMap[] {
    return this.itemsOf(node, what, 'begin each item with "- "').filter((item): item is YamlMap => {
      this.visit(item)
      if (item.kind === 'map') return true
      const message = `an item of ${what} must be a map, not a ${item.kind}`
      this.problem('E_CONFIG_SYNTAX', message, item.location, 'write it as "- name: ..."')
      return false
    })
  }

  /** Reads a map into a new section; keys without a reader are properties. */
  section(name: string, map: YamlMap, { keys = {}, rest }: KeyReaders = {}): Section {
    const section = newSection(name, this.origin, map.location)
    for (const entry of map.entries) {
      const read = keyReader(keys, entry.key) ?? (hasMap(entry.value) ? this.#meant(keys, entry) : undefined)
      if (read !== undefined) read(section, entry)
      else if (rest !== undefined && hasMap(entry.value)) rest(section, entry)
      else this.property(section, entry)
    }
    return section
  }

  /** Returns the reader that a key with a map is probably meant for, with a problem; what it reads is checked, too. */
  #meant(keys: Readonly<Record<string, KeyReader>>, { key }: YamlEntry): KeyReader | undefined {
    const near = nearest(key.text, Object.keys(keys))
    if (near === undefined) return undefined
    this.problem(
      'E_CONFIG_UNKNOWN_OPTION',
      `unknown key "${shown(key)}" (did you mean ${near}?)`,
      key.location,
    )
    return keys[near]
  }

  /** Adds a property, or one for each item of a list. */
  property(section: Section, { key, value }: YamlEntry): void {
    this.visit(value)
    const name = shown(key)
    if (value.kind === 'string') {
      if (value.text === '' && ROUTING.test(key.text) && STAGES.includes(section.name))
        this.problem('E_CONFIG_SYNTAX', `"${name}" has no value`, key.location, EMPTY_HINT)
      else this.add(section, key, value)
    } else if (value.kind === 'map') {
      const message = `"${name}" is a map, but its value must be a string or a list of strings`
      const hint =
        value.entries.length === 0
          ? 'remove it, or give it a string; fluent-bit refuses a map, too'
          : `put JSON in single quotation marks, '{"key": "value"}'; fluent-bit refuses a map, too`
      this.problem('E_CONFIG_BAD_VALUE', message, key.location, hint)
    } else
      for (const item of value.items) {
        this.visit(item)
        if (item.kind === 'string') this.add(section, key, item)
        else {
          const message = `an item of "${name}" is a ${item.kind}, but must be a string`
          this.problem('E_CONFIG_BAD_VALUE', message, item.location, quoteHint(item))
        }
      }
  }

  add(section: Section, key: YamlText, value: YamlText, text = value.text): void {
    section.properties.push({
      key: key.text,
      value: text,
      location: key.location,
      valueLocation: value.location,
    })
  }
}

export function shown(key: YamlText): string {
  return truncate(key.text, MAX_SHOWN_CHARS)
}

export function isEmpty(node: YamlNode): boolean {
  return node.kind === 'string' && node.isPlain && node.text === ''
}

function keyReader(keys: Readonly<Record<string, KeyReader>>, { text }: YamlText): KeyReader | undefined {
  const name = text.toLowerCase()
  return Object.hasOwn(keys, name) ? keys[name] : undefined
}

function hasMap(node: YamlNode): boolean {
  return node.kind === 'map' || (node.kind === 'list' && node.items.some(({ kind }) => kind === 'map'))
}

/** `[a-z]+` and `a: b` without quotes are a list and a map. */
function quoteHint(node: YamlList | YamlMap): string {
  return node.kind === 'map'
    ? 'put a string with ": " in it in quotation marks'
    : 'put a string that begins with [ in quotation marks'
}
