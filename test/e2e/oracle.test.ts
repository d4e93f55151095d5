import { expect, test } from 'bun:test'
import { type OracleCase, oracleCases } from '../support/oracle/case.ts'
import { type Verdict, verdictOf } from '../support/oracle/compare.ts'
import { runCase } from '../support/oracle/run.ts'

/**
 * Cases in which the outcome is not that of fluent-bit, each with the reason. Those whose plugins are not there are not listed: the
 * list of them is src/config/fluent-bit-plugins.ts.
 */
const DIFFERENCES: Record<string, Record<string, readonly [Verdict, string]>> = {
  'config.classic': {
    'classic/four-blanks-and-two': ['fault', 'the indent of a section is that of its first option'],
    'classic/bom': ['fault', 'a byte order mark is passed over'],
    'classic/parsers-in-main': ['fault', 'a [PARSER] may stand in the main file'],
    'classic/size-1k': ['fault', 'Buffer_Max_Size is at least 1024'],
    'classic/size--1': ['fault', 'a size is not negative'],
  },
  'config.yaml': {
    'yaml/empty-filters': ['fault', 'a list may be empty'],
    'yaml/multiline-parsers-section': ['differs', 'a line feed in a text is escaped by the output stdout'],
  },
  'yaml.processors': {
    'yaml/processor-content_modifier-extract-no-match': [
      'fault',
      'a record that does not fit stays, and so do the next',
    ],
    'yaml/processor-content_modifier-convert-boolean': ['fault', 'a text that is no boolean stays as it is'],
    'yaml/processor-content_modifier-convert-string': ['fault', 'null stays null'],
    'yaml/processor-condition-eq-number': [
      'fault',
      'a number, and a text that is one, is equal to the same number',
    ],
    'yaml/processor-condition-lt': [
      'fault',
      'a missing field is not less than a number, and 1.5 is less than 2',
    ],
    'yaml/processor-condition-and-two': ['fault', 'a number is equal to the same number'],
  },
  'yaml.routes': {
    'yaml/routes-no-condition': [
      'fault',
      'refused: the second output has no Match and no route, so it would get nothing; with a Match the route takes every record',
    ],
    'yaml/routes-unknown-output': ['fault', 'refused: a route names an output that is not there'],
  },
  'record-accessor': {
    'accessor/dot': ['fault', 'what follows a dot is part of the key'],
    'accessor/trailing-dot': ['fault', 'a dot is part of the key'],
    'accessor/empty': ['fault', 'refused: there is no key'],
    'accessor/empty-bracket': ['fault', 'a key under something that is no map is missing'],
    'accessor/quote-in-key': ['fault', 'a key under something that is no map is missing'],
    'accessor/list-negative': ['fault', 'refused: an index is not negative'],
  },
}

const MAX_AT_ONCE = 6
const EXPECTED: readonly Verdict[] = ['exact', 'same', 'better', 'absent']

for (const [kind, differences] of Object.entries(DIFFERENCES)) {
  test(`${kind}: the outcome is that of fluent-bit, but for the listed differences`, async () => {
    const found: Record<string, Verdict> = {}
    const details: string[] = []
    await forAll(oracleCases(kind), async (oracle) => {
      const { got, stderr } = await runCase(oracle)
      const verdict = verdictOf(oracle, got, stderr)
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

/** Handles the cases, some at the same time. */
async function forAll(cases: OracleCase[], handle: (oracle: OracleCase) => Promise<void>): Promise<void> {
  const rest = cases.values()
  const worker = async (): Promise<void> => {
    for (const oracle of rest) await handle(oracle)
  }
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, worker))
}
