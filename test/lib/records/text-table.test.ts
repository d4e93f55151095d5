import { expect, test } from 'bun:test'
import { TextTable } from '../../../src/lib/records/text-table.ts'
import { fc } from '../../support/property.ts'

function numberOf(table: TextTable, text: string): number {
  const buf = Buffer.from(`..${text}..`)
  const end = buf.length - 2
  const known = table.find(buf, 2, end)
  return known >= 0 ? known : table.add(buf, 2, end)
}

test('equal texts have one number, and the numbers are in the order of first appearance', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 4 }), { maxLength: 300 }), (texts) => {
      const table = new TextTable()
      const expected = [...new Set(texts)]
      expect(texts.map((text) => numberOf(table, text))).toEqual(texts.map((text) => expected.indexOf(text)))
      expect(table.size).toBe(expected.length)
    }),
  )
})

test('a hundred thousand texts are found again, and none after clear', () => {
  const table = new TextTable()
  for (let i = 0; i < 100_000; i++) expect(numberOf(table, `user-${i}`)).toBe(i)
  for (let i = 0; i < 100_000; i += 777) expect(numberOf(table, `user-${i}`)).toBe(i)
  table.clear()
  expect([table.size, numberOf(table, 'user-5')]).toEqual([0, 0])
})
