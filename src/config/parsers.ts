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
 * Plans the [PARSER] sections. A parsers file is often shared and contains unused parsers: a problem of one of these is a
 * warning, and the parser is ignored. A section of the main file, and a parser named by an input or a filter, must be
 * valid.
 */
export class ParserPlanner {
  readonly plans: ParserPlan[] = []
  readonly #registry: Registry
  readonly #diagnostics: Diagnostics
  readonly #used: ReadonlySet<string>
  readonly #checkUnused: boolean
  readonly #broken = new Set<string>()
  #sections: ReadonlyMap<string, Section> | undefined

  /** With `checkUnused`, unused parsers are compiled as well, and their unknown options reported. */
  constructor(registry: Registry, diagnostics: Diagnostics, used: ReadonlySet<string>, checkUnused: boolean) {
    this.#registry = registry
    this.#diagnostics = diagnostics
    this.#used = used
    this.#checkUnused = checkUnused
  }

  /** Adds a section to `plans`, or records its problems. */
  async add(section: Section): Promise<void> {
    const name = propertyOf(section, 'name')?.value
    if (name === undefined || name === '') return this.#missing(section, 'parser', 'Name')
    const first = this.plans.find((plan) => plan.name === name)
    if (first !== undefined) {
      return warn(
        this.#diagnostics,
        `[parser ${name}] duplicate name: this section is ignored`,
        section.location,
      )
    }
    const found: Diagnostics = { problems: [], warnings: [] }
    const plan = await this.#plan(section, name, found)
    const shared = section.origin === 'parsers'
    const used = this.#used.has(name)
    if (!shared || used || this.#checkUnused) this.#diagnostics.warnings.push(...found.warnings)
    if (found.problems.length === 0 && plan !== undefined) this.plans.push(plan)
    else if (!shared || used) {
      this.#broken.add(name)
      this.#diagnostics.problems.push(...found.problems)
    } else {
      for (const { message, location } of found.problems) {
        warn(this.#diagnostics, `${message}: the parser is ignored`, location ?? section.location)
      }
    }
  }

  /**
   * Checks that the parser named by an option exists. Without a section of this name, it may be a format that needs no
   * options (`json`, `cri`), or a parser of conf/parsers.conf: `-p parser=cri` and `-p parser=nginx` need no parsers file.
   */
  async require(property: Property, label: string): Promise<void> {
    const name = property.value
    if (this.#broken.has(name) || this.#has(name)) return
    const plan = await this.#findUnlisted(name, property.location)
    if (plan !== undefined) {
      this.plans.push(plan)
      return
    }
    const own = [...this.plans.map((known) => known.name), ...this.#registry.names('parser')]
    const near = didYouMean(name, own) || didYouMean(name, [...(await this.#builtin()).keys()])
    const isFormat = (await this.#registry.find('parser', name)) !== undefined
    const format = `the format ${name} needs a [PARSER] section with its options`
    const file = this.plans.length === 0 ? 'name a Parsers_File in [SERVICE], or use -R' : ''
    const hint = isFormat ? format : file
    const message = `[${label}] there is no parser "${name}"${isFormat ? '' : near}`
    this.#diagnostics.problems.push(
      problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, isFormat || near === '' ? hint : ''),
    )
  }

  /** Adds all parsers without a section that `require` would accept, for users that name parsers at run time. */
  async addUnlisted(): Promise<void> {
    for (const name of [...this.#registry.names('parser'), ...(await this.#builtin()).keys()]) {
      if (this.#broken.has(name) || this.#has(name)) continue
      const plan = await this.#findUnlisted(name, { file: COMMAND_LINE })
      if (plan !== undefined) this.plans.push(plan)
    }
  }

  /** Adds these parsers, which an input uses without naming them, unless they have sections. */
  async addDefaults(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (this.#has(name)) continue
      const plan = await this.#findUnlisted(name, { file: COMMAND_LINE })
      if (plan !== undefined) this.plans.push(plan)
    }
  }

  #has(name: string): boolean {
    return this.plans.some((plan) => plan.name === name)
  }

  /** Returns the format of this name if it needs no options, else the built-in parser. */
  async #findUnlisted(name: string, location: SourceLocation): Promise<ParserPlan | undefined> {
    const spec = (await this.#registry.find('parser', name)) as ParserSpec | undefined
    if (spec !== undefined && !Object.values(spec.options).some((option) => option.required === true)) {
      const [options] = readOptions(
        [],
        [spec.options],
        { label: name, location, list: '' },
        this.#diagnostics,
      )
      return { spec, name, options, location }
    }
    const section = (await this.#builtin()).get(name)
    // A test checks that the built-in parsers are valid.
    return section === undefined ? undefined : this.#plan(section, name, { problems: [], warnings: [] })
  }

  /** Returns the sections of conf/parsers.conf, which is parsed on first use. */
  async #builtin(): Promise<ReadonlyMap<string, Section>> {
    this.#sections ??= await (await import('./builtin-parsers.ts')).builtinParsers()
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
    const context = {
      label,
      location: section.location,
      list: 'shipper plugins',
      isLenient: true,
      firstWins: true,
    }
    const own = section.properties.filter(
      (property) => !['name', 'format'].includes(property.key.toLowerCase()),
    )
    const [options] = readOptions(own, [spec.options], context, found)
    const plan: ParserPlan = { spec, name, options, location: section.location }
    const wanted = this.#checkUnused || this.#used.has(name) || section.origin !== 'parsers'
    if (wanted && found.problems.length === 0) compile(plan, section, found)
    return plan
  }

  #missing(section: Section, label: string, option: string, found = this.#diagnostics): void {
    const message = `[${label}] required option "${option.toLowerCase()}" is missing`
    found.problems.push(problem('E_CONFIG_MISSING_OPTION', message, section.location, ''))
  }
}

/** Returns all words in the values of sections: a superset of the names of parsers that they use. */
export function wordsOf(sections: readonly Section[]): Set<string> {
  const words = new Set<string>()
  for (const { properties, groups } of sections) {
    for (const { value } of properties) for (const word of value.split(TOKEN_END)) words.add(word)
    for (const word of wordsOf(groups)) words.add(word)
  }
  return words
}

/** Creates the parser and discards it, to report a regular expression that cannot be compiled with its location. */
function compile(plan: ParserPlan, section: Section, found: Diagnostics): void {
  try {
    plan.spec.create(plan.options as never, { name: plan.name, log: SILENT_LOG, clock: STOPPED_CLOCK })
  } catch (err) {
    if (!(err instanceof ShipperError)) throw err
    const blamed =
      section.properties.find((property) => property.value !== '' && property.value === err.details.value) ??
      propertyOf(section, err.code === 'E_PARSER_REGEX' ? 'regex' : 'format')
    const location = blamed?.valueLocation ?? section.location
    found.problems.push(problem(err.code, `[parser ${plan.name}] ${err.message}`, location, err.hint))
  }
}

const SILENT_LOG: Logger = { error() {}, warn() {}, info() {}, debug() {} }
const STOPPED_CLOCK: Clock = {
  nowMs: () => 0,
  after: () => {
    throw new Error('a parser has no timers')
  },
  cancel() {},
}
