import { expect, test } from 'bun:test'
import {
  ALIAS_FLAGS,
  FLAGS,
  IGNORED_FLAGS,
  type Request,
  UNSUPPORTED_FLAGS,
} from '../../src/cli/arguments.ts'
import { plainArguments } from '../../src/cli/plain-arguments.ts'
import { makeProgram, parseWith } from '../../src/cli/program.ts'
import { fc } from '../support/property.ts'

/** Every spelling of every flag. */
const NAMES = [...FLAGS, ...ALIAS_FLAGS, ...IGNORED_FLAGS, ...UNSUPPORTED_FLAGS].flatMap(([text]) =>
  text.split(' ').flatMap((word) => (word.startsWith('-') ? [word.replace(',', '')] : [])),
)
const VALUES = ['tail', 'forward://h:1', 'path=/a b', 'k=-1', '-', '--', '-p', '-x', '--daemon', '5', '', '=']
const WORDS = ['version', 'status', '--nothing', '-fv', '-f0.5', '--flush=1', '-Dv', '-h']

interface Outcome {
  request?: Request
  /** Message of the error. */
  error?: string
}

function outcomeOf(parse: () => Request | undefined): Outcome | undefined {
  try {
    const request = parse()
    return request && { request }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

function byCommander(args: string[]): Outcome & { operands: string[] } {
  const program = makeProgram()
  const outcome = outcomeOf(() => parseWith(program, args)) as Outcome
  return { ...outcome, operands: [...program.args] }
}

test('a command line of plain flags means what it means to commander', () => {
  const flag = fc.constantFrom(...NAMES)
  const value = fc.constantFrom(...VALUES)
  const part = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(flag, value) },
    { weight: 4, arbitrary: fc.tuple(flag) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...WORDS)) },
  )
  const line = fc.array(part, { maxLength: 5 }).map((parts) => parts.flat())
  const begun = line.map((args) => ['-i', 'tail', ...args])
  let read = 0
  fc.assert(
    fc.property(fc.oneof(line, begun), (args) => {
      const plain = outcomeOf(() => plainArguments(args))
      if (plain === undefined) return
      read++
      expect<Outcome & { operands: string[] }>({ ...plain, operands: [] }).toEqual(byCommander(args))
    }),
    { numRuns: 1000 },
  )
  expect(read).toBeGreaterThan(0)
})

test('every flag is read without commander, but for help', () => {
  for (const [text] of [...FLAGS, ...ALIAS_FLAGS, ...IGNORED_FLAGS]) {
    const name = text.split(/,? /)[0] as string
    const stage = name === '-m' ? ['-o', 'null'] : ['-i', 'tail']
    const args = [
      ...stage,
      name,
      ...(text.endsWith('>') ? [name === '--config-format' ? 'yaml' : 'k=v'] : []),
    ]
    expect([name, plainArguments(args) !== undefined]).toEqual([name, name !== '-h'])
  }
})

test.each([
  [['version']],
  [['-i']],
  [['-i', 'tail', '-f1']],
  [['-Dv']],
  [['--flush=1']],
  [['-h']],
  [['--x']],
  [[]],
])('%j is left to commander', (args) => {
  expect(plainArguments(args)).toBeUndefined()
})
