import { ShipperError } from '../core/error.ts'
import type { Parser } from '../core/parser.ts'
import type { Plan } from '../core/plan.ts'
import type { LineContext, RegexLimit, RegexUse } from '../core/plugin.ts'
import type { Clock, Logger } from '../core/services.ts'

/** Returns a stage's access to the parsers and multiline parsers of the plan. */
export function lineContext(plan: Plan, log: Logger, clock: Clock, regexLimit: RegexLimit): LineContext {
  return {
    parser: (name, use) => newParser(plan.parsers, name, log, clock, regexLimit, use),
    multiline: (name) => multilineOf(plan, name)?.options,
    multilineBytes: plan.service.multilineBufferLimit,
    regexLimit,
  }
}

/** Finds a [MULTILINE_PARSER] section by its name, ignoring case as fluent-bit does. */
function multilineOf(plan: Plan, name: string): Plan['multilines'][number] | undefined {
  return plan.multilines.find((section) => section.name.toLowerCase() === name.toLowerCase())
}

/**
 * Creates a parser; each user gets its own, because parsers keep state between lines (the last date seen).
 */
function newParser(
  parsers: Plan['parsers'],
  name: string,
  log: Logger,
  clock: Clock,
  regexLimit: RegexLimit,
  use: RegexUse | undefined,
): Parser {
  const plan = parsers.find((p) => p.name === name)
  if (plan === undefined) {
    const known = parsers.map((p) => p.name).join(', ')
    throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no parser "${name}"`, {
      hint: known === '' ? 'name a Parsers_File in [SERVICE], or use -R' : `known parsers: ${known}`,
    })
  }
  return plan.spec.create(plan.options as never, {
    name,
    log,
    clock,
    regexLimit: namedLimit(plan, regexLimit, use),
  })
}

/** Adds the place of the parser's section to what is logged, and what the parser is used for. */
function namedLimit(
  { name, location }: Plan['parsers'][number],
  limit: RegexLimit,
  use: RegexUse | undefined,
): RegexLimit {
  return {
    stepsPerByte: limit.stepsPerByte,
    reached: (expression, _, ofParser) => {
      const { file, line } = location
      const place = line === undefined ? file : `${file}:${line}`
      limit.reached(expression, `parser ${name} (${place})`, use ?? ofParser)
    },
  }
}
