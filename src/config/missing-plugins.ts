import { formatLocation, type ShipperError, type SourceLocation } from '../core/error.ts'
import { counted } from '../lib/text/counted.ts'
import { problem } from './config-tree.ts'
import type { CatalogueKind } from './fluent-bit-plugins.ts'

/** A plugin that sections name and that is not there. */
export interface MissingPlugin {
  kind: CatalogueKind
  name: string
  /** Locations of its name, in the order of the files. */
  places: SourceLocation[]
  /** What stands in for a plugin of fluent-bit; undefined for a name that nobody knows. */
  standIn: string | undefined
  /** Program that has the plugin. Default: fluent-bit. */
  program?: string
}

const MAX_SHOWN_PLACES = 5

/** Collects the plugins that are not there, so that each is reported once, with all its places. */
export class MissingPlugins {
  readonly #found = new Map<string, MissingPlugin>()

  /** Returns true when fluent-bit has the plugin; it is recorded. The catalogue is loaded for the first one. */
  async add(kind: CatalogueKind, name: string, location: SourceLocation): Promise<boolean> {
    const { programOf, standInFor } = await import('./fluent-bit-plugins.ts')
    const standIn = standInFor(kind, name)
    if (standIn === undefined) return false
    this.addPlugin({ kind, name, places: [location], standIn, program: programOf(name) })
    return true
  }

  addPlugin(plugin: MissingPlugin): void {
    const { kind, name } = plugin
    const key = `${kind} ${name.toLowerCase()}`
    const found = this.#found.get(key)
    if (found === undefined) this.#found.set(key, plugin)
    else found.places.push(...plugin.places)
  }

  get all(): MissingPlugin[] {
    return [...this.#found.values()]
  }

  /** Returns one problem for each plugin, at its first place. */
  problems(): ShipperError[] {
    return this.all.map(({ kind, name, places, standIn, program = 'fluent-bit' }) => {
      const [first, ...others] = places
      const message = `unknown ${kind} "${name}": ${program} has it, shipper does not${alsoAt(first, others)}`
      return problem('E_CONFIG_UNKNOWN_PLUGIN', message, first, standIn ?? '')
    })
  }
}

/** Returns ` (did you mean X?)` for a name by which an output is known elsewhere, or an empty text. */
export async function outputMeant(kind: CatalogueKind, name: string): Promise<string> {
  if (kind !== 'output') return ''
  const { outputCalled } = await import('./fluent-bit-plugins.ts')
  const meant = outputCalled(name)
  return meant === undefined ? '' : ` (did you mean ${meant}?)`
}

/** Returns the names of plugins of fluent-bit, there or not, that a name may have been meant as. */
export async function namesOfPeers(kind: CatalogueKind, own: readonly string[]): Promise<string[]> {
  const { missingNames } = await import('./fluent-bit-plugins.ts')
  return [...own, ...missingNames(kind)]
}

/** Returns `missing: output es (2 sections), filter lua (9 sections)`, or an empty text. */
export function missingText(missing: readonly MissingPlugin[]): string {
  if (missing.length === 0) return ''
  const parts = missing.map(({ kind, name, places }) => {
    const count = counted(places.length, 'section')
    return `${kind} ${name} (${count})`
  })
  return `missing: ${parts.join(', ')}`
}

/** Returns ` (also at line 30, b.conf:4:10)`, with the line alone in the file of the first place; or an empty text. */
export function alsoAt(first: SourceLocation | undefined, others: readonly SourceLocation[]): string {
  if (others.length === 0) return ''
  const texts = others.slice(0, MAX_SHOWN_PLACES).map((place) => {
    const isSame = place.file === first?.file && place.line !== undefined
    return isSame ? `line ${place.line}` : formatLocation(place)
  })
  const rest = others.length - texts.length
  return ` (also at ${texts.join(', ')}${rest > 0 ? ` and ${rest} more` : ''})`
}
