import { formatLocation } from '../core/error.ts'
import { MASK, maskValue } from '../core/mask-secrets.ts'
import { MULTILINE_OPTIONS } from '../core/multiline.ts'
import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import { formatValue } from '../core/options/format.ts'
import type { Option, OptionTable } from '../core/options/option.ts'
import { defaultValue, findOption, parseValue } from '../core/options/parse.ts'
import { withoutQuery, withoutUser } from '../core/options/secret-values.ts'
import { SERVICE_OPTIONS } from '../core/options/service.ts'
import type { PluginKind, PluginSpec, Registry } from '../core/plugin.ts'
import { isSecretName, isSecretPath, mayBeSecretName } from '../core/secret-names.ts'
import { type Property, propertyOf, type Section, type Tree } from './config-tree.ts'
import { formatOf } from './format.ts'
import { parseUri, uriProperties, withoutSecrets } from './plugin-uri.ts'
import { type Environment, variablesIn } from './variables.ts'

/** A section with the values that are in force, for people: secrets are masked. */
export interface EffectiveSection {
  section: Section
  /** Name in upper case. */
  name: string
  /** Undefined for a section without a plugin, or with an unknown one. */
  spec: PluginSpec | undefined
  /** True when there is no table that says what the section may contain. */
  isUnknown: boolean
  options: EffectiveOption[]
  /** Sections within the section. */
  groups: EffectiveSection[]
}

export interface EffectiveOption {
  /** As written, or the name in the table for a default. */
  key: string
  /** As it is understood, with secrets masked; what is not understood is as written. */
  value: string
  /** Where the value comes from, e.g. `a.conf:3:5` or `default`. */
  origin: string
  isDefault: boolean
  /** Why the value has no effect. */
  noEffect?: string
  /** True when the sections of the file that it names are among those of the tree. */
  isIncluded?: true
}

const COMMON: Partial<Record<PluginKind, OptionTable>> = {
  input: INPUT_OPTIONS,
  filter: FILTER_OPTIONS,
  output: OUTPUT_OPTIONS,
}

/** Returns the sections of a tree, whose variables are expanded, with all options, those with a default included. */
export async function effectiveSections(
  tree: Tree,
  registry: Registry,
  env: Environment,
): Promise<EffectiveSection[]> {
  const sections = mergedService(tree.sections)
  return Promise.all(sections.map((section) => effectiveSection(section, { tree, registry, env })))
}

interface Source {
  tree: Tree
  registry: Registry
  env: Environment
}

/** Joins the [SERVICE] sections to one, as the plan does. */
function mergedService(sections: readonly Section[]): Section[] {
  const services = sections.filter(({ name }) => name.toUpperCase() === 'SERVICE')
  const [first] = services
  if (first === undefined) return [...sections]
  const service = { ...first, properties: services.flatMap(({ properties }) => properties) }
  return [service, ...sections.filter((section) => !services.includes(section))]
}

async function effectiveSection(section: Section, source: Source): Promise<EffectiveSection> {
  const { spec, tables, properties } = await tablesOf(section, source.registry)
  const given = tables === undefined ? [] : tables
  const firstWins = section.name.toUpperCase() === 'PARSER'
  const options: EffectiveOption[] = []
  for (const property of properties) {
    const table = given.find((one) => findOption(one, property.key) !== undefined)
    const name = table === undefined ? undefined : findOption(table, property.key)
    const option = name === undefined ? undefined : table?.[name]
    const isRepeated =
      name !== undefined && option?.repeat !== true && !isWinner(property, properties, name, given, firstWins)
    options.push(
      given.length === 0 ? asWritten(property, source) : optionOf(property, name, option, isRepeated, source),
    )
  }
  concealSecrets(section, given, options)
  const isGiven = (name: string): boolean =>
    properties.some(({ key }) => given.some((table) => findOption(table, key) === name))
  for (const table of given)
    for (const [name, option] of Object.entries(table))
      if (option.default !== undefined && option.ignored === undefined && !isGiven(name))
        options.push(defaultOf(name, option))
  const groups = await Promise.all(section.groups.map((group) => effectiveSection(group, source)))
  const name = section.name.toUpperCase()
  return { section, name, spec, isUnknown: tables === undefined, options, groups }
}

/** Options whose text names what another option, `value`, belongs to: those of content_modifier and of a rule. */
const OWNER_OF_VALUE = ['key', 'field']

/**
 * Masks the value that belongs to a key or field with a secret name, and options that no table has, if they are misspelt names
 * of secrets.
 */
function concealSecrets(section: Section, tables: readonly OptionTable[], options: EffectiveOption[]): void {
  const ofSecret = OWNER_OF_VALUE.some((owner) => isSecretPath(propertyOf(section, owner)?.value ?? ''))
  for (const option of options) {
    const isKnown = tables.some((table) => findOption(table, option.key) !== undefined)
    const isSecret =
      (ofSecret && option.key.toLowerCase() === 'value') || (!isKnown && mayBeSecretName(option.key))
    if (isSecret && option.value !== '') option.value = MASK
  }
}

/** Returns the option tables of a section; undefined when nobody knows what it may contain. */
async function tablesOf(
  section: Section,
  registry: Registry,
): Promise<{ spec: PluginSpec | undefined; tables: OptionTable[] | undefined; properties: Property[] }> {
  const written = section.name.toLowerCase()
  const kind = written === 'processor' ? 'filter' : written
  const { properties } = section
  if (kind === 'service') return { spec: undefined, tables: [SERVICE_OPTIONS], properties }
  if (kind === 'multiline_parser')
    return { spec: undefined, tables: [{ name: NAME }, MULTILINE_OPTIONS], properties }
  const named = propertyOf(section, kind === 'parser' ? 'format' : 'name')
  const uri = named === undefined || kind === 'parser' ? undefined : parseUri(named.value)
  const isStage = kind === 'input' || kind === 'filter' || kind === 'output' || kind === 'parser'
  const spec =
    !isStage || named === undefined ? undefined : await registry.find(kind, uri?.plugin ?? named.value)
  if (spec === undefined || named === undefined) return { spec, tables: undefined, properties }
  const ofUri = uri === undefined ? [] : uriProperties(uri, named, spec, { problems: [], warnings: [] })
  const head: OptionTable = kind === 'parser' ? { name: NAME, format: NAME } : { name: NAME }
  return {
    spec,
    tables: [head, spec.options, COMMON[spec.kind] ?? {}],
    properties: [...properties, ...ofUri],
  }
}

/** Stands for the options that every section with a plugin has, and no table. */
const NAME: Option = { type: 'string', help: '' }

/** True for the value that counts of those of one option. */
function isWinner(
  property: Property,
  properties: readonly Property[],
  name: string,
  tables: readonly OptionTable[],
  firstWins: boolean,
): boolean {
  const all = properties.filter(({ key }) => tables.some((table) => findOption(table, key) === name))
  return (firstWins || name === 'name' ? all[0] : all.at(-1)) === property
}

function optionOf(
  property: Property,
  name: string | undefined,
  option: Option | undefined,
  isRepeated: boolean,
  source: Source,
): EffectiveOption {
  const { key, value } = property
  if (name === undefined || option === undefined)
    return { ...asWritten(property, source), noEffect: 'it is not an option of this section' }
  const understood = isRepeated || option.named === true ? undefined : parseValue(name, option, value)
  const isClear = understood !== undefined && understood.problem === undefined && value !== ''
  const text =
    name === 'name' ? withoutSecrets(value) : isClear ? formatValue(option, understood.value) : value
  // A number, a switch or a word of a list is no secret, whatever its name.
  const isPlain = option.secret !== true && PLAIN_TYPES.has(option.type)
  const isSecret = option.secret === true || (!isPlain && isSecretName(key)) || hasSecretVariable(property)
  const asksForNothing = isClear && understood.value === defaultValue(name, option)
  const noEffect = isRepeated ? 'it is given again' : asksForNothing ? undefined : option.ignored
  return {
    key,
    value: isSecret && text !== '' ? MASK : isClear && isPlain ? text : shownOf(name, option, text),
    origin: originOf(property, source),
    isDefault: false,
    ...(noEffect === undefined ? {} : { noEffect }),
    ...(name === 'parsers_file' ? { isIncluded: true } : {}),
  }
}

function shownOf(name: string, { hasQuery, secret }: Option, text: string): string {
  const shown = secret === 'user' ? withoutUser(text, MASK) : text
  return maskValue(name, hasQuery === true ? withoutQuery(shown, MASK) : shown)
}

/** Types whose values are numbers or words of a closed list. */
const PLAIN_TYPES: ReadonlySet<Option['type']> = new Set(['bool', 'int', 'double', 'size', 'time', 'enum'])

/** Returns a property of a section of which no table says what it may contain. */
function asWritten(property: Property, source: Source): EffectiveOption {
  const { key, value } = property
  const isSecret = isSecretName(key) || hasSecretVariable(property)
  const text = key.toLowerCase() === 'name' ? withoutSecrets(value) : maskValue(key, value)
  return { key, value: isSecret ? MASK : text, origin: originOf(property, source), isDefault: false }
}

function defaultOf(name: string, option: Option): EffectiveOption {
  const value = option.default ?? ''
  const parsed = parseValue(name, option, value)
  const text = parsed.problem === undefined ? formatValue(option, parsed.value) : value
  return { key: name, value: text, origin: 'default', isDefault: true }
}

function hasSecretVariable({ written = '' }: Property): boolean {
  return variablesIn(written).some(({ name }) => isSecretName(name))
}

/** Returns where a value comes from: its place, and the sources of the variables in it. */
function originOf({ location, valueLocation, written }: Property, { tree, env }: Source): string {
  const place = formatLocation(location.file === valueLocation.file ? location : valueLocation)
  if (written === undefined) return place
  const variables = variablesIn(written).map(({ name, hasDefault }) => {
    if (tree.variables.has(name))
      return `${name} from ${formatOf(tree.file ?? '', '') === 'yaml' ? 'env' : '@SET'}`
    if (env[name] !== undefined && (env[name] !== '' || !hasDefault)) return `${name} from the environment`
    if (name === 'HOSTNAME') return 'HOSTNAME is the name of this machine'
    return hasDefault ? `${name} is not set, its default` : `${name} is not set`
  })
  return [place, ...variables].join(', ')
}
