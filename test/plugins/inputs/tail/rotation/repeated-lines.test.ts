import { expect, test } from 'bun:test'
import { areRepeated } from '../../../../../src/plugins/inputs/tail/rotation/repeated-lines.ts'

test.each([
  ['equal lines', 'a\na\n', true],
  ['equal lines after a header', 'time,value\na\na\na\n', true],
  ['equal lines, the last of which is incomplete', 'a\na\na', true],
  ['few different lines', 'a\nb\nb\na\n', true],
  ['a stack trace', 'error\n  at a\n  at b\n  at b\n  at c\n', false],
  ['different lines', 'a 1\na 2\na 3\n', false],
  ['one line', 'a\n', false],
  ['no complete line', 'a', false],
])('%s identify a file or not', (_, text, isRepeated) => {
  expect(areRepeated(Buffer.from(text))).toBe(isRepeated)
})
