import { expect, test } from 'bun:test'
import { KeyTable, PrefixTable } from '../../../src/lib/records/key-table.ts'
import { fc } from '../../support/property.ts'

const key = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('', 'a', 'A', 'ab', 'AB', 'abc', '@', '`'))
/** ASCII letters only, unlike toLowerCase. */
const lower = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
const same = (text: string): string => text

test('property: a key is found in a table when it is one of its keys', () => {
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 40 }), key, fc.boolean(), (keys, wanted, ignoresCase) => {
      const fold = ignoresCase ? lower : same
      const table = new KeyTable(
        keys.map((text) => Buffer.from(text)),
        ignoresCase,
      )
      const buf = Buffer.from(`..${wanted}..`)
      const found = table.find(buf, 2, buf.length - 4)
      if (found < 0) expect(keys.map(fold)).not.toContain(fold(wanted))
      else expect(fold(keys[found] as string)).toBe(fold(wanted))
    }),
    { numRuns: 1000 },
  )
})

test('property: a key begins with a prefix of a table as with that text', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 5 }), key, fc.boolean(), (prefixes, wanted, ignoresCase) => {
      const fold = ignoresCase ? lower : same
      const table = new PrefixTable(
        prefixes.map((text) => Buffer.from(text)),
        ignoresCase,
      )
      const buf = Buffer.from(`..${wanted}abc`)
      const expected = prefixes.some((prefix) => fold(wanted).startsWith(fold(prefix)))
      expect(table.matches(buf, 2, buf.length - 5)).toBe(expected)
    }),
    { numRuns: 1000 },
  )
})
