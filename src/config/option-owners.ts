import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import type { OptionTable } from '../core/options/option.ts'
import { findOption, parseValue } from '../core/options/parse.ts'
import { SERVICE_OPTIONS } from '../core/options/service.ts'
import type { Registry } from '../core/plugin.ts'
import { propertyOf, type Section } from './config-tree.ts'
import type { StageKind } from './flags.ts'

const KINDS = ['input', 'filter', 'output'] as const
const COMMON: readonly Owner[] = [
  { name: '[SERVICE]', table: SERVICE_OPTIONS },
  { name: '[INPUT]', table: INPUT_OPTIONS },
  { name: '[FILTER]', table: FILTER_OPTIONS },
  { name: '[OUTPUT]', table: OUTPUT_OPTIONS },
]

/** A section with a table; `kind` is set for the table of a plugin. */
interface Owner {
  name: string
  kind?: StageKind
  table: OptionTable
}
/** More plugins of a kind than have an option that is not of every one. */
const MAX_SHOWN_OWNERS = 12

/** Options that fluent-bit takes in every input and output, and that only those with a connection use. */
const CONNECTION = /^(?:host|port|listen|ipv6|net\..+|tls\..+)$/i
const OFF = /^(?:off|false|no)$/i

/** Returns true for an option that the plugins of a kind need not know. To turn TLS on where there is none is not one. */
export function isPassedOver(kind: StageKind, key: string, value: string): boolean {
  if (kind === 'filter') return false
  return CONNECTION.test(key) || (key.toLowerCase() === 'tls' && OFF.test(value))
}

/** Finds the sections to which an option belongs that stands in the wrong one. */
export class OptionOwners {
  readonly #registry: Registry
  readonly #all: boolean
  readonly #owners: Owner[] = [...COMMON]

  /** With `all` every plugin is loaded for its options; without, those that the sections name. */
  constructor(registry: Registry, all: boolean) {
    this.#registry = registry
    this.#all = all
  }

  async add(sections: Readonly<Record<StageKind, readonly Section[]>>): Promise<void> {
    for (const kind of KINDS) {
      const named = sections[kind].map((section) => propertyOf(section, 'name')?.value.toLowerCase() ?? '')
      for (const name of new Set(this.#all ? this.#registry.names(kind) : named)) {
        const spec = await this.#registry.find(kind, name)
        if (spec !== undefined) this.#owners.push({ name, kind, table: spec.options })
      }
    }
  }

  /**
   * Returns `[INPUT]`, or `the inputs tcp and http`; undefined when no section has the option with this value. Of plugins, those of the
   * kind `near` are named, or if there are none all others.
   */
  of(key: string, value: string, near?: StageKind): string | undefined {
    const found = this.#owners.filter(({ table }) => takes(table, key, value))
    const common = found.filter(({ kind }) => kind === undefined)
    if (common.length > 0) return common.map(({ name }) => name).join(' or ')
    const ofKind = found.filter(({ kind }) => kind === near)
    const shown = ofKind.length > 0 ? ofKind : found
    const texts = KINDS.flatMap((kind) => {
      const names = shown.filter((owner) => owner.kind === kind).map(({ name }) => name)
      if (names.length === 0) return []
      return names.length === 1 ? `${kind} ${names[0]}` : `the ${kind}s ${listed(names)}`
    })
    return texts.length === 0 ? undefined : texts.join(' or ')
  }
}

/** Returns true when an option of the table has a use for the value. */
function takes(table: OptionTable, key: string, value: string): boolean {
  const name = findOption(table, key)
  const option = name === undefined ? undefined : table[name]
  if (name === undefined || option === undefined) return false
  // Of a plugin that only refuses to turn something on, it is not an option.
  return option.type !== 'bool' || parseValue(name, option, value).problem === undefined
}

function listed(names: readonly string[]): string {
  const more = names.length - MAX_SHOWN_OWNERS
  if (more > 0) return `${names.slice(0, MAX_SHOWN_OWNERS).join(', ')} and ${more} more`
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
