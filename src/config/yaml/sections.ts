import type { SourceLocation } from '../../core/error.ts'
import { didYouMean } from '../../lib/text/did-you-mean.ts'
import { newSection, type SectionOrigin, type Tree } from '../config-tree.ts'
import type { YamlEntry, YamlMap, YamlNode } from './document.ts'
import { readEnv } from './env.ts'
import { anyGroups, groupsReader, multilineReaders, stageReaders, telemetryReader } from './groups.ts'
import { isEmpty, type KeyReaders, shown, TooMuch, YamlReading } from './reading.ts'

const TOP_KEYS = [
  ...['env', 'includes', 'service', 'parsers', 'multiline_parsers', 'upstream_servers', 'pipeline'],
  ...['plugins', 'stream_processor', 'customs', 'extensions', 'tests'],
]
/** Keys of `pipeline`, with the sections that they list. */
const PIPELINE = { inputs: 'INPUT', filters: 'FILTER', outputs: 'OUTPUT' } as const

/** Reads the parts of a document into sections of the tree. */
export class YamlSections {
  readonly #reading: YamlReading
  readonly #tree: Tree
  readonly #include: (pattern: string, location: SourceLocation) => void | Promise<void>

  constructor(
    origin: SectionOrigin,
    tree: Tree,
    include: (pattern: string, location: SourceLocation) => void | Promise<void>,
  ) {
    this.#reading = new YamlReading(origin, tree)
    this.#tree = tree
    this.#include = include
  }

  async read(root: YamlNode): Promise<void> {
    try {
      for (const entry of this.#reading.entriesOf(root, 'a configuration')) await this.#top(entry)
    } catch (err) {
      if (!(err instanceof TooMuch)) throw err
    }
  }

  async #top(entry: YamlEntry): Promise<void> {
    const { key, value } = entry
    switch (key.text.toLowerCase()) {
      case 'env':
        return readEnv(value, this.#reading)
      case 'includes':
        return this.#includes(value)
      case 'service':
        return this.#service(entry)
      case 'pipeline':
        return this.#pipeline(value)
      case 'parsers':
        return this.#list('PARSER', entry)
      case 'multiline_parsers':
        return this.#list('MULTILINE_PARSER', entry, multilineReaders(this.#reading))
      case 'upstream_servers':
        return this.#upstreams(entry)
      case 'stream_processor':
        return this.#list('stream_processor', entry)
      case 'plugins':
        return this.#plugins(entry)
      case 'tests':
        return this.#list('TEST', entry, anyGroups(this.#reading))
      case 'customs':
        return this.#reading.warn(
          '"customs" has no effect: these plugins report to other services',
          key.location,
        )
      case 'extensions':
        return undefined
      default:
        return this.#unknown(entry)
    }
  }

  /**
   * Reports an unknown key. As in fluent-bit one with a map has no effect, since maps with anchors stand there; here a name that
   * looks like a typing error is a problem.
   */
  #unknown({ key, value }: YamlEntry): void {
    const name = shown(key)
    const within = Object.hasOwn(PIPELINE, key.text.toLowerCase())
    const near = within ? '' : didYouMean(name, TOP_KEYS)
    const message = `unknown section "${name}"${near}`
    if (value.kind === 'map' && near === '' && !within) {
      if (!value.isAnchored) this.#reading.warn(`${message}: it has no effect`, key.location)
      return
    }
    const list = near === '' ? `the sections are ${TOP_KEYS.join(', ')}` : ''
    const hint = within ? `"${name}" belongs below "pipeline"` : list
    this.#reading.problem('E_CONFIG_UNKNOWN_SECTION', message, key.location, hint)
  }

  async #includes(value: YamlNode): Promise<void> {
    const items =
      value.kind === 'string' && !isEmpty(value) ? [value] : this.#reading.itemsOf(value, '"includes"')
    for (const item of items) {
      this.#reading.visit(item)
      if (item.kind === 'string' && item.text !== '') await this.#include(item.text, item.location)
      else this.#reading.problem('E_CONFIG_SYNTAX', 'an item of "includes" must be a path', item.location)
    }
  }

  #service({ key, value }: YamlEntry): void {
    const entries = this.#reading.entriesOf(value, '"service"')
    const map: YamlMap = { kind: 'map', entries, isAnchored: false, location: key.location }
    this.#tree.sections.push(this.#reading.section('SERVICE', map, { keys: telemetryReader(this.#reading) }))
  }

  #pipeline(value: YamlNode): void {
    for (const entry of this.#reading.entriesOf(value, '"pipeline"')) {
      const name = entry.key.text.toLowerCase()
      if (Object.hasOwn(PIPELINE, name)) {
        const kind = PIPELINE[name as keyof typeof PIPELINE]
        this.#list(kind, entry, stageReaders(kind, this.#reading))
        continue
      }
      const near = didYouMean(name, Object.keys(PIPELINE))
      const hint = near === '' ? 'a pipeline has inputs, filters and outputs' : ''
      const message = `unknown key "${shown(entry.key)}" of the pipeline${near}`
      this.#reading.problem('E_CONFIG_UNKNOWN_SECTION', message, entry.key.location, hint)
    }
  }

  #list(name: string, { key, value }: YamlEntry, readers: KeyReaders = {}): void {
    for (const map of this.#reading.mapsOf(value, `"${shown(key)}"`))
      this.#tree.sections.push(this.#reading.section(name, map, readers))
  }

  /** Reads upstreams: an output reads those of the file that its option Upstream names. */
  #upstreams(entry: YamlEntry): void {
    const { key } = entry
    this.#list('UPSTREAM', entry, { keys: { nodes: groupsReader('NODE', this.#reading) } })
    if (this.#reading.origin !== 'main') return
    const message = `"${shown(key)}" has no effect here: an output names a file with it in its option Upstream`
    this.#reading.warn(message, key.location)
  }

  #plugins(entry: YamlEntry): void {
    const section = newSection('PLUGINS', this.#reading.origin, entry.key.location)
    this.#reading.property(section, entry)
    this.#tree.sections.push(section)
  }
}
