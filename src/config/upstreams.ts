import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { type Property, problem, propertyOf, type Section, type Tree } from './config-tree.ts'
import { readConfig } from './files.ts'
import { type Environment, expandSections } from './variables.ts'

/** Options of an output that a [NODE] sets, by the names that they have in both. */
const NODE_OPTIONS = ['host', 'port', 'tls', 'shared_key', 'username', 'password']

/**
 * Reads the file of each `Upstream FILE` of an output: one [UPSTREAM] with its [NODE] sections. Adds it to the tree as an UPSTREAM
 * section with NODE groups. The options of the only node become those of the output; several nodes are a problem.
 */
export async function readUpstreams(
  tree: Tree,
  mainFile: string | undefined,
  env: Environment,
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
    if (node === undefined) {
      const message = `${property.value} has no [NODE]`
      tree.problems.push(problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, ''))
    } else if (others.length === 0) output.properties.push(...optionsOf(node))
    else {
      const names = upstream.groups.map((group) => propertyOf(group, 'name')?.value ?? '?')
      const message = `several nodes are not supported yet, and ${property.value} has ${names.length}: ${names.join(', ')}`
      const hint =
        'give Host and Port of one of them instead of Upstream, or a name that resolves to all of them'
      tree.problems.push(problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, hint))
    }
  }
}

function optionsOf(node: Section): Property[] {
  return node.properties.filter(({ key }) => {
    const name = key.toLowerCase()
    return NODE_OPTIONS.includes(name) || name.startsWith('tls.')
  })
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
