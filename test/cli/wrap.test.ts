import { expect, test } from 'bun:test'
import { wrap } from '../../src/cli/wrap.ts'
import { fc } from '../support/property.ts'

const word = fc.string({ unit: fc.constantFrom('a', 'b', '-'), minLength: 1, maxLength: 12 })

test('text is wrapped at words and indented', () => {
  expect(wrap('one two three four', 11, 2)).toBe('  one two\n  three\n  four\n')
  expect(wrap('  ', 10, 2)).toBe('')
})

test('no word is lost, and only a word longer than a line exceeds the width', () => {
  fc.assert(
    fc.property(
      fc.array(word),
      fc.integer({ min: 4, max: 30 }),
      fc.integer({ min: 0, max: 4 }),
      (words, width, indent) => {
        const lines = wrap(words.join(' '), width, indent).split('\n')
        expect(lines.flatMap((line) => line.trim().split(' ')).filter((w) => w !== '')).toEqual(words)
        for (const line of lines) expect(line.length <= width || !line.trim().includes(' ')).toBe(true)
      },
    ),
  )
})
