import { expect, test } from 'bun:test'
import { Patterns } from '../../../../src/plugins/filters/checklist/patterns.ts'
import { fc } from '../../../support/property.ts'

const piece = fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'é', '%', ' '), maxLength: 6 })
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'é', '%', ' '), maxLength: 14 })

function matches(patterns: Patterns, value: string): boolean {
  // What is before and after the value must not count.
  const buf = Buffer.from(`ab${value}ba`)
  return patterns.match(buf, 2, buf.length - 2)
}

const BLANKS = / +$/
const PERCENTS = /^%+/
const LAST_PERCENTS = /%+$/
const lower = (value: string): string => value.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

test('exact: as a list that is searched line by line', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), text, fc.boolean(), (lines, value, ignoreCase) => {
      const fold = ignoreCase ? lower : (each: string) => each
      const used = lines.filter((line) => line !== '').map(fold)
      const expected = used.some(
        (line) => line === fold(value) || (value !== '' && line.replace(BLANKS, '') === fold(value)),
      )
      expect(matches(new Patterns(Buffer.from(lines.join('\n')), 'exact', ignoreCase), value)).toBe(expected)
    }),
  )
})

test('partial: as starts and parts that are searched for line by line', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), text, fc.boolean(), (lines, value, ignoreCase) => {
      const fold = ignoreCase ? lower : (each: string) => each
      const isHit = (line: string): boolean => {
        const core = line.replace(PERCENTS, '').replace(LAST_PERCENTS, '')
        if (core === '') return true
        if (line.startsWith('%')) return fold(value).includes(core)
        const whole = core.replace(BLANKS, '')
        return fold(value).startsWith(core) || (whole !== '' && fold(value) === whole)
      }
      const expected = lines
        .filter((line) => line !== '')
        .map(fold)
        .some(isHit)
      expect(matches(new Patterns(Buffer.from(lines.join('\n')), 'partial', ignoreCase), value)).toBe(
        expected,
      )
    }),
  )
})

test('the automaton has a state for each different start of its patterns, and none beyond the end of one', () => {
  const states = (lines: string): number => new Patterns(Buffer.from(lines), 'partial', false).sizes.states
  expect(states('%abc\n%abd\n')).toBe(1 + 4)
  expect(states('%ab\n%abcdef\n')).toBe(1 + 2)
  expect(states('abc\n')).toBe(0)
})

test('the automaton finds patterns that overlap, as a search for each of them does', () => {
  const letters = (maxLength: number, minLength: number) =>
    fc.string({ unit: fc.constantFrom('a', 'b'), minLength, maxLength })
  fc.assert(
    fc.property(fc.array(letters(6, 1), { minLength: 1, maxLength: 6 }), letters(20, 0), (lines, value) => {
      const patterns = new Patterns(Buffer.from(lines.map((line) => `%${line}`).join('\n')), 'partial', false)
      expect(matches(patterns, value)).toBe(lines.some((line) => value.includes(line)))
    }),
  )
})
