import { ShipperError, type SourceLocation } from '../core/error.ts'
import type { ParserPlan } from '../core/plan.ts'
import type { ParserSpec, Registry } from '../core/plugin.ts'
import type { Clock, Logger } from '../core/services.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import {
  COMMAND_LINE,
  type Diagnostics,
  type Property,
  problem,
  propertyOf,
  type Section,
  warn,
} from './config-tree.ts'
import { readOptions } from './options.ts'

const TOKEN_END = /[\s,]+/

/**
 * Plans the [PARSER] sections. A parsers file is often shared and holds many that nobody uses: what is wrong with such
 * a one is a warning, and the parser is left out. A section of the main file, and a parser that an input or a filter
 * names, must be right.
 */
export class ParserPlanner {
  readonly plans: ParserPlan[] = []
  readonly #registry: Registry
  readonly #findings: Diagnostics
  readonly #used: ReadonlySet<string>
  readonly #thorough: boolean
  readonly #broken = new Set<string>()
  #sections: ReadonlyMap<string, Section> | undefined

  /** `thorough`: also compile what nobody uses, and say which options are not known. */
  constructor(registry: Registry, findings: Diagnostics, used: ReadonlySet<string>, thorough: boolean) {
    this.#registry = registry
    this.#findings = findings
    this.#used = used
    this.#thorough = thorough
  }

  async add(section: Section): Promise<void> {
    const name = propertyOf(section, 'name')?.value
    if (name === undefined || name === '') return this.#missing(section, 'parser', 'Name')
    const first = this.plans.find((plan) => plan.name === name)
    if (first !== undefined) {
      return warn(
        this.#findings,
        `[parser ${name}] there is one of this name already: it counts`,
        section.location,
      )
    }
    const found: Diagnostics = { problems: [], warnings: [] }
    const plan = await this.#plan(section, name, found)
    const shared = section.origin === 'parsers'
    const used = this.#used.has(name)
    if (!shared || used || this.#thorough) this.#findings.warnings.push(...found.warnings)
    if (found.problems.length === 0 && plan !== undefined) this.plans.push(plan)
    else if (!shared || used) {
      this.#broken.add(name)
      this.#findings.problems.push(...found.problems)
    } else {
      for (const { message, location } of found.problems) {
        warn(this.#findings, `${message}: the parser is left out`, location ?? section.location)
      }
    }
  }

  /**
   * Checks that a `Parser` option names one. Where no section does, it may be a format that needs no options (`json`,
   * `cri`), or a parser of conf/parsers.conf: `-p parser=cri` and `-p parser=nginx` need no parsers file.
   */
  async require(entry: Property, label: string): Promise<void> {
    const name = entry.value
    if (this.#broken.has(name) || this.#has(name)) return
    const plan = await this.#known(name, entry.location)
    if (plan !== undefined) {
      this.plans.push(plan)
      return
    }
    const own = [...this.plans.map((known) => known.name), ...this.#registry.names('parser')]
    const near = didYouMean(name, own) || didYouMean(name, [...(await this.#shipped()).keys()])
    const isFormat = (await this.#registry.find('parser', name)) !== undefined
    const format = `the format ${name} needs a [PARSER] section with its options`
    const file = this.plans.length === 0 ? 'name a Parsers_File in [SERVICE], or use -R' : ''
    const hint = isFormat ? format : file
    const message = `[${label}] there is no parser "${name}"${isFormat ? '' : near}`
    this.#findings.problems.push(
      problem('E_CONFIG_BAD_VALUE', message, entry.valueLocation, isFormat || near === '' ? hint : ''),
    )
  }

  /** All that `require` would find, under the names that are free: for who names parsers only when the agent runs. */
  async offer(): Promise<void> {
    for (const name of [...this.#registry.names('parser'), ...(await this.#shipped()).keys()]) {
      if (this.#broken.has(name) || this.#has(name)) continue
      const plan = await this.#known(name, { file: COMMAND_LINE })
      if (plan !== undefined) this.plans.push(plan)
    }
  }

  #has(name: string): boolean {
    return this.plans.some((plan) => plan.name === name)
  }

  /** The format of this name, when it needs no options; else the parser of the program. */
  async #known(name: string, location: SourceLocation): Promise<ParserPlan | undefined> {
    const spec = (await this.#registry.find('parser', name)) as ParserSpec | undefined
    if (spec !== undefined && !Object.values(spec.options).some((option) => option.required === true)) {
      const [options] = readOptions([], [spec.options], { label: name, location, list: '' }, this.#findings)
      return { spec, name, options, location }
    }
    const section = (await this.#shipped()).get(name)
    // A test sees to it that nothing is wrong with it.
    return section === undefined ? undefined : this.#plan(section, name, { problems: [], warnings: [] })
  }

  /** Read when a name is looked for that nobody else has. */
  async #shipped(): Promise<ReadonlyMap<string, Section>> {
    this.#sections ??= (await import('./builtin-parsers.ts')).builtinParsers()
    return this.#sections
  }

  async #plan(section: Section, name: string, found: Diagnostics): Promise<ParserPlan | undefined> {
    const label = `parser ${name}`
    const format = propertyOf(section, 'format')
    if (format === undefined) {
      this.#missing(section, label, 'Format', found)
      return undefined
    }
    const spec = (await this.#registry.find('parser', format.value)) as ParserSpec | undefined
    if (spec === undefined) {
      const formats = this.#registry.names('parser')
      const near = didYouMean(format.value, formats)
      const message = `[${label}] unknown format "${format.value}"${near}`
      const hint = near === '' ? `the formats are ${formats.join(', ')}` : ''
      found.problems.push(problem('E_CONFIG_UNKNOWN_PLUGIN', message, format.valueLocation, hint))
      return undefined
    }
    const lenient = section.origin === 'parsers' ? ('all' as const) : ('unlike' as const)
    const about = { label, location: section.location, list: 'shipper plugins', lenient, firstWins: true }
    const own = section.properties.filter((entry) => !['name', 'format'].includes(entry.key.toLowerCase()))
    const [options] = readOptions(own, [spec.options], about, found)
    const plan: ParserPlan = { spec, name, options, location: section.location }
    const wanted = this.#thorough || this.#used.has(name) || section.origin !== 'parsers'
    if (wanted && found.problems.length === 0) compile(plan, section, found)
    return plan
  }

  #missing(section: Section, label: string, option: string, found = this.#findings): void {
    const message = `[${label}] required option "${option.toLowerCase()}" is missing`
    found.problems.push(problem('E_CONFIG_MISSING_OPTION', message, section.location, ''))
  }
}

/** Every word of a value of an input or filter: more than the parsers that are used, and never fewer. */
export function wordsOf(sections: readonly Section[]): Set<string> {
  const words = new Set<string>()
  for (const { properties: entries } of sections) {
    for (const { value } of entries) for (const word of value.split(TOKEN_END)) words.add(word)
  }
  return words
}

/** Makes the parser and throws it away: so a regular expression that cannot be compiled is found with its place. */
function compile(plan: ParserPlan, section: Section, found: Diagnostics): void {
  try {
    plan.spec.create(plan.options as never, { name: plan.name, log: SILENT, clock: STILL })
  } catch (err) {
    if (!(err instanceof ShipperError)) throw err
    const place =
      section.properties.find((entry) => entry.value !== '' && entry.value === err.details.value) ??
      propertyOf(section, err.code === 'E_PARSER_REGEX' ? 'regex' : 'format')
    const location = place?.valueLocation ?? section.location
    found.problems.push(problem(err.code, `[parser ${plan.name}] ${err.message}`, location, err.hint))
  }
}

const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} }
const STILL: Clock = {
  nowMs: () => 0,
  after: () => {
    throw new Error('a parser has no timers')
  },
  cancel() {},
}
