import { ShipperError } from '../core/error.ts'
import type { ParserPlan } from '../core/plan.ts'
import type { Clock, Logger, ParserSpec, Registry } from '../core/plugin.ts'
import { didYouMean } from '../lib/nearest.ts'
import { readOptions } from './options.ts'
import { type Entry, entryOf, type Findings, problem, type Section, warn } from './tree.ts'

const TOKEN_END = /[\s,]+/

/**
 * Plans the [PARSER] sections. A parsers file is often shared and holds many that nobody uses: what is wrong with such
 * a one is a warning, and the parser is left out. A section of the main file, and a parser that an input or a filter
 * names, must be right.
 */
export class ParserPlanner {
  readonly plans: ParserPlan[] = []
  readonly #registry: Registry
  readonly #findings: Findings
  readonly #used: ReadonlySet<string>
  readonly #thorough: boolean
  readonly #broken = new Set<string>()

  /** `thorough`: also compile what nobody uses, and say which options are not known. */
  constructor(registry: Registry, findings: Findings, used: ReadonlySet<string>, thorough: boolean) {
    this.#registry = registry
    this.#findings = findings
    this.#used = used
    this.#thorough = thorough
  }

  async add(section: Section): Promise<void> {
    const name = entryOf(section, 'name')?.value
    if (name === undefined || name === '') return this.#missing(section, 'parser', 'Name')
    const first = this.plans.find((plan) => plan.name === name)
    if (first !== undefined) {
      return warn(
        this.#findings,
        `[parser ${name}] there is one of this name already: it counts`,
        section.position,
      )
    }
    const found: Findings = { problems: [], warnings: [] }
    const plan = await this.#plan(section, name, found)
    const shared = section.origin === 'parsers'
    const used = this.#used.has(name)
    if (!shared || used || this.#thorough) this.#findings.warnings.push(...found.warnings)
    if (found.problems.length === 0 && plan !== undefined) this.plans.push(plan)
    else if (!shared || used) {
      this.#broken.add(name)
      this.#findings.problems.push(...found.problems)
    } else {
      for (const { message, position } of found.problems) {
        warn(this.#findings, `${message}: the parser is left out`, position ?? section.position)
      }
    }
  }

  /**
   * Checks that a `Parser` option names one. A format that needs no options (`json`, `cri`) is also a name, so that
   * `-p parser=cri` needs no parsers file.
   */
  async require(entry: Entry, label: string): Promise<void> {
    const name = entry.value
    if (this.#broken.has(name) || this.plans.some((plan) => plan.name === name)) return
    const spec = (await this.#registry.find('parser', name)) as ParserSpec | undefined
    if (spec !== undefined && !Object.values(spec.options).some((option) => option.required === true)) {
      const about = { label: name, position: entry.position, list: '' }
      const [options] = readOptions([], [spec.options], about, this.#findings)
      this.plans.push({ spec, name, options, position: entry.position })
      return
    }
    const names = [...this.plans.map((plan) => plan.name), ...this.#registry.names('parser')]
    const near = spec === undefined ? didYouMean(name, names) : ''
    const format = `the format ${name} needs a [PARSER] section with its options`
    const file = this.plans.length === 0 ? 'name a Parsers_File in [SERVICE], or use -R' : ''
    const hint = spec === undefined ? file : format
    const message = `[${label}] there is no parser "${name}"${near}`
    this.#findings.problems.push(
      problem('E_CONFIG_BAD_VALUE', message, entry.valuePosition, near === '' ? hint : ''),
    )
  }

  async #plan(section: Section, name: string, found: Findings): Promise<ParserPlan | undefined> {
    const label = `parser ${name}`
    const format = entryOf(section, 'format')
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
      found.problems.push(problem('E_CONFIG_UNKNOWN_PLUGIN', message, format.valuePosition, hint))
      return undefined
    }
    const about = {
      label,
      position: section.position,
      list: 'shipper plugins',
      lenient: section.origin === 'parsers',
    }
    const own = section.entries.filter((entry) => !['name', 'format'].includes(entry.key.toLowerCase()))
    const [options] = readOptions(own, [spec.options], about, found)
    const plan: ParserPlan = { spec, name, options, position: section.position }
    const wanted = this.#thorough || this.#used.has(name) || section.origin !== 'parsers'
    if (wanted && found.problems.length === 0) compile(plan, section, found)
    return plan
  }

  #missing(section: Section, label: string, option: string, found = this.#findings): void {
    const message = `[${label}] required option "${option.toLowerCase()}" is missing`
    found.problems.push(problem('E_CONFIG_MISSING_OPTION', message, section.position, ''))
  }
}

/** Every word of a value of an input or filter: more than the parsers that are used, and never fewer. */
export function wordsOf(sections: readonly Section[]): Set<string> {
  const words = new Set<string>()
  for (const { entries } of sections) {
    for (const { value } of entries) for (const word of value.split(TOKEN_END)) words.add(word)
  }
  return words
}

/** Makes the parser and throws it away: so a regular expression that cannot be compiled is found with its place. */
function compile(plan: ParserPlan, section: Section, found: Findings): void {
  try {
    plan.spec.create(plan.options as never, { name: plan.name, log: SILENT, clock: STILL })
  } catch (err) {
    if (!(err instanceof ShipperError)) throw err
    const place =
      section.entries.find((entry) => entry.value !== '' && entry.value === err.details.value) ??
      entryOf(section, err.code === 'E_PARSER_REGEX' ? 'regex' : 'format')
    const position = place?.valuePosition ?? section.position
    found.problems.push(problem(err.code, `[parser ${plan.name}] ${err.message}`, position, err.hint))
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
