import { expect, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { skip } from '../../../../src/core/msgpack/encode.ts'
import { EventTime } from '../../../../src/lib/records/event-time.ts'
import type { CursorTracker } from '../../../../src/plugins/inputs/systemd/cursor-tracker.ts'
import { RecordWriter } from '../../../../src/plugins/inputs/systemd/record-writer.ts'
import { UnitRanges } from '../../../../src/plugins/inputs/systemd/unit-ranges.ts'
import { ExportScanner } from '../../../../src/protocol/journal/export-scanner.ts'
import { testAccount } from '../../../support/forward/output-run.ts'
import { exportEntry, type Field } from '../../../support/journal/export.ts'
import { fc } from '../../../support/property.ts'
import { repeatedKeys } from '../../../support/repeated-keys.ts'

const LIMITS = { maxFields: 100_000, maxFieldBytes: 1e6, maxEntryBytes: 4e6, stripUnderscore: false }
const TIME: Field = ['__REALTIME_TIMESTAMP', Buffer.from('1700000000123456')]

function scanned(fields: Field[], limits: Partial<typeof LIMITS> = {}): ExportScanner {
  const scan = new ExportScanner({ ...LIMITS, ...limits }, testAccount())
  const bytes = exportEntry([TIME, ...fields])
  for (let at = 0; at < bytes.length; ) {
    at = scan.push(bytes, at)
    if (scan.next()) return scan
  }
  throw new Error('no entry')
}

/** Writes the record between bytes that must not change, and returns it with its values as latin1. */
function written(writer: RecordWriter, scan: ExportScanner): { time: string; record: unknown } {
  const bound = writer.bound(scan)
  const out = Buffer.alloc(bound + 20, 0xee)
  const end = writer.write(scan, out, 10)
  expect(end - 10).toBeLessThanOrEqual(bound)
  expect([out.subarray(0, 10), out.subarray(end)].every((rest) => rest.every((b) => b === 0xee))).toBe(true)
  expect(skip(out, 10, end)).toBe(end)
  const time = new EventTime()
  time.read(out, 10)
  const map = decode(out.subarray(skip(out, 11, end), end), { rawStrings: true, mapKeyConverter: latin1 })
  return { time: time.seconds(), record: latin1(map) }
}

function latin1(value: unknown): string | number {
  return plain(value) as string
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, plain(v)]))
}

const name = fc.oneof(
  fc.constantFrom('A', 'B', 'MESSAGE', '_PID'),
  fc.stringMatching(/^[A-Z][A-Z0-9_]{0,63}$/),
)
const value = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))

test('a record has every value byte for byte, and an array for a repeated name', () => {
  const property = fc.property(
    fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 30 }),
    fc.boolean(),
    (fields, lower) => {
      const expected: Record<string, string | string[]> = {}
      for (const [key, bytes] of fields) {
        const k = lower ? key.toLowerCase() : key
        const text = bytes.toString('latin1')
        const before = expected[k]
        expected[k] = before === undefined ? text : [before, text].flat()
      }
      const { time, record } = written(new RecordWriter(lower), scanned(fields as Field[]))
      expect(time).toBe('1700000000.123456000')
      expect(record).toEqual(expected)
    },
  )
  fc.assert(property, { numRuns: 300 })
})

test('one writer writes entries with and without repeated names in turn', () => {
  const writer = new RecordWriter(false)
  const twice: Field[] = [
    ['A', Buffer.from('1')],
    ['B', Buffer.from('2')],
    ['A', Buffer.from('3')],
  ]
  const once: Field[] = [
    ['B', Buffer.from('4')],
    ['A', Buffer.from('5')],
  ]
  for (let i = 0; i < 3; i++) {
    expect(written(writer, scanned(twice)).record).toEqual({ A: ['1', '3'], B: '2' })
    expect(written(writer, scanned(once)).record).toEqual({ A: '5', B: '4' })
  }
})

test('an entry may have thousands of fields, with the same name or different ones', () => {
  const many = Array.from({ length: 3000 }, (_, i): Field => [`F${i}`, Buffer.from(`${i}`)])
  expect(Object.keys(written(new RecordWriter(false), scanned(many)).record as object)).toHaveLength(3000)
  const same = many.map(([, v]): Field => ['F', v])
  expect((written(new RecordWriter(false), scanned(same)).record as { F: string[] }).F).toHaveLength(3000)
})

test('a truncated entry is marked', () => {
  const fields: Field[] = [
    ['A', Buffer.from('12345')],
    ['B', Buffer.from('2')],
  ]
  expect(written(new RecordWriter(false), scanned(fields, { maxFieldBytes: 3 })).record).toEqual({
    A: '123',
    B: '2',
    truncated: true,
  })
  expect(written(new RecordWriter(false), scanned(fields, { maxFields: 1 })).record).toEqual({
    A: '12345',
    truncated: true,
  })
})

test('each unit has its own range, and idle ones of many sessions are removed', () => {
  const ranges = new UnitRanges('j.*', false, {} as CursorTracker, { agent: 'a', path: '' })
  const rangeOf = (unit: string): ReturnType<UnitRanges['forEntry']> =>
    ranges.forEntry(scanned([['_SYSTEMD_UNIT', Buffer.from(unit)]]))
  const first = rangeOf('a.service')
  expect([first.tag, rangeOf('b.service').tag, rangeOf('a.service') === first]).toEqual([
    'j.a.service',
    'j.b.service',
    true,
  ])
  expect(ranges.forEntry(scanned([['SYSTEMD_UNIT', Buffer.from('a')]])).tag).toBe('j.unknown')
  for (let i = 0; i < 5000; i++) rangeOf(`session-${i}.scope`)
  expect(rangeOf('a.service') === first).toBe(false)
  expect(rangeOf('a.service').tag).toBe('j.a.service')
})

test('a unit that is no name of a unit is unknown in the tag', () => {
  const ranges = new UnitRanges('j.*', false, {} as CursorTracker, { agent: 'a', path: '' })
  const tagOf = (unit: string): string =>
    ranges.forEntry(scanned([['_SYSTEMD_UNIT', Buffer.from(unit, 'latin1')]])).tag
  expect(tagOf('dev-disk-by\\x2dlabel-a:b@c.device')).toBe('j.dev-disk-by\\x2dlabel-a:b@c.device')
  expect(tagOf('u'.repeat(255))).toBe(`j.${'u'.repeat(255)}`)
  for (const unit of ['', 'a b', 'a\n', '\x1b[31m', 'a\0', '\xff', 'u'.repeat(256)])
    expect(tagOf(unit)).toBe('j.unknown')
})

test('the flag of a truncated entry replaces a field with its key', () => {
  const fields: Field[] = [
    ['TRUNCATED', Buffer.from('mine')],
    ['MESSAGE', Buffer.alloc(2000, 'x')],
  ]
  const scan = scanned(fields, { maxFieldBytes: 1000 })
  const writer = new RecordWriter(true)
  const out = Buffer.alloc(writer.bound(scan))
  const end = writer.write(scan, out, 0)
  expect(repeatedKeys(out, 0, end)).toEqual([])
  const map = decode(out.subarray(skip(out, 1, end), end)) as Record<string, unknown>
  expect(map.truncated).toBe(true)
})
