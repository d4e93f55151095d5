import { describe, expect, test } from 'bun:test'
import { decodeMulti, encode } from '@msgpack/msgpack'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Filter, FilterContext, Outcome } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { spec } from '../../../src/plugins/filters/expect.ts'
import { filterContract } from '../../contract/filter.ts'
import { chunkOf, LooseBuffers, metadataOf, recordsOf, withMetadata } from '../../support/engine/chunk-of.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { LaterList } from '../../support/later.ts'

type Texts = Record<string, string | string[]>

/** A filter with what it has logged and counted, the acks of its chunks, and how it would end the run. */
class Bench {
  readonly buffers = new LooseBuffers()
  readonly logged = listLog()
  readonly counters = new CounterMap(spec.counters)
  readonly ends: [number, string][] = []
  readonly acks: Outcome[] = []
  readonly filter: Filter

  constructor(texts: Texts) {
    this.filter = spec.create(parseOptions(spec.options, texts), {
      buffers: this.buffers,
      log: this.logged.log,
      counters: this.counters,
      endRun: (status: number, reason: string) => void this.ends.push([status, reason]),
    } as unknown as FilterContext)
  }

  pass(records: object[]): Record<string, unknown>[] {
    const chunk = chunkOf(records, 'app', this.buffers)
    const defer = () => (outcome: Outcome) => void this.acks.push(outcome)
    this.filter.apply(chunk, { buffers: this.buffers, defer, onSettled() {} })
    expect(chunk.count).toBe(records.length)
    return recordsOf(chunk)
  }
}

const RECORD = { a: '1', n: 3, f: 1.5, m: { k: 'v' }, nul: null, yes: true, l: [1, 'x'] }

test.each([
  [{ key_exists: 'a' }, true],
  [{ key_exists: 'nul' }, true],
  [{ key_exists: 'zz' }, false],
  [{ key_exists: "$m['k']" }, true],
  [{ key_exists: "$m['zz']" }, false],
  [{ key_not_exists: 'zz' }, true],
  [{ key_not_exists: 'a' }, false],
  [{ key_val_is_null: 'nul' }, true],
  [{ key_val_is_null: 'a' }, false],
  [{ key_val_is_null: 'zz' }, false],
  [{ key_val_is_not_null: 'a' }, true],
  [{ key_val_is_not_null: 'nul' }, false],
  [{ key_val_is_not_null: 'zz' }, false],
  [{ key_val_eq: 'a 1' }, true],
  [{ key_val_eq: 'a 2' }, false],
  [{ key_val_eq: "$m['k'] v" }, true],
  [{ key_val_eq: 'n 3' }, true],
  [{ key_val_eq: 'n 3.0' }, true],
  [{ key_val_eq: 'f 1.50' }, true],
  [{ key_val_eq: 'n 4' }, false],
  [{ key_val_eq: 'yes true' }, true],
  [{ key_val_eq: 'l [1,"x"]' }, true],
  [{ key_val_eq: 'zz 1' }, false],
  [{ key_exists: ['a', 'n'], key_val_eq: ['a 1', 'n 3'] }, true],
  [{ key_exists: ['a', 'zz'] }, false],
] as [Texts, boolean][])('%j is met: %p', (texts, isMet) => {
  const b = new Bench(texts)
  expect(b.pass([RECORD])).toEqual([RECORD])
  expect(b.counters.get('failed_records')).toBe(isMet ? 0 : 1)
})

test('a value of which a text is only the beginning, or the other way round, is another one', () => {
  for (const value of ['abc', 'a', '', 'ab ']) {
    const b = new Bench({ key_val_eq: 'k ab' })
    b.pass([{ k: value }])
    expect(b.counters.get('failed_records')).toBe(1)
  }
})

describe('action warn', () => {
  test('logs the rule and counts, and never logs the record', () => {
    const b = new Bench({ key_exists: 'zz' })
    b.pass([{ password: 'secret' }, { zz: 1 }, { a: 1 }])
    expect(b.counters.get('failed_records')).toBe(2)
    expect(b.logged.lines).toEqual([
      'warn 2 of 3 records with tag app not as expected, the first does not meet key_exists zz',
    ])
    expect([b.acks, b.ends]).toEqual([[], []])
  })
})

describe('action exit', () => {
  test('ends the run once with status 255, and no chunk with such a record is acknowledged', () => {
    const b = new Bench({ key_exists: 'zz', action: 'exit' })
    b.pass([{ zz: 1 }])
    expect([b.acks, b.ends]).toEqual([[], []])
    expect(b.pass([{ a: 1 }, { zz: 1 }])).toHaveLength(2)
    b.pass([{ a: 1 }])
    expect(b.acks).toEqual(['aborted', 'aborted'])
    expect(b.ends).toEqual([
      [255, '1 of 2 records with tag app not as expected, the first does not meet key_exists zz'],
    ])
  })
})

describe('action result_key', () => {
  const texts = { key_exists: 'a', action: 'result_key' }

  test('adds the result to every record, in place of fields of that name', () => {
    const b = new Bench({ ...texts, result_key: 'ok' })
    expect(b.pass([{ a: 1 }, { b: 1 }, { ok: 'x', a: 2 }])).toEqual([
      { a: 1, ok: true },
      { b: 1, ok: false },
      { a: 2, ok: true },
    ])
    expect([b.acks, b.ends, b.buffers.out.size]).toEqual([[], [], 1])
  })

  test('leaves exactly one field of that name, and reads the last of equal keys', () => {
    const b = new Bench({ key_val_eq: 'a 2', action: 'result_key' })
    const chunk = chunkOf([{ x: 0 }], 'app', b.buffers)
    const map = Buffer.from('84a16101a76d617463686564c2a16102a76d617463686564c3'.padEnd(50, ''), 'hex')
    const body = chunk.start + 11
    const end = body + map.copy(chunk.buf, body)
    chunk.end = end
    b.filter.apply(chunk, new LaterList(b.buffers))
    expect([...decodeMulti(chunk.entries().subarray(11))]).toEqual([{ a: 2, matched: true }])
    expect(
      chunk.buf
        .subarray(chunk.start, chunk.end)
        .toString('latin1')
        .match(/matched/g),
    ).toHaveLength(1)
  })

  test('keeps the metadata of a record, and an entry that is none', () => {
    const b = new Bench(texts)
    const chunk = withMetadata([{ a: 1 }], { from: 'x' }, 'app', b.buffers)
    b.filter.apply(chunk, new LaterList(b.buffers))
    expect([recordsOf(chunk), metadataOf(chunk)]).toEqual([[{ a: 1, matched: true }], [{ from: 'x' }]])
    const odd = chunkOf([{ a: 1 }], 'app', b.buffers)
    const text = Buffer.from(encode('no record'))
    odd.end = odd.start + text.copy(odd.buf, odd.start)
    b.filter.apply(odd, new LaterList(b.buffers))
    expect(odd.entries()).toEqual(text)
  })

  test('takes a record of 10,000 keys, and an empty chunk', () => {
    const b = new Bench(texts)
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]))
    const [out] = b.pass([wide])
    expect(Object.keys(out ?? {})).toHaveLength(10_001)
    expect(b.pass([])).toEqual([])
  })
})

test('without rules it says so', () => {
  expect(new Bench({}).logged.lines).toEqual(['warn there are no rules: every record is as expected'])
})

const create = (texts: Texts) => (ctx: FilterContext) =>
  spec.create(parseOptions(spec.options, texts), {
    ...ctx,
    log: listLog().log,
    counters: new CounterMap(spec.counters),
  })
filterContract({ name: 'expect', create: create({ key_exists: 'mark' }), expected: (record) => record })
filterContract({
  name: 'expect with a result',
  create: create({ key_not_exists: 'never there', action: 'result_key', result_key: 'r e s' }),
  expected: ({ 'r e s': _, ...record }) => record,
  added: { 'r e s': true },
})
