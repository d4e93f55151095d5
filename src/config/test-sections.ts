import type { InvalidValue } from '../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../core/options/option.ts'
import { type Diagnostics, problem, type Section, type Tree } from './config-tree.ts'
import { readOptions } from './options.ts'
import { propertiesWithGroups } from './test-groups.ts'

const DEFAULT_TIME = '2026-01-01T00:00:00Z'

/** Options of a [TEST] section, which only `shipper test` reads. */
export const TEST_OPTIONS = defineOptions({
  name: { type: 'string', required: true, help: 'What the test shows, as a claim: `drops health checks`.' },
  tag: { type: 'string', help: 'Tag of the lines. Default: that of the only input, or of Input.' },
  input: {
    type: 'string',
    help: 'Name of the input as which the lines come, if several have the tag. Its parser and its multiline rules read them.',
  },
  line: {
    type: 'string',
    repeat: true,
    named: true,
    aliases: ['record'],
    check: checkNamed(['record']),
    help: 'A line as it is in a file. Or Record: a record as a JSON object, which no parser reads. May be repeated; all lines of a test go through the stages one after the other.',
  },
  expect: {
    type: 'string',
    repeat: true,
    named: true,
    aliases: ['contains'],
    check: checkNamed(['expect']),
    help: 'The next record after the filters, as a JSON object: it has these fields and no others. Or Contains: a JSON object of fields that it has among others, `field=text`, or the name of a field. If a test has any of the two, it needs one for each record after the filters.',
  },
  output: {
    type: 'clist',
    repeat: true,
    help: 'Names of the outputs that get records of the test, in any order; `none`: no output gets any.',
  },
  time: {
    type: 'string',
    default: DEFAULT_TIME,
    check: (text: string) =>
      timeOf(text) === undefined ? { must: 'a date like 2026-01-01T00:00:00Z, or Unix seconds' } : undefined,
    help: 'Time at which the lines are read: the time of records without one of their own.',
  },
  kubernetes: {
    type: 'string',
    check: (text: string) => checkObject(text),
    help: 'Metadata of the pod as a JSON object, as records have it, instead of what the filter kubernetes would find. The options of the filter apply to it: Labels and Annotations, and the annotations of K8S-Logging.Parser and K8S-Logging.Exclude. Without it the filter merges lines as ever, and records get no map `kubernetes`.',
  },
})

/** A test, ready to run. */
export interface TestCase
  extends Omit<OptionsOf<typeof TEST_OPTIONS>, 'line' | 'expect' | 'output' | 'time'> {
  section: Section
  lines: { isRecord: boolean; text: string }[]
  /** `isLoose`: values are compared as texts, since the format has not kept their types. */
  expectations: { isExact: boolean; isLoose: boolean; text: string }[]
  /** Names of the outputs; undefined: any. */
  output: string[] | undefined
  timeMs: number
}

/** Returns the tests of a tree, or records what is wrong with them. */
export function testsOf(tree: Tree, diagnostics: Diagnostics): TestCase[] {
  const tests: TestCase[] = []
  for (const section of tree.sections) {
    if (section.name.toUpperCase() !== 'TEST') continue
    const before = diagnostics.problems.length
    const context = { label: 'test', location: section.location, list: 'shipper test -h' }
    const all = propertiesWithGroups(section)
    const properties = all.map(({ property }) => property)
    const [options] = readOptions(properties, [TEST_OPTIONS], context, diagnostics)
    if (diagnostics.problems.length > before) continue
    const loose = all
      .filter(({ property }) => EXPECTATIONS.includes(property.key.toLowerCase()))
      .map(({ isGroup }) => isGroup)
    const test = testOf(section, options as unknown as OptionsOf<typeof TEST_OPTIONS>, loose)
    const missing =
      test.lines.length === 0
        ? 'it has no Line and no Record'
        : test.expectations.length === 0 && test.output === undefined
          ? 'it expects nothing: it has no Expect, no Contains and no Output'
          : undefined
    if (missing === undefined) tests.push(test)
    else
      diagnostics.problems.push(
        problem('E_CONFIG_MISSING_OPTION', `[test ${test.name}] ${missing}`, section.location, ''),
      )
  }
  return tests
}

const EXPECTATIONS = ['expect', 'contains']

function testOf(
  section: Section,
  options: OptionsOf<typeof TEST_OPTIONS>,
  loose: readonly boolean[],
): TestCase {
  const { line, expect, time, output, ...rest } = options
  return {
    ...rest,
    section,
    lines: line.map(split).map(({ name, text }) => ({ isRecord: name === 'record', text })),
    expectations: expect.map(split).map(({ name, text }, i) => ({
      isExact: name === 'expect',
      isLoose: loose[i] === true,
      text,
    })),
    output: output.length === 0 ? undefined : output.flat(),
    timeMs: timeOf(time) ?? 0,
  }
}

/** Splits a value that begins with the name that was written. */
function split(named: string): { name: string; text: string } {
  const at = named.indexOf(' ')
  return { name: named.slice(0, at), text: named.slice(at + 1) }
}

const SECONDS = /^\d+(?:\.\d+)?$/

function timeOf(text: string): number | undefined {
  const ms = SECONDS.test(text) ? Number(text) * 1000 : Date.parse(text)
  return Number.isFinite(ms) && ms >= 0 && ms < 2 ** 32 * 1000 ? ms : undefined
}

/** Returns a check of values whose name is one of these: they have to be JSON objects. */
function checkNamed(names: readonly string[]): (value: unknown) => InvalidValue | undefined {
  return (value) => {
    const { name, text } = split(String(value))
    return names.includes(name) ? checkObject(text) : undefined
  }
}

function checkObject(text: string): InvalidValue | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return undefined
    return { must: 'a JSON object' }
  } catch (error) {
    return { must: 'a JSON object', reason: (error as Error).message }
  }
}
