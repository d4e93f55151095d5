import type { SourceLocation } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import { MULTILINE_OPTIONS } from '../core/multiline.ts'
import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../core/options/common.ts'
import { camelName, type Option, type OptionTable } from '../core/options/option.ts'
import type { Parser } from '../core/parser.ts'
import type { ParserPlan, Plan } from '../core/plan.ts'
import type { Logger } from '../core/services.ts'
import { systemClock } from '../engine/clock.ts'
import { expressionOfRule } from '../lib/multiline/rules.ts'
import { describeMatching } from '../lib/regex/describe.ts'
import { isLiteral } from '../lib/regex/literal.ts'

const MAX_CHARS = 160
const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} }

/** A section with its options, and the tables of these. */
interface Section {
  title: string
  location: SourceLocation | undefined
  tables: { table: OptionTable; values: Record<string, unknown> }[]
  stepsPerByte: number
  parser?: Parser | undefined
}

/**
 * Describes each expression of a plan: its place, how it is matched, and what bounds the time. Expressions are found by the
 * option tables, which mark them.
 */
export function describeExpressions(plan: Plan): string {
  const lines = sectionsOf(plan).flatMap(linesOfSection)
  return lines.map((line) => `${line}\n`).join('')
}

function sectionsOf({ service, inputs, filters, outputs, parsers, multilines }: Plan): Section[] {
  const limit = service.regexStepLimit
  const kinds = [
    { title: 'INPUT', common: INPUT_OPTIONS, stages: inputs },
    { title: 'FILTER', common: FILTER_OPTIONS, stages: filters },
    { title: 'OUTPUT', common: OUTPUT_OPTIONS, stages: outputs },
  ]
  const stages = kinds.flatMap(({ title, common, stages }) =>
    stages.map(
      (stage): Section => ({
        title: `[${title}] ${stage.name}`,
        location: stage.location,
        tables: [
          { table: common, values: stage.common as Record<string, unknown> },
          { table: stage.spec.options, values: stage.options as Record<string, unknown> },
        ],
        stepsPerByte: stage.common.regexStepLimit ?? limit,
      }),
    ),
  )
  return [
    ...parsers.map((parser) => sectionOfParser(parser, limit)),
    ...multilines.map(
      ({ name, options }): Section => ({
        title: `[MULTILINE_PARSER] ${name}`,
        location: undefined,
        tables: [{ table: MULTILINE_OPTIONS, values: options }],
        stepsPerByte: options.regexStepLimit ?? limit,
      }),
    ),
    ...stages,
  ]
}

function sectionOfParser({ spec, name, options, location }: ParserPlan, limit: number): Section {
  const values = options as Record<string, unknown>
  const context = { name, log: SILENT, clock: systemClock }
  return {
    title: `[PARSER] ${name}`,
    location,
    tables: [{ table: spec.options, values }],
    stepsPerByte: (values.regexStepLimit as number | undefined) ?? limit,
    parser: spec.create(options as never, context),
  }
}

function linesOfSection(section: Section): string[] {
  return section.tables.flatMap(({ table, values }) =>
    Object.entries(table).flatMap(([name, option]) =>
      expressionsOf(option, values[camelName(name)]).flatMap((expression) =>
        linesOf(section, name, option, expression),
      ),
    ),
  )
}

/** Returns the expressions of an option: the value, each value when it may be repeated, or the last word of each. */
function expressionsOf({ expression, repeat, type }: Option, value: unknown): string[] {
  if (expression === undefined || value === undefined) return []
  const values = (repeat === true ? value : [value]) as unknown[]
  return values
    .map((each) => (type === 'slist' ? (each as string[]).at(-1) : (each as string)))
    .map((each) => (expression === 'rule' ? expressionOfRule(each ?? '') : each))
    .filter((each) => each !== undefined)
}

function linesOf(section: Section, name: string, option: Option, expression: string): string[] {
  const { title, location, stepsPerByte, parser } = section
  const place = location?.line === undefined ? '' : `${location.file}:${location.line}: `
  const shown = expression.length > MAX_CHARS ? `${expression.slice(0, MAX_CHARS)}...` : expression
  const head = `${place}${title}, ${name}: ${escapeControls(shown)}`
  if (option.expression === 'search' && isLiteral(expression))
    return [
      head,
      '  matched: searched for as it is, without special characters',
      '  bound: one pass over the text',
    ]
  const { how, bound } = describeMatching(expression, stepsPerByte)
  return [
    head,
    ...(parser === undefined ? [] : [`  fields: ${writerOf(parser)}`]),
    `  matched: ${how}`,
    `  bound: ${bound}`,
  ]
}

/** Says what writes the entries of lines that a parser reads. */
function writerOf(parser: Parser): string {
  const { lineFormat } = parser
  if (lineFormat !== undefined)
    return `fast: the expression is that of ${lineFormat.name.toUpperCase()} lines, which are read without it; other lines are matched`
  return parser.kernel?.(Number.POSITIVE_INFINITY) === undefined
    ? 'slower: written in TypeScript'
    : 'fast: written by WebAssembly, as soon as the expression is matched by it or there is more than 1 MB to read'
}
