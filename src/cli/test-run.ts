import { inputsOf } from '../agent/route-path.ts'
import { outcomeOf, type TrialOutcome } from '../agent/trial/outcome.ts'
import { runTrial } from '../agent/trial/trial.ts'
import type { Diagnostics } from '../config/config-tree.ts'
import { tagsOf } from '../config/route-check.ts'
import { type TestCase, testsOf } from '../config/test-sections.ts'
import { formatLocation, messageOf, ShipperError } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import { MASK, maskJson, maskValue } from '../core/mask-secrets.ts'
import type { InputPlan, Plan } from '../core/plan.ts'
import { isSecretPath } from '../core/secret-names.ts'
import { didYouMean } from '../lib/text/did-you-mean.ts'
import type { Request } from './arguments.ts'
import { loadWithTree } from './load.ts'
import { problemsText } from './problems.ts'
import { print } from './stdout.ts'
import { VERSION } from './version.ts'

const INDENT = '        '
/** Records that are shown when an output gets some that it should not. */
const MAX_SHOWN_RECORDS = 3

/** Runs the tests in a configuration and prints their results; resolves with 0 when all have passed. */
export async function runTests(request: Request): Promise<number> {
  const { tree, result } = await loadWithTree(request)
  const found: Diagnostics = { problems: [], warnings: [] }
  const tests = testsOf(tree, found)
  const problems = [...result.problems, ...found.problems]
  const { plan } = result
  if (problems.length > 0 || plan === undefined) {
    process.stderr.write(problemsText(problems, result.missing))
    return 1
  }
  if (tests.length === 0)
    throw new ShipperError('E_CLI_USAGE', `there are no tests in ${request.config}`, {
      hint: 'add a section [TEST], in YAML an entry of `tests:`',
    })
  let failed = 0
  for (const test of tests) {
    const failures = await failuresOf(plan, test)
    if (failures.length > 0) failed++
    await print(resultText(test, failures))
  }
  await print(`${tests.length - failed} passed, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
}

function resultText({ name, section }: TestCase, failures: readonly string[]): string {
  if (failures.length === 0) return `ok      ${escapeControls(name)}\n`
  const lines = failures.map((line) => `${INDENT}${line}\n`)
  return `FAILED  ${escapeControls(`${name}  (${formatLocation(section.location)})`)}\n${lines.join('')}`
}

/** Runs a test and returns what is not as expected; none when it has passed. */
async function failuresOf(plan: Plan, test: TestCase): Promise<string[]> {
  try {
    const { outcome, notes, ends } = await outcomeOfTest(plan, test)
    const names = plan.outputs.map(({ name }) => name)
    const failures = [
      ...ends.map(escapeControls),
      ...recordFailures(test, outcome),
      ...outputFailures(test, outcome, names),
    ]
    return failures.length === 0 ? [] : [...failures, ...notes.map(escapeControls)]
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    return [escapeControls(messageOf(error))]
  }
}

async function outcomeOfTest(
  plan: Plan,
  test: TestCase,
): Promise<{ outcome: TrialOutcome; notes: string[]; ends: string[] }> {
  const { tag, input } = sourceOf(plan, test)
  const isJson = test.lines.some(({ isRecord }) => isRecord)
  if (isJson && !test.lines.every(({ isRecord }) => isRecord))
    throw new ShipperError('E_CLI_USAGE', 'it has both Line and Record: use one of them')
  const { traces, notes, ends } = await runTrial(plan, {
    lines: test.lines.map(({ text }) => Buffer.from(text)),
    tag,
    input,
    isJson,
    nowMs: test.timeMs,
    version: VERSION.version,
    given: test.kubernetes === undefined ? {} : { kubernetes: JSON.parse(test.kubernetes) },
  })
  const without = traces.flatMap(({ steps }) =>
    steps.filter(({ note }) => note?.startsWith('without ')).map(({ stage, note }) => `${stage} ran ${note}`),
  )
  return { outcome: outcomeOf(traces), notes: [...notes, ...new Set(without)], ends }
}

function sourceOf(plan: Plan, test: TestCase): { tag: string; input: InputPlan | undefined } {
  const named = plan.inputs.find(({ name }) => name === test.input)
  const inputNames = plan.inputs.map(({ name }) => name)
  if (test.input !== undefined && named === undefined)
    throw new ShipperError(
      'E_CLI_USAGE',
      `there is no input "${test.input}"${didYouMean(test.input, inputNames)}`,
    )
  const candidates = named === undefined ? plan.inputs : [named]
  const [only] = candidates
  const tag = test.tag ?? (candidates.length === 1 && only !== undefined ? (tagsOf(only)[0] ?? '*') : '*')
  if (tag.includes('*') || tag.includes('<'))
    throw new ShipperError('E_CLI_USAGE', tagNeeded(test, candidates, tag))
  return { tag, input: named ?? inputsOf(plan, tag)[0] }
}

/** Says why a test has no tag; `tag` is the pattern that it would have. */
function tagNeeded({ tag: given }: TestCase, inputs: readonly InputPlan[], tag: string): string {
  if (given !== undefined) return `Tag ${tag} is a pattern: set one tag`
  const [only] = inputs
  if (inputs.length === 1 && only?.common.tag !== undefined)
    return `set Tag: the tag of ${only.name}, ${tag}, is a pattern`
  if (inputs.length === 1) return `set Tag: the senders of ${only?.name} choose the tags`
  return 'set Tag or Input: there are several inputs'
}

function recordFailures({ expectations }: TestCase, { records }: TrialOutcome): string[] {
  if (expectations.length === 0) return []
  const failures = expectations.flatMap(({ isExact, isLoose, text }, i) => {
    const record = records[i]
    const title = `record ${i + 1}`
    if (record === undefined) return [`${title} is missing: expected ${shown(text)}`]
    const actual = JSON.parse(record.json) as Record<string, unknown>
    const differences = isExact
      ? differencesOf(JSON.parse(text), actual, { isExact, isLoose })
      : lacks(text, actual, isLoose)
    if (differences.length === 0) return []
    return [`${title} is ${maskJson(record.json)}`, ...differences.map((line) => `  ${line}`)]
  })
  for (const [i, { json }] of records.entries())
    if (i >= expectations.length) failures.push(`record ${i + 1} is not expected: ${maskJson(json)}`)
  return failures
}

function shown(text: string): string {
  return escapeControls(text.startsWith('{') ? maskJson(text) : maskValue('', text))
}

/** Returns what a record lacks of `Contains`: a JSON object, `field=text`, or the name of a field. */
function lacks(text: string, actual: Record<string, unknown>, isLoose: boolean): string[] {
  if (text.startsWith('{')) {
    try {
      return differencesOf(JSON.parse(text), actual, { isExact: false, isLoose })
    } catch (error) {
      return [`Contains ${shown(text)} is not a JSON object: ${messageOf(error)}`]
    }
  }
  const [field = '', ...rest] = text.split('=')
  const value = valueAt(actual, field)
  if (value === undefined) return [`the field ${escapeControls(field)} is missing`]
  const expected = rest.join('=')
  if (!text.includes('=') || asText(value) === expected) return []
  return [difference(field, maskJson(JSON.stringify(expected)), maskJson(JSON.stringify(asText(value))))]
}

/** Returns the value of a field; a name with dots may lead into maps. */
function valueAt(record: Record<string, unknown>, field: string): unknown {
  if (Object.hasOwn(record, field)) return record[field]
  let value: unknown = record
  for (const part of field.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

interface Comparison {
  /** True when further fields are differences. */
  isExact: boolean
  /** True when `5` and `"5"` are equal. */
  isLoose: boolean
}

/** Returns the differences between two values, each with the path of its field. */
function differencesOf(expected: unknown, actual: unknown, how: Comparison, path = ''): string[] {
  if (isMap(expected) && isMap(actual)) {
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
    const lines = Object.keys(expected).flatMap((name) =>
      Object.hasOwn(actual, name)
        ? differencesOf(expected[name], actual[name], how, at(name))
        : [`${at(name)} is missing: expected ${shownValue(at(name), expected[name])}`],
    )
    if (!how.isExact) return lines
    const more = Object.keys(actual).filter((name) => !Object.hasOwn(expected, name))
    return [
      ...lines,
      ...more.map(
        (name) => `${escapeControls(at(name))} is not expected: ${shownValue(at(name), actual[name])}`,
      ),
    ]
  }
  if (JSON.stringify(sorted(expected)) === JSON.stringify(sorted(actual))) return []
  if (how.isLoose && asText(expected) === asText(actual)) return []
  return [difference(path, shownValue(path, expected), shownValue(path, actual))]
}

function difference(path: string, expected: string, actual: string): string {
  const isSecret = isSecretPath(path)
  return escapeControls(`${path}: expected ${isSecret ? MASK : expected}, got ${isSecret ? MASK : actual}`)
}

function shownValue(path: string, value: unknown): string {
  return isSecretPath(path) ? MASK : escapeControls(maskJson(JSON.stringify(value)))
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns a value whose maps have their keys in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isMap(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

function outputFailures(
  { output }: TestCase,
  { outputs, records, refusals }: TrialOutcome,
  names: readonly string[],
): string[] {
  if (output === undefined) return []
  const expected = output.filter((name) => name !== 'none')
  const failures = expected
    .filter((name) => !outputs.includes(name))
    .map((name) => {
      if (!names.includes(name)) return escapeControls(`there is no output ${name}${didYouMean(name, names)}`)
      const refusal = refusals.get(name)
      return `the output ${name} gets no record${refusal === undefined ? '' : `: it ${escapeControls(refusal)}`}`
    })
  const shownRecords = records.slice(0, MAX_SHOWN_RECORDS).map(({ json }) => `  ${maskJson(json)}`)
  for (const name of outputs)
    if (!expected.includes(name))
      failures.push(`the output ${name} also gets records, and Output does not name it:`, ...shownRecords)
  return failures
}
