import type { ShipperError, SourceLocation } from '../core/error.ts'
import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import type { OptionTable } from '../core/options/option.ts'
import { parseOptions } from '../core/options/parse.ts'
import { SERVICE_OPTIONS } from '../core/options/service.ts'
import { type FilterPlan, filtersOf, type InputPlan, type OutputPlan, type Plan } from '../core/plan.ts'
import type { PluginSpec, Registry } from '../core/plugin.ts'
import { checkExpression } from '../lib/regex/string-matcher.ts'
import { didYouMean, nearest } from '../lib/text/did-you-mean.ts'
import { mayHaveBuffer } from './buffer-options.ts'
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
import { type MissingPlugin, MissingPlugins, namesOfPeers, outputMeant } from './missing-plugins.ts'
import { MultilinePlanner } from './multiline-parsers.ts'
import { isPassedOver, OptionOwners } from './option-owners.ts'
import { COMMENT, locationsOf, readOptions } from './options.ts'
import { ParserPlanner, wordsOf } from './parsers.ts'
import { parseUri, uriProperties, withoutSecrets } from './plugin-uri.ts'
import type { GroupOwner, GroupPlanner } from './processors.ts'
import {
  checkLogFile,
  checkLoops,
  checkMatches,
  connectWithoutMatch,
  metricsTagsOf,
  withoutMissingOutputs,
} from './route-check.ts'
import { maskedProblem, maskOf } from './secret-values.ts'
import { sectionsByKind } from './sections.ts'

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
  /** The valid part with the valid processors of stages that are not in it, as filters without a match. Not to be run. */
  checkable: Plan
  /** Plugins that sections name and that are not there, for a summary; each has a problem. */
  missing: MissingPlugin[]
  /** Masks the values of secret variables in a text for people. */
  mask: (text: string) => string
}

const COMMON: Record<StageKind, OptionTable> = {
  input: INPUT_OPTIONS,
  filter: FILTER_OPTIONS,
  output: OUTPUT_OPTIONS,
}
const GROUPS: Record<StageKind, readonly string[]> = {
  input: ['processors', 'routes'],
  filter: [],
  output: ['processors'],
}
const FLAG: Record<StageKind, string> = { input: '-i', filter: '-F', output: '-o' }
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

/**
 * Checks a tree, whose variables are expanded, against the option tables of the plugins that it names. Checking continues
 * after a problem: the result has all of them, in the order of the files.
 */
export async function buildPlan(tree: Tree, options: PlanOptions): Promise<PlanResult> {
  let planner = new Planner(tree, options)
  let plan = await planner.build()
  if (
    planner.problems.some(({ code }) => code === 'E_CONFIG_UNKNOWN_OPTION') &&
    options.checkUnused !== true
  ) {
    // The message names all plugins that have the option, which only a mistake is worth loading.
    planner = new Planner(tree, options, true)
    plan = await planner.build()
  }
  const { problems, warnings } = await folded(planner, tree)
  plan.warnings = warnings
  return {
    plan: problems.length === 0 ? plan : undefined,
    validPart: planner.validPartOf(plan),
    checkable: planner.checkablePartOf(plan),
    problems,
    warnings,
    ...(tree.notes === undefined ? {} : { notes: tree.notes }),
    missing: planner.missing.all,
    mask: maskOf(tree.secrets ?? NONE),
  }
}

/** Returns messages sorted, and those that say the same as one, without the values of secret variables. */
async function folded(
  { problems, warnings }: Diagnostics,
  { secrets = NONE }: Pick<Tree, 'secrets'>,
): Promise<Diagnostics> {
  if (problems.length + warnings.length === 0) return { problems, warnings }
  const { foldProblems, foldWarnings } = await import('./repeated-messages.ts')
  const mask = maskOf(secrets)
  return {
    problems: foldProblems(sortByLocation(problems)).map((one) => maskedProblem(one, mask)),
    warnings: foldWarnings(warnings).map(mask),
  }
}

const NONE = new Set<string>()

class Planner implements Diagnostics {
  readonly problems: ShipperError[]
  readonly warnings: string[]
  readonly missing = new MissingPlugins()
  readonly #tree: Tree
  readonly #registry: Registry
  readonly #checkUnused: boolean
  readonly #names = new InstanceNames()
  /** Plans by the sections that they are made from. */
  readonly #planOf = new Map<Section, unknown>()
  readonly #owners: OptionOwners
  /** Stages and service options with problems. */
  readonly #invalid = new Set<unknown>()
  /** Entries that name parsers, which are looked up after all sections have been read. */
  readonly #parserNames: { property: Property; label: string; stage?: unknown }[] = []
  /** Plans processors and routes; loaded for the first section that has groups. */
  #groupPlanner: GroupPlanner | undefined
  /** Number of problems of the filters of processors. */
  #processorProblems = 0
  readonly #multilineNames: { property: Property; label: string; stage: unknown }[] = []

  constructor(tree: Tree, { registry, checkUnused = false }: PlanOptions, loadsAll = checkUnused) {
    this.#tree = tree
    this.problems = [...tree.problems]
    this.warnings = [...tree.warnings]
    this.#registry = registry
    this.#checkUnused = checkUnused
    this.#owners = new OptionOwners(registry, loadsAll)
    for (const { location, ...plugin } of tree.missing ?? [])
      this.missing.addPlugin({ ...plugin, places: [location] })
  }

  async build(): Promise<Plan> {
    const sections = sectionsByKind(this.#tree, this)
    await this.#owners.add(sections)
    const plan: Plan = {
      service: this.#service(sections.service),
      inputs: await this.#stages<InputPlan>('input', sections.input),
      filters: await this.#stages<FilterPlan>('filter', sections.filter),
      outputs: await this.#stages<OutputPlan>('output', sections.output),
      parsers: [],
      multilines: [],
      warnings: this.warnings,
      ...(this.#tree.file !== undefined && { configFile: this.#tree.file }),
    }
    this.#groupPlanner?.connect(plan.outputs, sections.output)
    const stages = [...sections.input, ...sections.filter, ...sections.output.flatMap(({ groups }) => groups)]
    const used = wordsOf([...stages, ...sections.multiline_parser])
    plan.multilines = this.#multilines(sections.multiline_parser, wordsOf(stages))
    const parsers = new ParserPlanner(this.#registry, this, used, this.#checkUnused)
    for (const section of sections.parser) await parsers.add(section)
    for (const { property, label, stage } of this.#parserNames) {
      await parsers.require(property, label)
      if (!parsers.plans.some(({ name }) => name === property.value)) this.#invalid.add(stage)
    }
    for (const input of plan.inputs.filter((one) => !this.#invalid.has(one)))
      await parsers.addDefaults(input.spec.defaultParsers?.(input.options as never) ?? [])
    const processors = [...plan.inputs, ...plan.outputs].flatMap((stage) => stage.processors ?? [])
    const filters = [...plan.filters, ...processors]
    if (filters.some(({ options }) => (options as Record<string, unknown>)[ANY_PARSER_OPTION] === true))
      await parsers.addUnlisted()
    plan.parsers = parsers.plans
    this.problems.push(...this.missing.problems())
    const { routing, missing = [] } = this.#tree
    const complete =
      missing.length === 0 && !this.problems.some(({ code }) => SECTIONS_UNCERTAIN_AFTER.has(code))
    if (complete) this.#checkEnds(sections.input.length > 0, sections.output.length > 0)
    if (routing !== undefined) {
      const { orderedRouting, reachesInOrder } = await import('./ordered-routing.ts')
      plan.routing = orderedRouting(routing, this.#planOf)
      if (this.problems.length === 0)
        checkLoops(plan.inputs, plan.outputs, this, reachesInOrder(plan.routing))
    } else if (complete) connectWithoutMatch(plan, sections.output.length, this)
    let newTags: string[] = []
    if (this.problems.length === 0 && filters.some(({ spec }) => spec.newTags !== undefined)) {
      const { checkNewTags, newTagsOf } = await import('./new-tags.ts')
      checkNewTags(plan, this)
      newTags = newTagsOf(plan)
    }
    if (this.problems.length === 0 && routing === undefined) {
      checkMatches(plan.inputs, [...plan.filters, ...plan.outputs], this, newTags, metricsTagsOf(plan))
      checkLoops(plan.inputs, plan.outputs, this)
      if (filtersOf(plan).some(({ spec }) => spec.delaysBy !== undefined)) {
        const { checkDelays } = await import('./delay-check.ts')
        checkDelays(plan, this)
      }
    }
    if (this.problems.length === 0) checkLogFile(plan, this)
    if (complete) await this.#addBuffer(plan, sections.service)
    return plan
  }

  /** Adds what the storage options say. */
  async #addBuffer(plan: Plan, sections: readonly Section[]): Promise<void> {
    const properties = sections.flatMap((section) => section.properties)
    const locations = locationsOf(properties, [SERVICE_OPTIONS])
    if (!mayHaveBuffer(plan, locations)) return
    const { bufferPlan } = await import('./buffer.ts')
    const section = sections[0]?.location ?? { file: this.#tree.file ?? COMMAND_LINE }
    const buffer = bufferPlan(plan, locations, section, this)
    if (buffer !== undefined) plan.buffer = buffer
  }

  /**
   * Reports that there is no input or no output. An agent with a configuration file starts all the same, as fluent-bit does: the
   * rest may be added to the file later. On a command line it is a mistake.
   */
  #checkEnds(hasInput: boolean, hasOutput: boolean): void {
    const { file } = this.#tree
    if (file === undefined) {
      if (!hasInput) this.#problem('E_CONFIG_NO_INPUT', 'there is no input', undefined)
      if (!hasOutput) this.#problem('E_CONFIG_NO_OUTPUT', 'there is no output', undefined)
    } else if (!hasInput && !hasOutput)
      warn(this, 'there is no input and no output: nothing is read or sent', { file })
    else if (!hasOutput) warn(this, 'there is no output: nothing is read until one is configured', { file })
    else if (!hasInput) warn(this, 'there is no input: nothing is sent until one is configured', { file })
  }

  validPartOf(plan: Plan): Plan {
    const isValid = (stage: unknown): boolean => !this.#invalid.has(stage)
    // The valid processors of a stage are kept, so that all of them are checked.
    const withProcessors = <S extends GroupOwner>(stage: S): S => {
      const processors = stage.processors?.filter(isValid) ?? []
      return processors.length === (stage.processors?.length ?? 0) ? stage : { ...stage, processors }
    }
    const outputs = plan.outputs.filter(isValid).map(withProcessors)
    const inputs = plan.inputs.filter(isValid).map(withProcessors)
    return {
      ...plan,
      service: isValid(plan.service) ? plan.service : parseOptions(SERVICE_OPTIONS, {}),
      inputs: withoutMissingOutputs(inputs, outputs),
      filters: plan.filters.filter(isValid),
      outputs,
    }
  }

  checkablePartOf(plan: Plan): Plan {
    const part = this.validPartOf(plan)
    const invalid = [...plan.inputs, ...plan.outputs].filter((stage) => this.#invalid.has(stage))
    const processors = invalid.flatMap((stage) => stage.processors ?? [])
    return { ...part, filters: [...part.filters, ...processors.filter((each) => !this.#invalid.has(each))] }
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

  /** Merges all [SERVICE] sections; flags follow the file and so take precedence. */
  #service(sections: Section[]): Plan['service'] {
    const properties = sections.flatMap((section) => section.properties)
    const location = sections[0]?.location ?? { file: COMMAND_LINE }
    const ownerOf = (key: string, value: string): string | undefined => this.#owners.of(key, value)
    const context = { label: 'service', location, list: 'shipper -h', isLenient: true, ownerOf }
    const before = this.problems.length
    const [service] = readOptions(properties, [SERVICE_OPTIONS], context, this)
    if (this.problems.length > before) this.#invalid.add(service)
    return service as unknown as Plan['service']
  }

  async #stages<P>(kind: StageKind, sections: Section[]): Promise<P[]> {
    const plans: P[] = []
    for (const section of sections) {
      const plan = await this.#stage(kind, section)
      if (plan === undefined) continue
      plans.push(plan as P)
      this.#planOf.set(section, plan)
    }
    return plans
  }

  /** Plans a stage, or the filter of a processor of the stage `owner`. */
  async #stage(kind: StageKind, section: Section, owner?: string): Promise<unknown> {
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
    if (spec === undefined) {
      // Processors and routes are checked all the same, so that all that is missing is reported at once.
      const missing = { name: plugin, spec: { kind } } as unknown as GroupOwner
      if (kind !== 'filter') await this.#planGroups(section, missing)
      return this.#unknownPlugin(kind, plugin, name)
    }
    const before = this.problems.length
    const properties = section.properties.filter((property) => property.key.toLowerCase() !== 'name')
    if (uri !== undefined) properties.unshift(...uriProperties(uri, name, spec, this))
    const context = {
      label: spec.name,
      location: section.location,
      list: `shipper ${FLAG[kind]} ${spec.name} -h`,
      ownerOf: (key: string, value: string) => this.#owners.of(key, value, kind),
      isPassedOver: (key: string, value: string) => isPassedOver(kind, key, value),
      repeatedIsError: true,
      groups: GROUPS[kind],
      ...(spec.kind === 'output' && spec.passesOn !== undefined ? { passesOn: spec.passesOn } : {}),
    }
    const [options, common = {}] = readOptions(properties, [spec.options, COMMON[kind]], context, this)
    this.#checkMatchRegex(spec.name, properties)
    if (kind !== 'input' && section.origin === 'flags' && common.matchRegex === undefined)
      common.match ??= '*'
    const alias = properties.findLast(({ key }) => key.toLowerCase() === 'alias')
    const {
      name: instance,
      numbered,
      logName,
    } = this.#names.next(kind, owner === undefined ? spec.name : `${owner}/${spec.name}`, alias, this)
    const stage = {
      spec,
      name: instance,
      logName,
      options,
      common,
      location: section.location,
      optionLocations: locationsOf(properties, [spec.options, COMMON[kind]]),
    }
    const label = section.label === undefined ? {} : { label: section.label }
    const plan = kind === 'input' ? { ...stage, tag: common.tag ?? numbered, ...label } : stage
    const isValid = this.problems.length === before
    const groupsValid = kind === 'filter' || (await this.#planGroups(section, plan as unknown as GroupOwner))
    if (!isValid || !groupsValid) this.#invalid.add(plan)
    this.#recordParsers(properties, spec, plan)
    return plan
  }

  /** Plans processors and routes; returns false when there are problems besides those of the filters of processors. */
  async #planGroups(section: Section, owner: GroupOwner): Promise<boolean> {
    if (section.groups.length === 0) return true
    const { GroupPlanner } = await import('./processors.ts')
    this.#groupPlanner ??= new GroupPlanner(
      this,
      { registry: this.#registry, missing: this.missing },
      (filter, name) => this.#processor(filter, name),
    )
    const before = this.problems.length - this.#processorProblems
    await this.#groupPlanner.add(section, owner)
    return this.problems.length - this.#processorProblems === before
  }

  async #processor(section: Section, owner: string): Promise<FilterPlan | undefined> {
    const before = this.problems.length
    const plan = await this.#stage('filter', section, owner)
    this.#processorProblems += this.problems.length - before
    return plan as FilterPlan | undefined
  }

  #checkMatchRegex(name: string, properties: readonly Property[]): void {
    const property = properties.findLast(({ key }) => key.toLowerCase() === 'match_regex')
    const invalid = property === undefined ? undefined : checkExpression(property.value)
    if (property === undefined || invalid === undefined) return
    const message = `[${name}] "${property.key}" must be ${invalid.must}, not "${property.value}": ${invalid.reason}`
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

  async #unknownPlugin(kind: StageKind, plugin: string, name: Property): Promise<undefined> {
    if (await this.missing.add(kind, plugin, name.valueLocation)) return
    const others = (['input', 'filter', 'output'] as const).filter((other) =>
      this.#registry.names(other).includes(plugin.toLowerCase()),
    )
    const near =
      (await outputMeant(kind, plugin)) ||
      didYouMean(plugin, await namesOfPeers(kind, this.#registry.names(kind)))
    const elsewhere = others.length > 0 ? ` (there is an ${others.join(' and an ')} of this name)` : ''
    const message = `unknown ${kind} "${withoutSecrets(plugin)}"${near === '' ? elsewhere : near}`
    const list = near === '' ? '`shipper plugins` lists them' : ''
    const hint = COMMENT.test(plugin)
      ? 'a comment needs a line of its own'
      : kind === 'output' && plugin.toLowerCase() === 'https'
        ? 'the output is http, and the option tls=on makes it use TLS'
        : kind === 'output' && plugin.toLowerCase() === 'logstash'
          ? 'use the output http for the http input of Logstash, or tcp with Format json_lines for its tcp input'
          : list
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
