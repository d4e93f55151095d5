import { MULTILINE_OPTIONS } from '../../core/multiline.ts'
import { parseValue } from '../../core/options/parse.ts'
import type { Property, Section, Tree } from '../config-tree.ts'
import { lostAt, sectionsNamed, type WrittenTree, writtenValue } from '../written-tree.ts'
import { Document, Pair, Scalar, YAMLMap, YAMLSeq } from './package.ts'

type Node = Scalar | YAMLMap | YAMLSeq

const STAGES = [
  ['inputs', 'INPUT'],
  ['filters', 'FILTER'],
  ['outputs', 'OUTPUT'],
] as const
const LISTS = [
  ['parsers', 'PARSER'],
  ['multiline_parsers', 'MULTILINE_PARSER'],
  ['upstream_servers', 'UPSTREAM'],
] as const
const KNOWN = ['SERVICE', 'TEST', ...STAGES.map(([, name]) => name), ...LISTS.map(([, name]) => name)]
const LINES = ['line', 'record']
const EXPECTATIONS = ['expect', 'contains']
const WHOLE_NUMBER = /^(?:0|-?[1-9]\d{0,14})$/

/** Writes a tree in YAML format, variables as they were written. */
export function writeYaml(tree: Tree): WrittenTree {
  const root = new YAMLMap()
  if (tree.variables.size > 0)
    put(root, 'env', mapOf([...tree.variables].map(([name, value]) => [name, scalar(value)])))
  const services = sectionsNamed(tree, 'SERVICE')
  if (services.length > 0)
    put(root, 'service', propertiesMap(services.flatMap(({ properties }) => properties)))
  for (const [key, name] of LISTS) putList(root, key, sectionsNamed(tree, name))
  const pipeline = new YAMLMap()
  for (const [key, name] of STAGES) putList(pipeline, key, sectionsNamed(tree, name))
  if (pipeline.items.length > 0) put(root, 'pipeline', pipeline)
  putList(root, 'tests', sectionsNamed(tree, 'TEST'))
  const others = tree.sections.filter(({ name }) => !KNOWN.includes(name.toUpperCase()))
  const document = new Document(root)
  return {
    text:
      root.items.length === 0 ? '' : document.toString({ lineWidth: 0, singleQuote: true, indentSeq: true }),
    lost: others.map((section) => lostAt(section, `[${section.name}]: it has no place in YAML`)),
  }
}

function putList(map: YAMLMap, key: string, sections: readonly Section[]): void {
  if (sections.length > 0) put(map, key, listOf(sections.map(sectionMap)))
}

function sectionMap(section: Section): YAMLMap {
  const name = section.name.toUpperCase()
  const rules = name === 'MULTILINE_PARSER' ? section.properties.filter(isRule) : []
  const own = name === 'TEST' ? linesFirst(section.properties) : section.properties
  const map = propertiesMap(own.filter((property) => !rules.includes(property)))
  if (rules.length > 0) put(map, 'rules', listOf(rules.map(ruleNode)))
  const groups = Map.groupBy(section.groups, ({ name }) => name.toUpperCase())
  for (const [name, ofName] of groups) putGroups(map, name, ofName)
  return map
}

/** Writes the groups of one name as YAML has them; those of tests by their names. */
function putGroups(map: YAMLMap, name: string, groups: readonly Section[]): void {
  const [first] = groups
  if (name === 'PROCESSOR') put(map, 'processors', mapOf([['logs', listOf(groups.map(sectionMap))]]))
  else if (name === 'ROUTE') put(map, 'routes', mapOf([['logs', listOf(groups.map(routeMap))]]))
  else if (name === 'NODE') put(map, 'nodes', listOf(groups.map(sectionMap)))
  else if (name === 'RULE') put(map, 'rules', listOf(groups.map(sectionMap)))
  else if (first !== undefined)
    put(
      map,
      name === 'CONDITION' ? 'condition' : first.name,
      groups.length === 1 ? sectionMap(first) : listOf(groups.map(sectionMap)),
    )
}

function routeMap(route: Section): YAMLMap {
  const isTarget = ({ key }: Property): boolean => key.toLowerCase() === 'outputs'
  const map = sectionMap({ ...route, properties: route.properties.filter((property) => !isTarget(property)) })
  const targets = route.properties.filter(isTarget).map((property) => scalar(writtenValue(property)))
  put(map, 'to', mapOf([['outputs', listOf(targets)]]))
  return map
}

/**
 * Writes properties as a map. Neighbors with one key are a list. A key that comes again after others is there twice, as the
 * order of options of different names may matter.
 */
function propertiesMap(properties: readonly Property[]): YAMLMap {
  const map = new YAMLMap()
  for (let i = 0; i < properties.length; ) {
    const key = (properties[i] as Property).key.toLowerCase()
    const values: Scalar[] = []
    for (; properties[i]?.key.toLowerCase() === key; i++)
      values.push(scalar(writtenValue(properties[i] as Property)))
    put(map, key, values.length === 1 ? (values[0] as Scalar) : listOf(values))
  }
  return map
}

/** Puts the lines of a test before what is expected of them: their order is that among themselves. */
function linesFirst(properties: readonly Property[]): Property[] {
  const rank = ({ key }: Property): number => {
    const name = key.toLowerCase()
    return LINES.includes(name) ? 1 : EXPECTATIONS.includes(name) ? 2 : 0
  }
  return [...properties].sort((a, b) => rank(a) - rank(b))
}

function isRule({ key }: Property): boolean {
  return key.toLowerCase() === 'rule'
}

function ruleNode(property: Property): Node {
  const value = writtenValue(property)
  const parsed = parseValue('rule', MULTILINE_OPTIONS.rule, value)
  if (parsed.problem !== undefined || !Array.isArray(parsed.value)) return scalar(value)
  const [state = '', regex = '', next = ''] = parsed.value as string[]
  const pairs: [string, Node][] = [
    ['state', scalar(state)],
    ['regex', scalar(regex)],
  ]
  return mapOf(next === '' ? pairs : [...pairs, ['next_state', scalar(next)]])
}

/** Returns a text that is read as it is: a whole number, `true` and `false` are written without quotes. */
function scalar(text: string): Scalar {
  if (WHOLE_NUMBER.test(text)) return new Scalar(Number(text))
  return new Scalar(text === 'true' ? true : text === 'false' ? false : text)
}

function mapOf(pairs: readonly (readonly [string, Node])[]): YAMLMap {
  const map = new YAMLMap()
  for (const [key, node] of pairs) put(map, key, node)
  return map
}

function listOf(nodes: readonly Node[]): YAMLSeq {
  const list = new YAMLSeq()
  list.items.push(...nodes)
  return list
}

function put(map: YAMLMap, key: string, node: Node): void {
  map.items.push(new Pair(new Scalar(key), node))
}
