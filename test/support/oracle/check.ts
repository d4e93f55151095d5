import { expect, test } from 'bun:test'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { start } from '../process.ts'
import { tmp } from '../tmp.ts'
import { type OracleCase, oracleCases } from './case.ts'
import { type Rewrite, type Verdict, verdictOf } from './compare.ts'
import { runCase } from './run.ts'
import { bulkForm, caseIn, lokiForm } from './store-forms.ts'

/**
 * Cases in which the outcome is not that of fluent-bit, by kind, each with the reason. A case whose plugin is not there counts as
 * expected: the list of those plugins is src/config/fluent-bit-plugins.ts.
 */
export type Differences = Record<string, Record<string, readonly [Verdict, string]>>

/** Fluent-bit loses these messages, as it does in cases whose outcome counts as a fault, or refuses what can run. */
export const STATED = 'stated in docs/DELIVERY.md, What differs from fluent-bit'

/** What differs in every case of a kind, and is replaced on both sides before they are compared. */
const EVERYWHERE: Record<string, readonly Rewrite[]> = {
  // Objects are written only if there is none with their key, and the header that says so is signed.
  'output.s3': [[/;if-none-match(?=;)/g, '']],
}

/** Options with which an output sends what fluent-bit sends, where its defaults are others, as its page says. */
const FORM_OPTIONS: Record<string, readonly string[]> = {
  'output.es': ['Generate_ID off', 'Suppress_Type_Name off'],
  'output.opensearch': ['Generate_ID off', 'Suppress_Type_Name off'],
  'output.loki': ['Format json'],
  'output.opentelemetry': ['Logs_Body_Key_Attributes off', 'Logs_Severity_Keys none'],
}

/** Returns the case with options of the output that it does not have. */
function withOptions(oracle: OracleCase, options: readonly string[] = []): OracleCase {
  const config = oracle.config.toLowerCase()
  const lines = options.filter((option) => !config.includes(option.split(' ')[0]?.toLowerCase() ?? ''))
  if (lines.length === 0) return oracle
  return { ...oracle, config: `${oracle.config.trimEnd()}\n${lines.map((line) => `    ${line}\n`).join('')}` }
}

const MAX_AT_ONCE = 6
const EXPECTED: readonly Verdict[] = ['exact', 'same', 'better', 'absent']

/** Makes a test of the cases of each kind. */
export function testKinds(all: Differences): void {
  for (const [kind, differences] of Object.entries(all)) testKind(kind, differences)
}

function testKind(kind: string, differences: Differences[string]): void {
  test(`${kind}: the outcome is that of fluent-bit, but for the listed differences`, async () => {
    if (kind === 'input.proc') startWatched()
    const found: Record<string, Verdict> = {}
    const details: string[] = []
    await forAll(oracleCases(kind), async (oracle) => {
      const { got, stderr } = await runCase(withOptions(oracle, FORM_OPTIONS[kind]))
      const isBulk = kind === 'output.es' || kind === 'output.opensearch'
      const form = isBulk ? bulkForm : kind === 'output.loki' ? lokiForm : undefined
      const verdict =
        form === undefined
          ? verdictOf(oracle, got, stderr, EVERYWHERE[kind])
          : verdictOf(caseIn(form, oracle), form(got), stderr)
      if (EXPECTED.includes(verdict)) return
      found[oracle.name] = verdict
      if (differences[oracle.name]?.[0] !== verdict)
        details.push(`${oracle.name}: ${JSON.stringify(oracle.got)}, not ${JSON.stringify(got)}\n${stderr}`)
    })
    const listed = Object.fromEntries(Object.entries(differences).map(([name, [verdict]]) => [name, verdict]))
    expect(details).toEqual([])
    expect(found).toEqual(listed)
  })
}

/** Starts a process under the name that the cases of the input proc watch; it ends with the test. */
function startWatched(): void {
  const path = join(tmp(), 'python3')
  symlinkSync('/bin/sleep', path)
  start(['600'], { command: [path] })
}

/** Handles the cases, some at the same time. */
async function forAll(cases: OracleCase[], handle: (oracle: OracleCase) => Promise<void>): Promise<void> {
  const rest = cases.values()
  const worker = async (): Promise<void> => {
    for (const oracle of rest) await handle(oracle)
  }
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, worker))
}
