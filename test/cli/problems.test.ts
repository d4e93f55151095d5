import { expect, test } from 'bun:test'
import { errorLine, problemsText, warningLine } from '../../src/cli/problems.ts'
import { ShipperError } from '../../src/core/error.ts'

const bad = (message: string): ShipperError =>
  new ShipperError('E_CONFIG_BAD_VALUE', message, {
    hint: 'mend it',
    location: { file: 'a.conf', line: 1, col: 2 },
  })

test('a problem is one line with its place and what to do, whatever its value holds', () => {
  expect(errorLine(bad('not "a\nb\x1b[2J"'))).toBe('a.conf:1:2: not "a\\nb\\x1b[2J"; mend it')
  expect(errorLine(bad('x'.repeat(10_000)))).toBe(`a.conf:1:2: ${'x'.repeat(500)}...; mend it`)
  expect(errorLine(new TypeError('a\nb'))).toBe('shipper: a\\nb')
  expect(warningLine('a.conf:1:2: odd\n')).toBe('a.conf:1:2: odd\\n (warning)')
})

test('problems are followed by their number', () => {
  expect(problemsText([bad('a')])).toEndWith('\nshipper: 1 problem in the configuration: not started\n')
  expect(problemsText([bad('a'), bad('b')]).split('\n')).toHaveLength(4)
  const many = problemsText(Array.from({ length: 5000 }, () => bad('a')))
  expect(many.split('\n')).toHaveLength(102)
  expect(many).toEndWith('\nshipper: 5000 problems in the configuration, 100 of them shown: not started\n')
})
