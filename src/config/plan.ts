import type { ShipperError, SourceLocation } from '../core/error.ts'
import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import type { OptionTable } from '../core/options/option.ts'
import { parseOptions } from '../core/options/parse.ts'
import { SERVICE_OPTIONS } from '../core/options/service.ts'
import type { FilterPlan, InputPlan, OutputPlan, Plan } from '../core/plan.ts'
import type { PluginSpec, Registry } from '../core/plugin.ts'
import { checkExpression } from '../lib/regex/string-matcher.ts'
import { didYouMean, nearest } from '../lib/text/did-you-mean.ts'
import {
  COMMAND_LINE,
  type Diagnostics,
  type Property,
  problem,
  propertyOf,
  type Section,
  sortByLocation,
  type Tree,
  warn,
} from './config-tree.ts'
import type { StageKind } from './flags.ts'
import { InstanceNames } from './instance-names.ts'
import { MultilinePlanner } from './multiline-parsers.ts'
import { COMMENT, locationsOf, readOptions } from './options.ts'
import { ParserPlanner, wordsOf } from './parsers.ts'
import { parseUri, uriProperties, withoutSecrets } from './plugin-uri.ts'
import { checkLoops, checkMatches } from './route-check.ts'

interface PlanOptions {
  registry: Registry
  /** True to check also what is not used; for --dry-run. */
  checkUnused?: boolean
}

export interface PlanResult extends Diagnostics {
  /** The plan, or undefined when there are problems. */
  plan: Plan | undefined
  /** The stages that are valid by themselves, for further checks in spite of problems of others. Not to be run. */
  validPart: Plan
}

type Sections = Record<StageKind | 'service' | 'parser' | 'multiline_parser', Section[]>

const COMMON: Record<StageKind, OptionTable> = {
  input: INPUT_OPTIONS,
  filter: FILTER_OPTIONS,
  output: OUTPUT_OPTIONS,
}
const FLAG: Record<StageKind, string> = { input: '-i', filter: '-F', output: '-o' }
const SECTIONS = ['SERVICE', 'INPUT', 'FILTER', 'OUTPUT', 'PARSER', 'MULTILINE_PARSER']
/** Errors after which sections may be missing from the tree, so that their absence is not reported. */
const SECTIONS_UNCERTAIN_AFTER = new Set([
  'E_CONFIG_UNREADABLE',
  'E_CONFIG_SYNTAX',
  'E_CONFIG_UNKNOWN_SECTION',
])
/** Options that name a parser. */
const PARSER_OPTIONS = ['parser', 'merge_parser', 'regex_parser']
/** Parsed name of the option that lets pods name any parser. */
const ANY_PARSER_OPTION = 'k8s-loggingParser'
/** Sections of fluent-bit without effect here, with the reason; their contents are not checked. */
const IGNORED_SECTIONS: Record<string, string> = { plugins: 'all plugins are built in' }

/**
 * Checks a tree, whose variables are expanded, against the option tables of the plugins that it names. Checking continues
 * after a problem: the result has all of them, in the order of the files.
 */
export async function buildPlan(tree: Tree, options: PlanOptions): Promise<PlanResult> {
  const planner = new Planner(tree, options)
  const plan = await planner.build()
  const { problems, warnings } = planner
  return {
    plan: problems.length === 0 ? plan : undefined,
    validPart: planner.validPartOf(plan),
    problems: sortByLocation(problems),
    warnings,
  }
}

class Planner implements Diagnostics {
  readonly problems: ShipperError[]
  readonly warnings: string[]
  readonly #tree: Tree
  readonly #registry: Registry
  readonly #checkUnused: boolean
  readonly #names = new InstanceNames()
  /** Stages and service options with problems. */
  readonly #invalid = new Set<unknown>()
  /** Entries that name parsers, which are looked up after all sections have been read. */
  readonly #parserNames: { property: Property; label: string; stage?: unknown }[] = []
  readonly #multilineNames: { property: Property; label: string; stage: unknown }[] = []

  constructor(tree: Tree, { registry, checkUnused = false }: PlanOptions) {
    this.#tree = tree
    this.problems = [...tree.problems]
    this.warnings = [...tree.warnings]
    this.#registry = registry
    this.#checkUnused = checkUnused
  }

  async build(): Promise<Plan> {
    const sections = this.#sectionsByKind()
    const plan: Plan = {
      service: this.#service(sections.service),
      inputs: await this.#stages<InputPlan>('input', sections.input),
      filters: await this.#stages<FilterPlan>('filter', sections.filter),
      outputs: await this.#stages<OutputPlan>('output', sections.output),
      parsers: [],
      multilines: [],
      warnings: this.warnings,
    }
    const used = wordsOf([...sections.input, ...sections.filter, ...sections.multiline_parser])
    plan.multilines = this.#multilines(
      sections.multiline_parser,
      wordsOf([...sections.input, ...sections.filter]),
    )
    const parsers = new ParserPlanner(this.#registry, this, used, this.#checkUnused)
    for (const section of sections.parser) await parsers.add(section)
    for (const { property, label, stage } of this.#parserNames) {
      await parsers.require(property, label)
      if (!parsers.plans.some(({ name }) => name === property.value)) this.#invalid.add(stage)
    }
    if (plan.filters.some(({ options }) => (options as Record<string, unknown>)[ANY_PARSER_OPTION] === true))
      await parsers.addUnlisted()
    plan.parsers = parsers.plans
    const complete = !this.problems.some(({ code }) => SECTIONS_UNCERTAIN_AFTER.has(code))
    if (complete && sections.input.length === 0) {
      this.#problem('E_CONFIG_NO_INPUT', 'there is no input', undefined)
    }
    if (complete && sections.output.length === 0) {
      this.#problem('E_CONFIG_NO_OUTPUT', 'there is no output', undefined)
    }
    if (this.problems.length === 0) {
      checkMatches(plan.inputs, [...plan.filters, ...plan.outputs], this)
      checkLoops(plan.inputs, plan.outputs, this)
    }
    return plan
  }

  validPartOf(plan: Plan): Plan {
    const isValid = (stage: unknown): boolean => !this.#invalid.has(stage)
    return {
      ...plan,
      service: isValid(plan.service) ? plan.service : parseOptions(SERVICE_OPTIONS, {}),
      inputs: plan.inputs.filter(isValid),
      filters: plan.filters.filter(isValid),
      outputs: plan.outputs.filter(isValid),
    }
  }

  #multilines(sections: Section[], used: ReadonlySet<string>): Plan['multilines'] {
    const planner = new MultilinePlanner(this, used)
    for (const section of sections) {
      const property = planner.add(section)
      if (property !== undefined) this.#parserNames.push({ property, label: 'multiline_parser' })
    }
    for (const { property, label, stage } of this.#multilineNames)
      if (!planner.require(property, label)) this.#invalid.add(stage)
    return planner.plans
  }

  #sectionsByKind(): Sections {
    const found: Record<string, Section[]> = Object.fromEntries(SECTIONS.map((s) => [s.toLowerCase(), []]))
    for (const section of this.#tree.sections) {
      const kind = section.name.toLowerCase()
      if (IGNORED_SECTIONS[kind] !== undefined) {
        warn(this, `section [${section.name}] has no effect: ${IGNORED_SECTIONS[kind]}`, section.location)
      } else if (section.origin === 'parsers' && !kind.endsWith('parser')) {
        warn(this, `section [${section.name}] has no effect in a parsers file`, section.location)
      } else if (found[kind] === undefined) {
        this.#unknownSection(section)
      } else found[kind].push(section)
      this.#groups(section)
    }
    return found as unknown as Sections
  }

  /** Reports an unknown section. fluent-bit ignores it silently; here a name that looks like a typo is a problem. */
  #unknownSection({ name, location }: Section): void {
    const near = didYouMean(name, SECTIONS)
    if (near === '') warn(this, `unknown section [${name}]: it has no effect`, location)
    else this.#problem('E_CONFIG_UNKNOWN_SECTION', `unknown section [${name}]${near}`, location, '')
  }

  #groups(section: Section): void {
    for (const { name, location } of section.groups) {
      const known = SECTIONS.includes(name.toUpperCase())
      const what = known ? 'must begin in column 1' : `is not allowed within [${section.name}]`
      this.#problem('E_CONFIG_UNKNOWN_SECTION', `section [${name}] ${what}`, location, '')
    }
  }

  /** Merges all [SERVICE] sections; flags follow the file and so take precedence. */
  #service(sections: Section[]): Plan['service'] {
    const properties = sections.flatMap((section) => section.properties)
    const location = sections[0]?.location ?? { file: COMMAND_LINE }
    const context = { label: 'service', location, list: 'shipper -h', lenient: 'dissimilar' as const }
    const before = this.problems.length
    const [service] = readOptions(properties, [SERVICE_OPTIONS], context, this)
    if (this.problems.length > before) this.#invalid.add(service)
    return service as unknown as Plan['service']
  }

  async #stages<P>(kind: StageKind, sections: Section[]): Promise<P[]> {
    const plans: P[] = []
    for (const section of sections) {
      const plan = await this.#stage(kind, section)
      if (plan !== undefined) plans.push(plan as P)
    }
    return plans
  }

  async #stage(kind: StageKind, section: Section): Promise<unknown> {
    const name = propertyOf(section, 'name')
    if (name === undefined || name.value === '') {
      this.#nameMissing(kind, section)
      return undefined
    }
    for (const other of section.properties)
      if (other !== name && other.key.toLowerCase() === 'name')
        warn(this, `"name" is already set to ${name.value} above: this value is ignored`, other.location)
    const uri = parseUri(name.value)
    const plugin = uri?.plugin ?? name.value
    const spec = await this.#registry.find(kind, plugin)
    if (spec === undefined) return this.#unknownPlugin(kind, plugin, name)
    const before = this.problems.length
    const properties = section.properties.filter((property) => property.key.toLowerCase() !== 'name')
    if (uri !== undefined) properties.unshift(...uriProperties(uri, name, spec.options, this))
    const context = {
      label: spec.name,
      location: section.location,
      list: `shipper ${FLAG[kind]} ${spec.name} -h`,
    }
    const [options, common = {}] = readOptions(properties, [spec.options, COMMON[kind]], context, this)
    this.#checkMatchRegex(spec.name, properties)
    if (kind !== 'input' && section.origin === 'flags' && common.matchRegex === undefined)
      common.match ??= '*'
    const alias = properties.findLast(({ key }) => key.toLowerCase() === 'alias')
    const { name: instance, numbered, logName } = this.#names.next(kind, spec.name, alias, this)
    const stage = {
      spec,
      name: instance,
      logName,
      options,
      common,
      location: section.location,
      optionLocations: locationsOf(properties, { ...COMMON[kind], ...spec.options }),
    }
    const plan = kind === 'input' ? { ...stage, tag: common.tag ?? numbered } : stage
    if (this.problems.length > before) this.#invalid.add(plan)
    this.#recordParsers(properties, spec, plan)
    return plan
  }

  #checkMatchRegex(name: string, properties: readonly Property[]): void {
    const property = properties.findLast(({ key }) => key.toLowerCase() === 'match_regex')
    const invalid = property === undefined ? undefined : checkExpression(property.value)
    if (property === undefined || invalid === undefined) return
    const message = `[${name}] "match_regex" must be ${invalid.must}, not "${property.value}": ${invalid.reason}`
    this.#problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, invalid.hint ?? '')
  }

  #nameMissing(kind: StageKind, { properties, location }: Section): void {
    const near = nearest(
      'name',
      properties.map(({ key }) => key),
    )
    const typo = properties.find(({ key }) => key === near)
    const message = `[${kind}] required option "name" is missing`
    const hint =
      typo === undefined
        ? '`shipper plugins` lists the names'
        : `is "${typo.key} ${typo.value}" meant to be the name?`
    this.#problem('E_CONFIG_MISSING_OPTION', message, typo?.location ?? location, hint)
  }

  /** Records the parsers that the properties name, to check that they exist when all sections have been read. */
  #recordParsers(properties: readonly Property[], spec: PluginSpec, stage: unknown): void {
    for (const property of properties) {
      const key = property.key.toLowerCase()
      if (PARSER_OPTIONS.includes(key) && Object.hasOwn(spec.options, key) && spec.kind !== 'output') {
        this.#parserNames.push({ property, label: spec.name, stage })
      }
      if (key === 'multiline.parser' && Object.hasOwn(spec.options, key))
        this.#multilineNames.push({ property, label: spec.name, stage })
    }
  }

  #unknownPlugin(kind: StageKind, plugin: string, name: Property): undefined {
    const others = (['input', 'filter', 'output'] as const).filter((other) =>
      this.#registry.names(other).includes(plugin.toLowerCase()),
    )
    const near = didYouMean(plugin, this.#registry.names(kind))
    const elsewhere = others.length > 0 ? ` (there is an ${others.join(' and an ')} of this name)` : ''
    const message = `unknown ${kind} "${withoutSecrets(plugin)}"${near === '' ? elsewhere : near}`
    const list = near === '' ? '`shipper plugins` lists them' : ''
    const hint = COMMENT.test(plugin) ? 'a comment needs a line of its own' : list
    this.#problem('E_CONFIG_UNKNOWN_PLUGIN', message, name.valueLocation, hint)
  }

  #problem(
    code: ShipperError['code'],
    message: string,
    location: SourceLocation | undefined,
    hint?: string,
  ): void {
    this.problems.push(problem(code, message, location, hint))
  }
}
