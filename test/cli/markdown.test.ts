import { expect, test } from 'bun:test'
import { terminalText } from '../../src/cli/markdown.ts'
import { registry } from '../../src/registry.ts'

test('paragraphs are wrapped, and bold text and links lose their signs', () => {
  expect(terminalText('**Bold** text\nwith [a link](page.md#part) in it.\n\nSecond.', 20)).toBe(
    'Bold text with a\nlink in it.\n\nSecond.\n',
  )
})

test('code keeps its lines', () => {
  expect(terminalText('Before:\n\n```lua\nif a then\n    b()\n\nend\n```\n\nAfter.', 10)).toBe(
    'Before:\n\n  if a then\n      b()\n\n  end\n\nAfter.\n',
  )
})

test('a block of code without an end reaches to the end of the text', () => {
  expect(terminalText('```\na\nb', 10)).toBe('  a\n  b\n')
  expect(terminalText('```', 10)).toBe('')
})

test('the columns of a table are aligned, and its last cells wrapped', () => {
  expect(terminalText('| a | b |\n|---|---|\n| -1 | one two three |\n| `x\\|y` | z |', 20)).toBe(
    '  a      b\n  -1     one two\n         three\n  `x|y`  z\n',
  )
})

test('a last cell stands below the others when these need most of the width', () => {
  expect(terminalText('| rule | effect |\n|---|---|\n| a_long_name | one two three |', 20)).toBe(
    '  rule\n    effect\n  a_long_name\n    one two three\n',
  )
})

test('items of a list begin a line each', () => {
  expect(terminalText('In it:\n- one two\n  three\n- four', 12)).toBe('In it:\n- one two\n  three\n- four\n')
})

test('no description of a plugin leaves fences, table rules or bold signs, nor lines that are too wide', async () => {
  for (const kind of ['input', 'parser', 'filter', 'output'] as const)
    for (const name of registry.names(kind)) {
      const { description = '' } = (await registry.find(kind, name)) ?? {}
      const text = terminalText(description, 80)
      const left = text.split('\n').filter((line) => /```|^\s*\||\*\*|\]\(/.test(line))
      expect({ name, left }).toEqual({ name, left: [] })
      const wide = text.split('\n').filter((line) => line.length > 80 && /^\S/.test(line))
      expect({ name, wide: wide.filter((line) => line.includes(' ')) }).toEqual({ name, wide: [] })
    }
})
