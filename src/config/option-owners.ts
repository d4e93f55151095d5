import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import type { OptionTable } from '../core/options/option.ts'
import { findOption } from '../core/options/parse.ts'
import { SERVICE_OPTIONS } from '../core/options/service.ts'
import type { Registry } from '../core/plugin.ts'
import { propertyOf, type Section } from './config-tree.ts'
import type { StageKind } from './flags.ts'

const KINDS = ['input', 'filter', 'output'] as const
const COMMON: readonly [string, OptionTable][] = [
  ['[SERVICE]', SERVICE_OPTIONS],
  ['[INPUT]', INPUT_OPTIONS],
  ['[FILTER]', FILTER_OPTIONS],
  ['[OUTPUT]', OUTPUT_OPTIONS],
]
const MAX_SHOWN_OWNERS = 3

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
  readonly #tables: [string, OptionTable][] = [...COMMON]

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
        if (spec !== undefined) this.#tables.push([`${kind} ${name}`, spec.options])
      }
    }
  }

  /** Returns `[INPUT]`, or `input tail or output file`; undefined when no section has the option. */
  of(key: string): string | undefined {
    const owners = this.#tables.filter(([, table]) => findOption(table, key) !== undefined)
    const common = owners.filter(([owner]) => owner.startsWith('['))
    const shown = (common.length > 0 ? common : owners).slice(0, MAX_SHOWN_OWNERS).map(([owner]) => owner)
    return shown.length === 0 ? undefined : shown.join(' or ')
  }
}
