import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { formatLocation, type ShipperError } from '../core/error.ts'
import type { OptionTable } from '../core/options/option.ts'
import { findOption } from '../core/options/parse.ts'
import type { Registry } from '../core/plugin.ts'
import { type NodeLocations, upstreamValue } from '../lib/http-output/upstream-value.ts'
import {
  type Diagnostics,
  emptyTree,
  type Property,
  problem,
  propertyOf,
  type Section,
  type Tree,
  warn,
} from './config-tree.ts'
import { readConfig } from './files.ts'
import { readOptions } from './options.ts'
import { type Environment, expandSections } from './variables.ts'

const ADDRESS = ['host', 'port']

/**
 * Reads the file of each `Upstream FILE` of an output: one [UPSTREAM] with its [NODE] sections. Adds it to the tree as an UPSTREAM
 * section with NODE groups. The nodes become the value of the option, for outputs that may have several. For others the options of the
 * only node become those of the output, and several are a problem.
 */
export async function readUpstreams(
  tree: Tree,
  mainFile: string | undefined,
  env: Environment,
  registry: Registry,
): Promise<void> {
  const outputs = tree.sections.filter(({ name }) => name.toLowerCase() === 'output')
  for (const output of outputs) {
    const property = propertyOf(output, 'upstream')
    if (property === undefined || property.value === '') continue
    output.properties.splice(output.properties.indexOf(property), 1)
    const upstream = await readUpstream(property, tree, mainFile, env)
    if (upstream === undefined) continue
    tree.sections.push(upstream)
    const [node, ...others] = upstream.groups
    for (const own of output.properties)
      if (ADDRESS.includes(own.key.toLowerCase()))
        warn(tree, `[${nameOf(output)}] "${own.key}" has no effect beside Upstream`, own.location)
    const spec = await registry.find('output', nameOf(output))
    const table = spec?.kind === 'output' ? spec.nodeOptions : undefined
    if (node === undefined) {
      const message = `${property.value} has no [NODE]`
      tree.problems.push(problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, ''))
    } else if (table !== undefined) {
      const value = nodesOf(upstream.groups, table, output, tree)
      // Of all addresses the output is called by the first.
      replace(output, ({ key }) => ADDRESS.includes(key.toLowerCase()), node)
      output.properties.push({ ...property, value })
    } else if (others.length === 0) replace(output, ({ key }) => key.toLowerCase() !== 'name', node)
    else {
      const names = upstream.groups.map((group) => propertyOf(group, 'name')?.value ?? '?')
      const message = `several nodes are not supported yet, and ${property.value} has ${names.length}: ${names.join(', ')}`
      const hint =
        'give Host and Port of one of them instead of Upstream, or a name that resolves to all of them'
      tree.problems.push(problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, hint))
    }
  }
}

/** Gives an output those options of a node, instead of its own. */
function replace(output: Section, isWanted: (property: Property) => boolean, node: Section): void {
  const wanted = node.properties.filter(isWanted)
  const names = new Set(wanted.map(({ key }) => key.toLowerCase()))
  output.properties = output.properties.filter(({ key }) => !names.has(key.toLowerCase()))
  output.properties.push(...wanted)
}

function nameOf(output: Section): string {
  return propertyOf(output, 'name')?.value.toLowerCase() ?? ''
}

/** Returns the nodes as the value of the option; what is wrong with them becomes problems. */
function nodesOf(nodes: readonly Section[], table: OptionTable, output: Section, tree: Tree): string {
  const names = new Map<string, Property>()
  const read = nodes.map((node) => {
    const add = (message: string, at: Property['location'], hint: string): void =>
      void tree.problems.push(problem('E_CONFIG_BAD_VALUE', message, at, hint))
    const name = propertyOf(node, 'name')
    const same = name === undefined ? undefined : names.get(name.value)
    if (name !== undefined && same !== undefined) {
      const message = `a [NODE] with the name ${name.value} is at ${formatLocation(same.location)} already`
      add(message, name.valueLocation, 'give each node a name of its own: messages name it')
    } else if (name !== undefined) names.set(name.value, name)
    const known = node.properties.filter(({ key, location }) => {
      if (key.toLowerCase() === 'name') return false
      if (findOption(table, key) !== undefined) return true
      const hint = 'set it in [OUTPUT], for all nodes; see upstream in the output’s page'
      add(`[${nameOf(output)}] a [NODE] cannot set "${key}"`, location, hint)
      return false
    })
    if (propertyOf(node, 'host') === undefined)
      add(`[${nameOf(output)}] a [NODE] has no Host`, node.location, 'give Host and Port of each node')
    const valid = checkedOptions(known, table, output, tree)
    return {
      texts: Object.fromEntries([...(name === undefined ? [] : [name]), ...valid].map(textOf)),
      at: locationsOf(node, valid, table),
    }
  })
  return upstreamValue(
    read.map(({ texts }) => texts),
    read.map(({ at }) => at),
  )
}

function textOf({ key, value }: Property): [string, string] {
  return [key.toLowerCase(), value]
}

function locationsOf(node: Section, properties: readonly Property[], table: OptionTable): NodeLocations {
  const options = properties.map(({ key, location }) => [findOption(table, key) ?? key, location])
  return { '': node.location, ...Object.fromEntries(options) }
}

/**
 * Checks options of a node as those of an output are checked. A condition is that of the node, or else of its output. Returns those
 * that are valid.
 */
function checkedOptions(
  own: readonly Property[],
  table: OptionTable,
  output: Section,
  tree: Tree,
): readonly Property[] {
  const names = new Set(own.map(({ key }) => findOption(table, key)))
  const inherited = output.properties.filter(({ key }) => {
    const name = findOption(table, key)
    return name !== undefined && !names.has(name)
  })
  const found: Diagnostics = emptyTree()
  const location = own[0]?.location ?? output.location
  readOptions([...inherited, ...own], [table], { label: 'NODE', location, list: '' }, found)
  // What is wrong with an option of the output is said where that is read.
  const places = own.flatMap((property) => [property.location, property.valueLocation]).map(formatLocation)
  const at = (one: ShipperError): string => (one.location === undefined ? '' : formatLocation(one.location))
  const problems = found.problems.filter((one) => places.includes(at(one)))
  tree.problems.push(...problems)
  tree.warnings.push(
    ...found.warnings.filter((text) => places.some((place) => text.startsWith(`${place}: `))),
  )
  const wrong = new Set(problems.map(at))
  return own.filter((property) => !wrong.has(formatLocation(property.valueLocation)))
}

async function readUpstream(
  { value, valueLocation }: Property,
  tree: Tree,
  mainFile: string | undefined,
  env: Environment,
): Promise<Section | undefined> {
  const besideMain = join(mainFile === undefined ? '' : dirname(mainFile), value)
  const file = isAbsolute(value) || existsSync(value) ? value : besideMain
  const read = await readConfig(file, env, 'parsers')
  for (const each of read.problems)
    tree.problems.push(
      each.location === undefined ? problem(each.code, each.message, valueLocation, '') : each,
    )
  expandSections(read, read.sections, env)
  tree.warnings.push(...read.warnings)
  if (read.problems.length > 0) return undefined
  const upstream = read.sections.find(({ name }) => name.toLowerCase() === 'upstream')
  if (upstream === undefined) {
    const message = `${value} has no [UPSTREAM]`
    tree.problems.push(problem('E_CONFIG_BAD_VALUE', message, valueLocation, ''))
    return undefined
  }
  const nodes = read.sections.filter(({ name }) => name.toLowerCase() === 'node')
  upstream.groups.push(...nodes.map((node) => ({ ...node, name: 'NODE' })))
  return { ...upstream, name: 'UPSTREAM' }
}
