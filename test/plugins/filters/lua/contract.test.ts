import { expect, test } from 'bun:test'
import { decodeMulti } from '@msgpack/msgpack'
import { EventTime } from '../../../../src/lib/records/event-time.ts'
import { chunkOf, metadataOf, recordsOf, withMetadata } from '../../../support/engine/chunk-of.ts'
import { luaOf, startLua } from './run.ts'

const RECORD = { a: '1', b: 'two', c: 3 }

test('code -1 drops the record, and the others of the chunk stay', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) if r.n % 2 == 0 then return -1, ts, r end return 2, ts, r end',
  )
  expect(run.records({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 })).toEqual([{ n: 1 }, { n: 3 }])
})

test('a chunk of which every record is dropped is empty', async () => {
  const run = await startLua('function cb() return -1 end')
  const chunk = run.apply(chunkOf([RECORD, RECORD]))
  expect([chunk.count, chunk.size]).toEqual([0, 0])
})

test.each([
  ['code 0', 'return 0, ts, r'],
  ['nil', 'return nil'],
  ['nothing', ''],
  ['code 3', 'return 3, ts, r'],
  ['code 1 without a record', 'return 1, ts, nil'],
])('%s keeps the record as it was, whatever the script did with the table', async (_, result) => {
  const run = await startLua(`function cb(tag, ts, r) r.a = "changed" ${result} end`)
  const chunk = chunkOf([RECORD])
  const before = chunk.entries().toString('hex')
  expect(run.apply(chunk).entries().toString('hex')).toBe(before)
})

test('an unknown code and a missing record are counted and logged', async () => {
  const run = await startLua('function cb(tag, ts, r) if r.x then return 7, ts, r end return 2, ts, nil end')
  run.records({ x: 1 }, {})
  expect(run.counters.get('odd_results')).toBe(2)
  expect(run.lines).toEqual([
    'warn a record passes unchanged: the function returned the code 7, which is none of -1, 0, 1 and 2',
    'warn a record passes unchanged: the function returned the code 2 without a record',
  ])
})

test('a chunk in which nothing changes keeps its buffer', async () => {
  const run = await startLua('function cb(tag, ts, r) return 1, ts, r end')
  const chunk = chunkOf([RECORD, RECORD], 'app', run.buffers)
  const { buf } = chunk
  expect(run.apply(chunk).buf).toBe(buf)
})

test('buffers are given back', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) if r.n == 2 then error("no") end r.x = 1 return 2, ts, r end',
  )
  const chunk = run.apply(chunkOf([{ n: 1 }, { n: 2 }, { n: 3 }], 'app', run.buffers))
  expect(recordsOf(chunk)).toEqual([
    { n: 1, x: 1 },
    { n: 3, x: 1 },
  ])
  expect(chunk.count).toBe(2)
  expect([...run.buffers.out]).toEqual([chunk.buf])
})

function timesOf(run: {
  apply: (chunk: ReturnType<typeof chunkOf>) => ReturnType<typeof chunkOf>
}): string[] {
  const chunk = run.apply(chunkOf([RECORD]))
  return [...decodeMulti(chunk.entries())].map((_, i, all) => {
    const time = new EventTime()
    time.read(chunk.buf, chunk.start + (chunk.size / all.length) * i)
    return time.seconds()
  })
}

test.each([
  ['code 1 takes the time', 'return 1, ts + 10, r', '1010.500000000'],
  ['code 2 keeps the time', 'return 2, ts + 10, r', '1000.500000000'],
  ['a text that is a number is a time', 'return 1, "1700000100.25", r', '1700000100.250000000'],
  ['nil keeps the time', 'return 1, nil, r', '1000.500000000'],
  ['a table with sec and nsec is a time', 'return 1, {sec = 5, nsec = 7}, r', '5.000000007'],
])('%s', async (_, result, time) => {
  expect(timesOf(await startLua(`function cb(tag, ts, r) ${result} end`))).toEqual([time])
})

test('Time_As_Table gives the exact time, and takes it back', async () => {
  const run = await startLua(
    'function cb(tag, ts, r) r.s = ts.sec r.n = ts.nsec ts.nsec = ts.nsec + 1 return 1, ts, r end',
    {
      time_as_table: 'on',
    },
  )
  const chunk = chunkOf([{}])
  chunk.buf.writeUInt32BE(123_456_789, chunk.start + 7)
  run.apply(chunk)
  expect(recordsOf(chunk)).toEqual([{ s: 1000, n: 123_456_789 }])
  expect(chunk.buf.readUInt32BE(chunk.start + 7)).toBe(123_456_790)
})

test('a time that is returned as it came keeps its nanoseconds', async () => {
  const run = await startLua('function cb(tag, ts, r) r.x = 1 return 1, ts, r end')
  const chunk = chunkOf([{}])
  chunk.buf.writeUInt32BE(123_456_789, chunk.start + 7)
  expect(run.apply(chunk).buf.readUInt32BE(chunk.start + 7)).toBe(123_456_789)
})

test.each(['"soon"', 'true', '-1', '1e12', '0/0', '{sec = "x"}'])(
  'the time %s is an error of the record',
  async (time) => {
    const run = await startLua(`function cb(tag, ts, r) return 1, ${time}, r end`)
    expect(run.records(RECORD)).toEqual([])
    expect(run.rejected.map(({ message }) => message)).toEqual([
      'code: the time is no number of seconds from 1970 to 2106',
    ])
  },
)

test('an array of maps makes several records, with the time that was returned', async () => {
  const run = await startLua('function cb(tag, ts, r) return 1, ts + 1, {{x = 1}, {x = 2}, r} end')
  const chunk = run.apply(chunkOf([RECORD]))
  expect(recordsOf(chunk)).toEqual([{ x: 1 }, { x: 2 }, RECORD])
  expect(chunk.count).toBe(3)
})

test('a list of the record may be returned as the records', async () => {
  const code = 'function cb(tag, ts, r) return 2, ts, r.items end'
  expect(await luaOf(code, { items: [{ a: 1 }, { b: 2.5 }] })).toEqual([{ a: 1 }, { b: 2.5 }])
})

test.each(['{1, 2}', '{{x = 1}, "two"}', '{{x = 1}, {1, 2}}'])(
  'the list %s is no list of records',
  async (list) => {
    const run = await startLua(`function cb(tag, ts, r) return 2, ts, ${list} end`)
    expect(run.records(RECORD)).toEqual([])
    expect(run.rejected[0]?.message).toMatch(/^code: item \d of the list of records is no table with names$/)
  },
)

test('an empty table is an empty record', async () => {
  expect(await luaOf('function cb(tag, ts, r) return 1, ts, {} end', RECORD)).toEqual([{}])
})

test('the function gets the tag and three arguments', async () => {
  const code = 'function cb(...) local tag, ts = ... return 2, ts, {tag = tag, n = select("#", ...)} end'
  expect(await luaOf(code, RECORD)).toEqual([{ tag: 'app.one', n: 3 }])
})

const FIVE = 'function cb(tag, ts, group, meta, r)'

test('a function with five parameters gets group, metadata and record, and returns four values', async () => {
  const run = await startLua(`${FIVE} r.m = meta.k r.g = type(group) meta.new = 1 return 2, ts, meta, r end`)
  const chunk = run.apply(withMetadata([{ a: 1 }], { k: 'v' }))
  expect(recordsOf(chunk)).toEqual([{ a: 1, m: 'v', g: 'table' }])
  expect(metadataOf(chunk)).toEqual([{ k: 'v', new: 1 }])
})

test('metadata that was not there is added, and an empty table adds none', async () => {
  const run = await startLua(`${FIVE} if r.a then meta.x = 1 end r.b = 1 return 1, ts, meta, r end`)
  const chunk = run.apply(chunkOf([{ a: 1 }, {}]))
  expect(metadataOf(chunk)).toEqual([{ x: 1 }, undefined])
  expect(chunk.hasMetadata).toBe(true)
})

test('a list of metadata has that of each record', async () => {
  const run = await startLua(`${FIVE} return 2, ts, {{m = 1}, {m = 2}}, {{x = 1}, {x = 2}} end`)
  const chunk = run.apply(chunkOf([{ a: 1 }]))
  expect(metadataOf(chunk)).toEqual([{ m: 1 }, { m: 2 }])
  expect(recordsOf(chunk)).toEqual([{ x: 1 }, { x: 2 }])
})

test('with three parameters metadata stays, also with a new time', async () => {
  const run = await startLua('function cb(tag, ts, r) r.x = 1 return 1, ts + 1, r end')
  const chunk = run.apply(withMetadata([{ a: 1 }], { k: 'v' }))
  expect(metadataOf(chunk)).toEqual([{ k: 'v' }])
  expect(recordsOf(chunk)).toEqual([{ a: 1, x: 1 }])
})

test('an entry that is no record goes on unchanged', async () => {
  const run = await startLua('function cb() return -1 end')
  const chunk = chunkOf([{}])
  chunk.buf[chunk.end - 1] = 0x01
  expect(run.apply(chunk).size).toBe(12)
})
