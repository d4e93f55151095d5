import { expect, test } from 'bun:test'
import { errorLine, problemsText, warningLine, warningsText } from '../../src/cli/problems.ts'
import { ShipperError } from '../../src/core/error.ts'

const invalid = (message: string): ShipperError =>
  new ShipperError('E_CONFIG_BAD_VALUE', message, {
    hint: 'fix it',
    location: { file: 'a.conf', line: 1, col: 2 },
  })

test('a problem is one line with position and hint, whatever its value contains', () => {
  expect(errorLine(invalid('not "a\nb\x1b[2J"'))).toBe('a.conf:1:2: not "a\\nb\\x1b[2J"; fix it')
  expect(errorLine(invalid('x'.repeat(10_000)))).toBe(`a.conf:1:2: ${'x'.repeat(500)}...; fix it`)
  expect(errorLine(new TypeError('a\nb'))).toBe('shipper: a\\nb')
  expect(warningLine('a.conf:1:2: unusual\n')).toBe('a.conf:1:2: unusual\\n (warning)')
})

test('problems are followed by their number', () => {
  expect(problemsText([invalid('a')])).toEndWith('\nshipper: 1 problem in the configuration: not started\n')
  expect(problemsText([invalid('a'), invalid('b')]).split('\n')).toHaveLength(4)
  const many = problemsText(Array.from({ length: 5000 }, () => invalid('a')))
  expect(many.split('\n')).toHaveLength(102)
  expect(many).toEndWith('\nshipper: 5,000 problems in the configuration, the first 100 shown: not started\n')
})

test('missing plugins are summed up before the number of problems', () => {
  const place = { file: 'a.conf', line: 1, col: 1 }
  const missing = [{ kind: 'output' as const, name: 'es', places: [place, place], standIn: '' }]
  expect(
    problemsText([invalid('a')], missing)
      .split('\n')
      .slice(1),
  ).toEqual([
    'shipper: missing: output es (2 sections)',
    'shipper: 1 problem in the configuration: not started',
    '',
  ])
})

test('warnings do not hide problems: then only the first ones are shown', () => {
  const warnings = Array.from({ length: 25 }, (_, i) => `a.conf:${i}:1: w`)
  expect(warningsText(warnings, false).split('\n')).toHaveLength(26)
  const shown = warningsText(warnings, true).split('\n')
  expect(shown).toHaveLength(22)
  expect(shown.at(-2)).toBe('shipper: 5 more warnings not shown')
})
