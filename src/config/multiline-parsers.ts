import { ShipperError } from '../core/error.ts'
import { MULTILINE_OPTIONS, type MultilineOptions, type MultilinePlan } from '../core/multiline.ts'
import { BUILTIN_NAMES, isBuiltIn, isReserved } from '../lib/multiline/builtin-rules.ts'
import { statesWithoutRules } from '../lib/multiline/rules.ts'
import { makeStateMachine } from '../lib/multiline/state-machine.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import { type Diagnostics, type Property, problem, propertyOf, type Section, warn } from './config-tree.ts'
import { readOptions } from './options.ts'

const COMMA = /[\s,]+/

/**
 * Plans the [MULTILINE_PARSER] sections. Problems of a section in a parsers file are errors only when it is
 * used.
 */
export class MultilinePlanner {
  readonly plans: MultilinePlan[] = []
  readonly #diagnostics: Diagnostics
  readonly #used: ReadonlySet<string>
  readonly #broken = new Set<string>()

  constructor(diagnostics: Diagnostics, used: ReadonlySet<string>) {
    this.#diagnostics = diagnostics
    this.#used = used
  }

  /** Adds a section; returns its property that names a parser, to be checked when all parsers are known. */
  add(section: Section): Property | undefined {
    const name = propertyOf(section, 'name')?.value
    const { location } = section
    if (name === undefined || name === '') {
      const message = '[multiline_parser] required option "name" is missing'
      this.#diagnostics.problems.push(problem('E_CONFIG_MISSING_OPTION', message, location, ''))
      return undefined
    }
    if (this.#has(name) || isReserved(name)) {
      const reason = isReserved(name) ? 'name of a built-in multiline parser' : 'duplicate name'
      warn(this.#diagnostics, `[multiline_parser ${name}] ${reason}: this section is ignored`, location)
      return undefined
    }
    const own = section.properties.filter((property) => property.key.toLowerCase() !== 'name')
    const context = {
      label: `multiline_parser ${name}`,
      location,
      list: 'docs/plugins/multiline.md',
      firstWins: true,
    }
    const found: Diagnostics = { problems: [], warnings: [] }
    const [options] = readOptions(own, [MULTILINE_OPTIONS], context, found)
    if (found.problems.length === 0) compile(section, name, options as unknown as MultilineOptions, found)
    this.#diagnostics.warnings.push(...found.warnings)
    if (found.problems.length === 0) {
      this.plans.push({ name, options: options as unknown as MultilineOptions })
      return propertyOf(section, 'parser')
    }
    this.#broken.add(name)
    if (section.origin !== 'parsers' || this.#used.has(name))
      this.#diagnostics.problems.push(...found.problems)
    else {
      for (const each of found.problems)
        warn(this.#diagnostics, `${each.message}: the multiline parser is ignored`, each.location ?? location)
    }
    return undefined
  }

  /**
   * Checks that all names in a `multiline.parser` exist; returns false, and records problems, when one does
   * not.
   */
  require(property: Property, label: string): boolean {
    const before = this.#diagnostics.problems.length
    for (const name of property.value.split(COMMA)) {
      if (name === '' || isBuiltIn(name) || this.#broken.has(name)) continue
      if (this.#has(name)) continue
      const names = [...BUILTIN_NAMES, ...this.plans.map((plan) => plan.name)]
      const near = didYouMean(name, names)
      const message = `[${label}] there is no multiline parser "${name}"${near}`
      const hint = near === '' ? `there are ${names.join(', ')}` : ''
      this.#diagnostics.problems.push(problem('E_CONFIG_BAD_VALUE', message, property.valueLocation, hint))
    }
    return this.#diagnostics.problems.length === before
  }

  #has(name: string): boolean {
    return this.plans.some((plan) => plan.name.toLowerCase() === name.toLowerCase())
  }
}

/**
 * Builds the state machine and discards it, so that a rule that cannot be compiled is reported with its
 * location. Warns about a state that rules lead to but that has no rule itself.
 */
function compile(section: Section, name: string, options: MultilineOptions, found: Diagnostics): void {
  try {
    makeStateMachine(name, options)
    if (options.type !== 'regex') return
    for (const state of statesWithoutRules(options.rule)) {
      const message = `[multiline_parser ${name}] no rule starts from the state "${state}": a record ends with the line that leads to it`
      warn(found, message, propertyOf(section, 'rule')?.valueLocation ?? section.location)
    }
  } catch (err) {
    if (!(err instanceof ShipperError)) throw err
    const blamed = propertyOf(section, options.type === 'regex' ? 'rule' : 'type')
    const location = blamed?.valueLocation ?? section.location
    found.problems.push(problem(err.code, err.message, location, err.hint))
  }
}
