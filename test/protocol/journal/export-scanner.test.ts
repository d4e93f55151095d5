import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { Budget } from '../../../src/engine/budget.ts'
import { ExportScanner } from '../../../src/protocol/journal/export-scanner.ts'
import {
  type ExportLimits,
  FIELD,
  NAME,
  NAME_END,
  VALUE,
  VALUE_END,
} from '../../../src/protocol/journal/field-names.ts'
import { exportEntry, type Field, needsLength } from '../../support/journal/export.ts'
import { fc } from '../../support/property.ts'

const WIDE: ExportLimits = { fields: 8000, fieldBytes: 1e6, entryBytes: 4e6, stripUnderscore: false }

interface Entry {
  fields: [string, string][]
  cursor: string
  us: number
  bytes: number
  cut: number
  left: number
}

function scanner(
  limits: Partial<ExportLimits> = {},
  blockBytes = 131_072,
): { scan: ExportScanner; budget: Budget } {
  const budget = new Budget(100_000_000, 262_144)
  return { scan: new ExportScanner({ ...WIDE, ...limits }, budget.account(100_000_000), blockBytes), budget }
}

/** The entries in `stream`, which comes in pieces that end at `cuts`. */
function entries(stream: Buffer, cuts: number[], limits: Partial<ExportLimits> = {}): Entry[] {
  const { scan, budget } = scanner(limits, 48)
  const found: Entry[] = []
  let from = 0
  for (const to of [...cuts.toSorted((a, b) => a - b), stream.length]) {
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
  const found = Array.from({ length: scan.count }, (_, i): [string, string] => {
    const at = i * FIELD
    return [text(fields[at + NAME], fields[at + NAME_END]), text(fields[at + VALUE], fields[at + VALUE_END])]
  })
  return {
    fields: found,
    cursor: text(scan.cursor, scan.cursorEnd),
    us: scan.realtimeUs,
    bytes: scan.entryBytes,
    cut: scan.cutValues,
    left: scan.leftOut,
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
const cutting = fc.array(fc.nat(3000), { maxLength: 12 })

const latin1 = ([n, v]: Field): [string, string] => [n, v.toString('latin1')]

describe('the fields of a stream', () => {
  test('finds every field of every entry, byte for byte, however the stream is cut', () => {
    const property = fc.property(someEntries, cutting, fc.boolean(), (list, cuts, framed) => {
      const stream = Buffer.concat(list.map((e) => exportEntry(e, framed ? () => true : needsLength)))
      const found = entries(stream, cuts)
      expect(found.map((e) => e.fields)).toEqual(list.map((e) => e.map(latin1)))
      expect(found.reduce((n, e) => n + e.bytes, 0)).toBe(stream.length)
      expect(found.every((e) => e.cut + e.left === 0)).toBe(true)
    })
    fc.assert(property, { numRuns: 400 })
  })

  test('cuts and leaves out the same, however the stream is cut, and stays within the limits', () => {
    const limit = fc.record({
      fields: fc.integer({ min: 1, max: 6 }),
      fieldBytes: fc.integer({ min: 1, max: 50 }),
      entryBytes: fc.integer({ min: 1, max: 200 }),
    })
    const property = fc.property(someEntries, cutting, limit, (list, cuts, limits) => {
      const stream = Buffer.concat(list.map((e) => exportEntry(e)))
      const found = entries(stream, cuts, limits)
      expect(found).toEqual(entries(stream, [], limits))
      for (const [i, e] of found.entries()) {
        const sent = list[i]?.map(latin1) ?? []
        expect(e.fields.length + e.left).toBe(sent.length)
        expect(e.fields.length).toBeLessThanOrEqual(limits.fields)
        const bytes = e.fields.reduce((n, [key, text]) => n + key.length + text.length, 0)
        expect(bytes).toBeLessThanOrEqual(limits.entryBytes)
        expect(e.fields.every(([, text]) => text.length <= limits.fieldBytes)).toBe(true)
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

describe('an entry', () => {
  test('takes the address of an entry, wherever it stands, and it is no field', () => {
    const stream = exportEntry([
      ['__CURSOR', Buffer.from('s=1;i=2')],
      ['MESSAGE', Buffer.from('hello')],
      ['__SEQNUM', Buffer.from('17')],
      ['__REALTIME_TIMESTAMP', Buffer.from('1700000000123456')],
    ])
    const both = Buffer.concat([stream, exportEntry([['A', Buffer.from('1')]])])
    for (let cut = 0; cut < both.length; cut++) {
      const [first, second] = entries(both, [cut])
      expect(first).toMatchObject({
        cursor: 's=1;i=2',
        us: 1_700_000_000_123_456,
        fields: [['MESSAGE', 'hello']],
      })
      expect(second).toMatchObject({ cursor: '', us: 0, fields: [['A', '1']] })
    }
  })

  test('takes one underscore off when asked to', () => {
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

  test('cuts a value between two characters', () => {
    const text = Buffer.from(`a${'é'.repeat(10)}`)
    for (const framed of [true, false]) {
      const stream = exportEntry([['M', text]], () => framed)
      const [found] = entries(stream, [4, 9, 12], { fieldBytes: 4 })
      expect(found).toMatchObject({ fields: [['M', Buffer.from('aé').toString('latin1')]], cut: 1 })
    }
  })
})

describe('the limits', () => {
  test('a field of 60 MB costs no more memory than what is kept of it', () => {
    const { scan, budget } = scanner({ fieldBytes: 1000 })
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

  test('entries of many fields that are left out cost no more memory than what is kept', () => {
    const { scan, budget } = scanner({ fields: 3 })
    const piece = Buffer.from('A=12345678901234567890\n'.repeat(5000))
    for (let i = 0; i < 100; i++) {
      for (let at = 0; at < piece.length; ) {
        at = scan.push(piece, at)
        expect(scan.next()).toBe(false)
      }
    }
    scan.push(Buffer.from('\n'), 0)
    expect(scan.next()).toBe(true)
    expect([scan.count, scan.leftOut]).toEqual([3, 499_997])
    expect(budget.used).toBeLessThan(400_000)
  })
})

test.each([
  ['=1\n', 'a field without a name'],
  [`${'N'.repeat(300)}`, 'a field without a name'],
  ['A\n\x01\x00\x00\x00\x00\x00\x00\x00xy\n', 'a field that does not end where it says'],
  ['A\n\xff\xff\xff\xff\xff\xff\xff\xffxy\n', 'a field of 18446744073709552000 bytes'],
  ['__REALTIME_TIMESTAMP=12x\n', 'a time that is no number'],
  [`__CURSOR=${'s'.repeat(5000)}`, 'an address that is too long'],
])('what is not the format is named, case %#', (text, what) => {
  let said: unknown
  try {
    entries(Buffer.from(text, 'latin1'), [])
  } catch (error) {
    said = error
  }
  expect(said).toBeInstanceOf(ShipperError)
  expect((said as ShipperError).message).toContain(`journalctl wrote ${what}`)
})
