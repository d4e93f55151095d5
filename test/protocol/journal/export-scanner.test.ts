import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { Budget } from '../../../src/engine/budget.ts'
import {
  type ExportLimits,
  FIELD_STRIDE,
  NAME,
  NAME_END,
  VALUE,
  VALUE_END,
} from '../../../src/protocol/journal/export-fields.ts'
import { ExportScanner } from '../../../src/protocol/journal/export-scanner.ts'
import { exportEntry, type Field, needsLength } from '../../support/journal/export.ts'
import { fc } from '../../support/property.ts'

const WIDE: ExportLimits = { maxFields: 8000, maxFieldBytes: 1e6, maxEntryBytes: 4e6, stripUnderscore: false }

interface Entry {
  fields: [string, string][]
  cursor: string
  us: number
  bytes: number
  truncated: number
  dropped: number
  followsIncomplete: boolean
}

function scanner(
  limits: Partial<ExportLimits> = {},
  blockBytes = 131_072,
): { scan: ExportScanner; budget: Budget } {
  const budget = new Budget(100_000_000, 262_144)
  return { scan: new ExportScanner({ ...WIDE, ...limits }, budget.account(100_000_000), blockBytes), budget }
}

/** Scans `stream`, which arrives in pieces that end at `splits`, and returns its entries. */
function entries(stream: Buffer, splits: number[], limits: Partial<ExportLimits> = {}): Entry[] {
  const { scan, budget } = scanner(limits, 48)
  const found: Entry[] = []
  let from = 0
  for (const to of [...splits.toSorted((a, b) => a - b), stream.length]) {
    const piece = Buffer.from(stream.subarray(from, Math.max(from, to)))
    from = Math.max(from, to)
    for (let at = 0; at < piece.length; ) {
      at = scan.push(piece, at)
      while (scan.next()) found.push(entryOf(scan))
    }
    piece.fill(0xee)
  }
  scan.close()
  expect(budget.used).toBe(0)
  return found
}

function entryOf(scan: ExportScanner): Entry {
  const { buf, fields } = scan
  const text = (from = 0, to = 0): string => buf.toString('latin1', from, to)
  const found = Array.from({ length: scan.fieldCount }, (_, i): [string, string] => {
    const at = i * FIELD_STRIDE
    return [text(fields[at + NAME], fields[at + NAME_END]), text(fields[at + VALUE], fields[at + VALUE_END])]
  })
  return {
    fields: found,
    cursor: text(scan.cursorStart, scan.cursorEnd),
    us: scan.realtimeUs,
    bytes: scan.entryBytes,
    truncated: scan.truncatedValues,
    dropped: scan.droppedFields,
    followsIncomplete: scan.followsIncomplete,
  }
}

const name = fc.stringMatching(/^_?[A-Z][A-Z0-9_]{0,15}$/)
const value = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 40 }).map((s) => Buffer.from(s.replaceAll('\n', ' '))) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 80 }).map((b) => Buffer.from(b)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\n', '\n\n', 'a\n\nB=1\n\n', '', 'é'.repeat(40)).map((s) => Buffer.from(s)),
  },
)
const field = fc.tuple(name, value) as fc.Arbitrary<Field>
const someEntries = fc.array(fc.array(field, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 })
const splitting = fc.array(fc.nat(3000), { maxLength: 12 })

const latin1 = ([n, v]: Field): [string, string] => [n, v.toString('latin1')]

describe('the fields of a stream', () => {
  test('every field of every entry is found byte for byte, however the stream is split', () => {
    const property = fc.property(someEntries, splitting, fc.boolean(), (list, splits, allBinary) => {
      const stream = Buffer.concat(list.map((e) => exportEntry(e, allBinary ? () => true : needsLength)))
      const found = entries(stream, splits)
      expect(found.map((e) => e.fields)).toEqual(list.map((e) => e.map(latin1)))
      expect(found.reduce((n, e) => n + e.bytes, 0)).toBe(stream.length)
      expect(found.every((e) => e.truncated + e.dropped === 0)).toBe(true)
    })
    fc.assert(property, { numRuns: 400 })
  })

  test('entries stay within the limits, and are truncated the same however the stream is split', () => {
    const limit = fc.record({
      maxFields: fc.integer({ min: 1, max: 6 }),
      maxFieldBytes: fc.integer({ min: 1, max: 50 }),
      maxEntryBytes: fc.integer({ min: 1, max: 200 }),
    })
    const property = fc.property(someEntries, splitting, limit, (list, splits, limits) => {
      const stream = Buffer.concat(list.map((e) => exportEntry(e)))
      const found = entries(stream, splits, limits)
      expect(found).toEqual(entries(stream, [], limits))
      for (const [i, e] of found.entries()) {
        const sent = list[i]?.map(latin1) ?? []
        expect(e.fields.length + e.dropped).toBe(sent.length)
        expect(e.fields.length).toBeLessThanOrEqual(limits.maxFields)
        const bytes = e.fields.reduce((n, [key, text]) => n + key.length + text.length, 0)
        expect(bytes).toBeLessThanOrEqual(limits.maxEntryBytes)
        expect(e.fields.every(([, text]) => text.length <= limits.maxFieldBytes)).toBe(true)
        const starts = e.fields.filter(([key, text]) =>
          sent.some(([k, t]) => k === key && t.startsWith(text)),
        )
        expect(starts.length).toBe(e.fields.length)
      }
      expect(found.reduce((n, e) => n + e.bytes, 0)).toBe(stream.length)
    })
    fc.assert(property, { numRuns: 400 })
  })
})

test('an entry that was broken off is left out, and the next one has only its own fields', () => {
  const entry = fc.record({
    fields: fc.array(field, { minLength: 1, maxLength: 8 }),
    /** Number of fields that were written before the rest was vacuumed; undefined for a complete entry. */
    written: fc.option(fc.nat(8), { nil: undefined }),
  })
  const list = fc.array(entry, { minLength: 1, maxLength: 8 })
  const property = fc.property(list, splitting, (all, splits) => {
    const stream = all.map(({ fields, written }, i) => {
      const cursor: Field = ['__CURSOR', Buffer.from(`s=1;i=${i}`)]
      const bytes = exportEntry([cursor, ...fields.slice(0, written)])
      return written === undefined ? bytes : bytes.subarray(0, -1)
    })
    const complete = all.flatMap(({ fields, written }, i) =>
      written === undefined
        ? [
            {
              cursor: `s=1;i=${i}`,
              fields: fields.map(latin1),
              bytes: stream[i]?.length,
              followsIncomplete: all[i - 1]?.written !== undefined,
            },
          ]
        : [],
    )
    expect(entries(Buffer.concat(stream), splits)).toMatchObject(complete)
    expect(entries(Buffer.concat(stream), splits).length).toBe(complete.length)
  })
  fc.assert(property, { numRuns: 400 })
})

describe('an entry', () => {
  test('address fields are read wherever they occur, and are not returned as fields', () => {
    const stream = exportEntry([
      ['__CURSOR', Buffer.from('s=1;i=2')],
      ['MESSAGE', Buffer.from('hello')],
      ['__SEQNUM', Buffer.from('17')],
      ['__REALTIME_TIMESTAMP', Buffer.from('1700000000123456')],
    ])
    const both = Buffer.concat([stream, exportEntry([['A', Buffer.from('1')]])])
    for (let split = 0; split < both.length; split++) {
      const [first, second] = entries(both, [split])
      expect(first).toMatchObject({
        cursor: 's=1;i=2',
        us: 1_700_000_000_123_456,
        fields: [['MESSAGE', 'hello']],
      })
      expect(second).toMatchObject({ cursor: '', us: 0, fields: [['A', '1']] })
    }
  })

  test('one leading underscore is removed with stripUnderscore', () => {
    const stream = exportEntry([
      ['_PID', Buffer.from('1')],
      ['A_B', Buffer.from('2')],
      ['__MONOTONIC_TIMESTAMP', Buffer.from('3')],
    ])
    expect(entries(stream, [], { stripUnderscore: true })[0]?.fields).toEqual([
      ['PID', '1'],
      ['A_B', '2'],
    ])
  })

  test('a value is truncated between two characters', () => {
    const text = Buffer.from(`a${'é'.repeat(10)}`)
    for (const isBinary of [true, false]) {
      const stream = exportEntry([['M', text]], () => isBinary)
      const [found] = entries(stream, [4, 9, 12], { maxFieldBytes: 4 })
      expect(found).toMatchObject({ fields: [['M', Buffer.from('aé').toString('latin1')]], truncated: 1 })
    }
  })
})

describe('the limits', () => {
  test('a field of 60 MB needs memory only for the part that is kept', () => {
    const { scan, budget } = scanner({ maxFieldBytes: 1000 })
    const piece = Buffer.alloc(65_536, 'x')
    const feed = (data: Buffer): void => {
      for (let at = 0; at < data.length; ) {
        at = scan.push(data, at)
        if (scan.next()) break
      }
    }
    for (const head of ['BIG=', 'MESSAGE\n\x00\x00\x98\x03\x00\x00\x00\x00']) {
      feed(Buffer.from(head, 'latin1'))
      const pieces = head === 'BIG=' ? 100 : 0x03980000 / piece.length
      for (let i = 0; i < pieces; i++) feed(piece)
      feed(Buffer.from('\n'))
    }
    feed(Buffer.from('LAST=1\n\n'))
    expect(entryOf(scan).fields.map(([key, text]) => [key, text.length])).toEqual([
      ['BIG', 1000],
      ['MESSAGE', 1000],
      ['LAST', 1],
    ])
    expect(budget.used).toBeLessThan(400_000)
  })

  test('skipped fields need no memory', () => {
    const { scan, budget } = scanner({ maxFields: 3 })
    const piece = Buffer.from('A=12345678901234567890\n'.repeat(5000))
    for (let i = 0; i < 100; i++) {
      for (let at = 0; at < piece.length; ) {
        at = scan.push(piece, at)
        expect(scan.next()).toBe(false)
      }
    }
    scan.push(Buffer.from('\n'), 0)
    expect(scan.next()).toBe(true)
    expect([scan.fieldCount, scan.droppedFields]).toEqual([3, 499_997])
    expect(budget.used).toBeLessThan(400_000)
  })
})

test.each([
  ['=1\n', 'a field without a name'],
  [`${'N'.repeat(300)}`, 'a field without a name'],
  ['A\n\x01\x00\x00\x00\x00\x00\x00\x00xy\n', 'a binary field without a line feed after its value'],
  ['A\n\xff\xff\xff\xff\xff\xff\xff\xffxy\n', 'a binary field of 18446744073709552000 bytes'],
  ['__REALTIME_TIMESTAMP=12x\n', 'a timestamp that is not a number'],
  [`__CURSOR=${'s'.repeat(5000)}`, 'an address field of more than 4096 bytes'],
])('the error names the violation of the format, case %#', (text, what) => {
  let thrown: unknown
  try {
    entries(Buffer.from(text, 'latin1'), [])
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(ShipperError)
  expect((thrown as ShipperError).message).toContain(`journalctl wrote ${what}`)
})
