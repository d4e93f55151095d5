import type { ShipperError } from '../core/error.ts'
import { MASK } from '../core/mask-secrets.ts'
import { defineOptions, type OptionTable } from '../core/options/option.ts'
import type {
  Condition,
  ConditionRule,
  FilterPlan,
  InputPlan,
  OutputPlan,
  ProcessorPlan,
  RoutePlan,
} from '../core/plan.ts'
import type { Registry } from '../core/plugin.ts'
import { isSecretPath } from '../core/secret-names.ts'
import { dottedKey } from '../lib/records/accessor.ts'
import { checkExpression } from '../lib/regex/string-matcher.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import { type Diagnostics, type Property, problem, propertyOf, type Section, warn } from './config-tree.ts'
import type { MissingPlugins } from './missing-plugins.ts'
import { readOptions } from './options.ts'

const OPERATORS = ['eq', 'neq', 'gt', 'lt', 'gte', 'lte', 'regex', 'not_regex', 'in', 'not_in'] as const
const NUMERIC = ['gt', 'lt', 'gte', 'lte']
const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i
/** Contexts of a rule by their names; the names that fluent-bit has besides. */
const CONTEXTS = { body: 'body', message: 'body', metadata: 'metadata', attributes: 'metadata' } as const

/** Contexts of fluent-bit in the group of a record, which here records do not have. */
const GROUP_CONTEXT = /^(?:group|otel)_/i

/** Options of a rule of a condition. */
export const RULE_OPTIONS = defineOptions({
  field: { type: 'string', required: true, help: 'Record accessor of the field, e.g. `$level`.' },
  op: {
    type: 'enum',
    values: [...OPERATORS],
    required: true,
    help: 'Comparison. A field that is missing satisfies neq, not_in and not_regex, and nothing else; in fluent-bit lt 5 holds for it, too.',
  },
  value: { type: 'string', repeat: true, help: 'Value to compare with; with in and not_in also a list.' },
  context: {
    type: 'enum',
    values: ['body', 'message', 'metadata', 'attributes'],
    default: 'body',
    help: 'Where the field is looked up: in the record (body, message) or in its metadata (metadata, attributes).',
  },
})

const CONDITION_OPTIONS = defineOptions({
  op: { type: 'enum', values: ['and', 'or'], default: 'and', help: 'Whether all rules must hold, or one.' },
})

/** Options of the condition of a route. */
export const ROUTE_CONDITION_OPTIONS = defineOptions({
  ...CONDITION_OPTIONS,
  default: { type: 'bool', default: 'false', help: 'If true, the route gets what no other route has taken.' },
})

/** Options of a route of an input. */
export const ROUTE_OPTIONS = defineOptions({
  name: { type: 'string', required: true, help: 'Name of the route, unique in its input.' },
  outputs: { type: 'string', repeat: true, required: true, help: 'Aliases or names of outputs.' },
  per_record_routing: {
    type: 'bool',
    default: 'true',
    help: 'Route each record by itself.',
    ignored: 'each record is routed by itself',
  },
})

/** Processors of fluent-bit that change metrics or traces only. */
const WITHOUT_EFFECT = ['labels', 'metrics_selector', 'sampling', 'cumulative_to_delta', 'tda']

/** A stage that may have processors. */
export type GroupOwner = InputPlan | OutputPlan

/** Plans the filter of a PROCESSOR, as that of a FILTER; `owner` is the name of its input or output. */
type PlanFilter = (section: Section, owner: string) => Promise<FilterPlan | undefined>

/** Plans the groups of inputs and outputs: PROCESSOR and ROUTE, with their CONDITION and its RULEs. */
export class GroupPlanner {
  readonly #diagnostics: Diagnostics
  readonly #registry: Registry
  readonly #filter: PlanFilter
  readonly #missing: MissingPlugins
  readonly #routes: { route: RoutePlan & { outputs: string[] }; names: Property[] }[] = []

  constructor(
    diagnostics: Diagnostics,
    { registry, missing }: { registry: Registry; missing: MissingPlugins },
    filter: PlanFilter,
  ) {
    this.#diagnostics = diagnostics
    this.#registry = registry
    this.#missing = missing
    this.#filter = filter
  }

  /** Plans the groups of a stage. The outputs of its routes are looked up by `connect`. */
  async add(section: Section, stage: GroupOwner): Promise<void> {
    const processors: ProcessorPlan[] = []
    for (const group of groupsOf(section, 'processor')) {
      const processor = await this.#processor(group, stage.name)
      if (processor !== undefined) processors.push(processor)
    }
    if (processors.length > 0) stage.processors = processors
    if (stage.spec.kind !== 'input') return
    const routes: RoutePlan[] = []
    for (const group of groupsOf(section, 'route')) {
      const route = this.#route(group)
      if (routes.some(({ name }) => name === route.name))
        this.#problem('E_CONFIG_BAD_VALUE', `[route] there is a route "${route.name}" above`, group, 'name')
      routes.push(route)
    }
    if (routes.length > 0) (stage as InputPlan).routes = routes
  }

  /**
   * Replaces the names in routes by those of output instances: of several outputs of one plugin the first is taken, as by
   * fluent-bit. `sections` are those of all outputs, also of such as could not be planned, which are not missing.
   */
  connect(outputs: readonly OutputPlan[], sections: readonly Section[]): void {
    const others = sections.flatMap((section) =>
      ['alias', 'name'].map((key) => propertyOf(section, key)?.value ?? ''),
    )
    const names = [...new Set(outputs.flatMap(({ name, spec }) => [name, spec.name]))]
    for (const { route, names: wanted } of this.#routes)
      for (const property of wanted) {
        const { value } = property
        const found = outputs.find(({ name, spec }) => name === value || spec.name === value)
        if (found !== undefined) {
          this.#warnOfOthers(property, found, outputs)
          if (!route.outputs.includes(found.name)) route.outputs.push(found.name)
        } else if (!others.includes(value) && !others.includes(value.replace(INSTANCE, ''))) {
          const near = didYouMean(value, names)
          const message = `[route ${route.name}] there is no output "${value}"${near}`
          const hint = near === '' ? `the outputs are ${names.join(', ')}` : ''
          this.#diagnostics.problems.push(
            problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, hint),
          )
        }
      }
  }

  #warnOfOthers({ value, valueLocation }: Property, found: OutputPlan, outputs: readonly OutputPlan[]): void {
    const same = outputs.filter(({ spec }) => spec.name === value)
    if (found.name === value || same.length < 2) return
    const message = `there are ${same.length} outputs ${value}: the route leads to ${found.name}; give each an alias`
    warn(this.#diagnostics, message, valueLocation)
  }

  async #processor(group: Section, owner: string): Promise<ProcessorPlan | undefined> {
    const name = propertyOf(group, 'name')
    const plugin = name?.value.toLowerCase() ?? ''
    const isThere = name === undefined || this.#registry.names('filter').includes(plugin)
    if (!isThere && WITHOUT_EFFECT.includes(plugin)) {
      const message = `the processor ${plugin} has no effect: it does not change logs`
      warn(this.#diagnostics, message, group.location)
      return undefined
    }
    const condition = this.#condition(group, `processor ${plugin}`, false)
    if (!isThere && (await this.#missing.add('processor', plugin, name.valueLocation))) return undefined
    this.#reportOtherGroups(group)
    const filter = await this.#filter({ ...group, properties: this.#withoutMatch(group) }, owner)
    if (filter === undefined) return undefined
    // The same object: problems that are found later are recorded with it.
    return condition === undefined ? filter : Object.assign(filter, { condition: condition as Condition })
  }

  /** Returns the properties without a match, which has no effect. */
  #withoutMatch({ properties }: Section): Property[] {
    return properties.filter(({ key, location }) => {
      const isMatch = MATCH.test(key)
      const message = `"${key}" has no effect: a processor gets all records of its input or output`
      if (isMatch) warn(this.#diagnostics, message, location)
      return !isMatch
    })
  }

  #reportOtherGroups(group: Section): void {
    for (const other of group.groups) {
      if (other.name.toLowerCase() === 'condition') continue
      const message = `"${other.name}" of a processor must be a string or a list of strings, not a map`
      this.#diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, other.location, ''))
    }
  }

  /** Plans a route, also one with problems: the outputs that it names are not without records. */
  #route(group: Section): RoutePlan {
    this.#options(group, ROUTE_OPTIONS, 'route')
    const name = propertyOf(group, 'name')?.value ?? ''
    const condition = this.#condition(group, name === '' ? 'route' : `route ${name}`, true)
    const route = { name, condition, outputs: [], location: group.location }
    const names = group.properties.filter(({ key }) => key.toLowerCase() === 'outputs')
    this.#routes.push({ route, names })
    return route
  }

  #condition(section: Section, label: string, isRoute: boolean): Condition | 'default' | undefined {
    const [group, second] = groupsOf(section, 'condition')
    if (group === undefined) return undefined
    if (second !== undefined)
      this.#problem('E_CONFIG_BAD_VALUE', `[${label}] there is a condition above`, second)
    const before = this.#diagnostics.problems.length
    const table = isRoute ? ROUTE_CONDITION_OPTIONS : CONDITION_OPTIONS
    const sections = groupsOf(group, 'rule')
    // Two of the keys of a rule are those of nothing else.
    const misplaced =
      sections.length > 0 ? undefined : (propertyOf(group, 'field') ?? propertyOf(group, 'value'))
    if (misplaced !== undefined) {
      const message = `[${label}] the condition has no rules, but "${misplaced.key}" of a rule`
      const hint = 'put field, op and value into an item of `rules:`; in [CONDITION], into a [RULE]'
      this.#diagnostics.problems.push(problem('E_CONFIG_MISSING_OPTION', message, misplaced.location, hint))
      return undefined
    }
    const options = this.#options(group, table, label)
    if (options.default === true) {
      if (sections.length > 0)
        warn(this.#diagnostics, `[${label}] the rules have no effect: "default" is true`, group.location)
      return 'default'
    }
    if (sections.length === 0 && this.#diagnostics.problems.length === before)
      this.#problem('E_CONFIG_MISSING_OPTION', `[${label}] the condition has no rules`, group)
    const rules = sections.map((rule) => this.#rule(rule, label)).filter((rule) => rule !== undefined)
    return { op: options.op as Condition['op'], rules }
  }

  #rule(section: Section, label: string): ConditionRule | undefined {
    const before = this.#diagnostics.problems.length
    const given = propertyOf(section, 'context')
    if (given !== undefined && GROUP_CONTEXT.test(given.value)) {
      const message = `[${label}] the context ${given.value} is not there: logs have no groups and no OpenTelemetry resource or scope here`
      const hint = 'the contexts are body (or message) and metadata (or attributes)'
      this.#problem('E_CONFIG_BAD_VALUE', message, section, 'context', hint)
      return undefined
    }
    const options = this.#options(section, RULE_OPTIONS, label)
    if (this.#diagnostics.problems.length > before) return undefined
    const { field, op, value: values } = options as unknown as ConditionRule & { value: string[] }
    this.#checkValues(section, label, op, values)
    if (!field.startsWith('$')) {
      const at = propertyOf(section, 'field')?.valueLocation ?? section.location
      const message = `[${label}] "${field}" has no dollar sign: it is compared as this text, not as a field of the record; for the field write $${field}`
      warn(this.#diagnostics, message, at)
    }
    const dotted = dottedKey(field)
    if (dotted !== undefined) {
      const at = propertyOf(section, 'field')?.valueLocation ?? section.location
      warn(this.#diagnostics, `[${label}] "${field}" ${dotted}`, at)
    }
    const where = CONTEXTS[options.context as keyof typeof CONTEXTS]
    return { field, op, values, context: where, location: section.location }
  }

  #checkValues(section: Section, label: string, op: ConditionRule['op'], values: readonly string[]): void {
    const isList = op === 'in' || op === 'not_in'
    const [value] = values
    const isSecret = isSecretPath(propertyOf(section, 'field')?.value ?? '')
    const shown = isSecret ? MASK : `"${value}"`
    if (value === undefined)
      this.#problem('E_CONFIG_MISSING_OPTION', `[${label}] required option "value" is missing`, section)
    else if (values.length > 1 && !isList)
      this.#problem(
        'E_CONFIG_BAD_VALUE',
        `[${label}] "${op}" compares with one value, not with ${values.length}`,
        section,
        'value',
        'use in or not_in',
      )
    else if (NUMERIC.includes(op) && !NUMBER.test(value))
      this.#problem('E_CONFIG_BAD_VALUE', `[${label}] "${op}" needs a number, not ${shown}`, section, 'value')
    else if (op === 'regex' || op === 'not_regex') {
      const invalid = checkExpression(value)
      if (invalid === undefined) return
      const reason = isSecret ? '' : `: ${invalid.reason}`
      const message = `[${label}] "value" must be ${invalid.must}, not ${shown}${reason}`
      this.#problem('E_CONFIG_BAD_VALUE', message, section, 'value', invalid.hint)
    }
  }

  /** Reads the options of a group. These tables have no page, so the hint at an unknown option lists them. */
  #options(group: Section, table: OptionTable, label: string): Record<string, unknown> {
    const found: Diagnostics = { problems: [], warnings: this.#diagnostics.warnings }
    const context = { label, location: group.location, list: '' }
    const [options = {}] = readOptions(group.properties, [table], context, found)
    for (const each of found.problems) {
      const isListed = each.code === 'E_CONFIG_UNKNOWN_OPTION' && each.hint !== ''
      const hint = isListed ? `the options are ${Object.keys(table).join(', ')}` : each.hint
      this.#diagnostics.problems.push(problem(each.code, each.message, each.location, hint))
    }
    return options
  }

  /** Records a problem at the value of an option, or at its section. */
  #problem(code: ShipperError['code'], message: string, section: Section, option = '', hint = ''): void {
    const at = propertyOf(section, option)?.valueLocation ?? section.location
    this.#diagnostics.problems.push(problem(code, message, at, hint))
  }
}

const MATCH = /^match(?:_regex)?$/i
/** Number of an instance: `.0`. */
const INSTANCE = /\.\d+$/

function groupsOf(section: Section, name: string): Section[] {
  return section.groups.filter((group) => group.name.toLowerCase() === name)
}
