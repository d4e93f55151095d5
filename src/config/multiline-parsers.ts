import { ShipperError } from '../core/error.ts'
import { MULTILINE_OPTIONS, type MultilineOptions, type MultilinePlan } from '../core/multiline.ts'
import { BUILTIN_NAMES, isBuiltIn } from '../lib/multiline/builtin-rules.ts'
import { makeStateMachine } from '../lib/multiline/state-machine.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import { type Diagnostics, type Property, problem, propertyOf, type Section, warn } from './config-tree.ts'
import { readOptions } from './options.ts'

const COMMA = /[\s,]+/

/** Plans the [MULTILINE_PARSER] sections; what is wrong with one of a parsers file counts when it is used. */
export class MultilinePlanner {
  readonly plans: MultilinePlan[] = []
  readonly #findings: Diagnostics
  readonly #used: ReadonlySet<string>
  readonly #broken = new Set<string>()

  constructor(findings: Diagnostics, used: ReadonlySet<string>) {
    this.#findings = findings
    this.#used = used
  }

  /** Returns the entry that names a parser, which is to be checked when all parsers are known. */
  add(section: Section): Property | undefined {
    const name = propertyOf(section, 'name')?.value
    const { position } = section
    if (name === undefined || name === '') {
      const message = '[multiline_parser] required option "name" is missing'
      this.#findings.problems.push(problem('E_CONFIG_MISSING_OPTION', message, position, ''))
      return undefined
    }
    if (this.plans.some((plan) => plan.name === name) || isBuiltIn(name)) {
      const which = isBuiltIn(name) ? 'is a built-in one' : 'is one'
      warn(this.#findings, `[multiline_parser ${name}] there ${which} of this name: it counts`, position)
      return undefined
    }
    const own = section.properties.filter((entry) => entry.key.toLowerCase() !== 'name')
    const about = {
      label: `multiline_parser ${name}`,
      position,
      list: 'docs/plugins/multiline.md',
      firstCounts: true,
    }
    const found: Diagnostics = { problems: [], warnings: [] }
    const [options] = readOptions(own, [MULTILINE_OPTIONS], about, found)
    if (found.problems.length === 0) compile(section, name, options as unknown as MultilineOptions, found)
    this.#findings.warnings.push(...found.warnings)
    if (found.problems.length === 0) {
      this.plans.push({ name, options: options as unknown as MultilineOptions })
      return propertyOf(section, 'parser')
    }
    this.#broken.add(name)
    if (section.origin !== 'parsers' || this.#used.has(name)) this.#findings.problems.push(...found.problems)
    else {
      for (const each of found.problems)
        warn(this.#findings, `${each.message}: the multiline parser is left out`, each.position ?? position)
    }
    return undefined
  }

  /** Checks that every name of a `multiline.parser` is one. */
  /** False: one of them is not there, which is a problem now. */
  require(entry: Property, label: string): boolean {
    const before = this.#findings.problems.length
    for (const name of entry.value.split(COMMA)) {
      if (name === '' || isBuiltIn(name) || this.#broken.has(name)) continue
      if (this.plans.some((plan) => plan.name === name)) continue
      const names = [...BUILTIN_NAMES, ...this.plans.map((plan) => plan.name)]
      const near = didYouMean(name, names)
      const message = `[${label}] there is no multiline parser "${name}"${near}`
      const hint = near === '' ? `there are ${names.join(', ')}` : ''
      this.#findings.problems.push(problem('E_CONFIG_BAD_VALUE', message, entry.valuePosition, hint))
    }
    return this.#findings.problems.length === before
  }
}

/** Makes the machine and throws it away: so a rule that cannot be compiled is found with its place. */
function compile(section: Section, name: string, options: MultilineOptions, found: Diagnostics): void {
  try {
    makeStateMachine(name, options)
  } catch (err) {
    if (!(err instanceof ShipperError)) throw err
    const place = propertyOf(section, options.type === 'regex' ? 'rule' : 'type')
    const position = place?.valuePosition ?? section.position
    found.problems.push(problem(err.code, err.message, position, err.hint))
  }
}
