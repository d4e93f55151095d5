import { ShipperError, type SourceLocation } from '../../core/error.ts'
import { camelName, type Option, type OptionTable } from '../../core/options/option.ts'
import { findOption, parseValue } from '../../core/options/parse.ts'

/** A node as the configuration has it: `name` and texts of options. */
type NodeTexts = Readonly<Record<string, string>>

/** A node in the value of the option. */
interface WrittenNode {
  readonly texts: NodeTexts
  readonly at: NodeLocations
}

/** A node with the values of the options that it has of its own. */
export interface UpstreamNode {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

/** Where the options of a node stand, by their names in the table, and the node itself: ''. */
export type NodeLocations = Readonly<Record<string, SourceLocation>>

/** Returns the value of the option `upstream` for nodes. `locations` are those of each node. */
export function upstreamValue(nodes: readonly NodeTexts[], locations: readonly NodeLocations[] = []): string {
  const written: WrittenNode[] = nodes.map((texts, i) => ({ texts, at: locations[i] ?? {} }))
  return JSON.stringify(written)
}

/** Returns where each node of a value of the option `upstream`, and its options, stand. Throws E_CONFIG_BAD_VALUE. */
export function nodeLocations(value: string): NodeLocations[] {
  return writtenNodes(value).map(({ at }) => at)
}

/** Returns the nodes in a value of the option `upstream`. Throws E_CONFIG_BAD_VALUE. */
export function upstreamNodes(value: string, table: OptionTable): UpstreamNode[] {
  return writtenNodes(value).map(({ texts }, i) => {
    const options: Record<string, unknown> = {}
    for (const [key, text] of Object.entries(texts)) {
      const name = findOption(table, key)
      if (name === undefined) continue
      const result = parseValue(name, table[name] as Option, text)
      if (result.problem !== undefined) throw badUpstream(result.problem)
      options[camelName(name)] = table[name]?.repeat === true ? [result.value] : result.value
    }
    return { name: texts.name ?? `node.${i}`, options }
  })
}

function writtenNodes(value: string): WrittenNode[] {
  try {
    return JSON.parse(value) as WrittenNode[]
  } catch {
    throw badUpstream('it names no file that was read')
  }
}

function badUpstream(reason: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `upstream: ${reason}`, {
    option: 'upstream',
    hint: 'name a file with one [UPSTREAM] and its [NODE] sections',
  })
}
