import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, ExtData, encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../../src/core/chunk.ts'
import { ShipperError } from '../../../../src/core/error.ts'
import { skip } from '../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Ack, Filter, FilterContext } from '../../../../src/core/plugin.ts'
import { spec } from '../../../../src/plugins/filters/script/index.ts'
import type { UserFunction } from '../../../../src/plugins/filters/script/load.ts'
import { SCRIPT_OPTIONS } from '../../../../src/plugins/filters/script/options.ts'
import { ScriptFilter } from '../../../../src/plugins/filters/script/script-filter.ts'
import { filterContract } from '../../../contract/filter.ts'
import {
  chunkOf,
  LooseBuffers,
  metadataOf,
  recordsOf,
  withMetadata,
} from '../../../support/engine/chunk-of.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { LaterList } from '../../../support/later.ts'
import { tmp } from '../../../support/tmp.ts'

interface Rejected {
  bytes: string
  message: string
}

function contextOf(buffers = new LooseBuffers(), clock = new ManualClock()) {
  const rejected: Rejected[] = []
  const counts: Record<string, number> = {}
  const ctx = {
    buffers,
    name: 'script.0',
    log: { warn() {}, error() {}, info() {}, debug() {} },
    clock,
    counters: {
      add(name: string, n: number, reason: string) {
        counts[`${name} ${reason}`] = (counts[`${name} ${reason}`] ?? 0) + n
      },
    },
    reject(chunk: Chunk, start: number, end: number, reason: ShipperError) {
      rejected.push({ bytes: chunk.buf.toString('hex', start, end), message: reason.message })
    },
  }
  return { ctx: ctx as unknown as FilterContext, rejected, counts, buffers }
}

function filterOf(call: UserFunction, ctx: FilterContext, texts: Record<string, string> = {}) {
  const options = parseOptions(SCRIPT_OPTIONS, { script: '/unused.js', ...texts })
  return new ScriptFilter(options as never, ctx, call)
}

const apply = (filter: ScriptFilter, chunk: Chunk, deferral = new LaterList()) =>
  filter.apply(chunk, deferral)

/** A chunk whose entries have these bodies, with a time of 1000.5. */
function rawChunk(...bodies: Buffer[]): Chunk {
  const head = Buffer.from('92d700000003e81dcd6500', 'hex')
  const entries = Buffer.concat(bodies.flatMap((body) => [head, body]))
  const start = headRoom('app')
  const buf = Buffer.concat([Buffer.alloc(start), entries, Buffer.alloc(TAIL_ROOM)])
  const end = start + entries.length
  const count = bodies.length
  return new Chunk(
    { tag: 'app', input: 'test.0', buf, start, end, count, id: 'id', inputBytes: 1 },
    new LooseBuffers(),
  )
}

/** Returns what becomes of one record with this body, in hex without its time. */
function through(body: Buffer, call: UserFunction, context = contextOf()): string | undefined {
  const chunk = rawChunk(body)
  apply(filterOf(call, context.ctx), chunk)
  return chunk.count === 0 ? undefined : chunk.buf.toString('hex', chunk.start + 11, chunk.end)
}

const hex = (...parts: (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)))
const failures = (call: UserFunction): string[] => {
  const context = contextOf()
  const chunk = chunkOf([{ a: 1 }])
  apply(filterOf(call, context.ctx), chunk)
  expect(chunk.count).toBe(0)
  expect(recordsOf(chunk)).toEqual([])
  return context.rejected.map(({ message }) => message)
}

filterContract({
  name: 'script',
  create: (ctx) => filterOf((_tag, time, record) => [2, time, { ...(record as object), added: 'x' }], ctx),
  expected: (record) => ({ ...record, added: 'x' }),
})

describe('script', () => {
  test('the codes drop, keep, set time and record, and set the record', () => {
    const seen: unknown[] = []
    const results = [
      [-1],
      [0, 5, {}],
      [1, 12.25, { b: 1 }],
      [2, 99, { c: 1 }],
      [2, 0, [{ d: 1 }, { e: 1 }]],
      [1, 7, []],
    ]
    const chunk = chunkOf([{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }])
    const call: UserFunction = (tag, time, record) => {
      seen.push([tag, time])
      return results[(record as { n: number }).n]
    }
    apply(filterOf(call, contextOf().ctx), chunk)
    expect(recordsOf(chunk)).toEqual([{ n: 1 }, { b: 1 }, { c: 1 }, { d: 1 }, { e: 1 }])
    expect(chunk.count).toBe(5)
    expect(seen.slice(0, 2)).toEqual([
      ['app', 1000.5],
      ['app', 1001.5],
    ])
    const times = []
    for (let at = chunk.start; at < chunk.end; at = skip(chunk.buf, at, chunk.end))
      times.push(chunk.buf.readUInt32BE(at + 3) + chunk.buf.readUInt32BE(at + 7) / 1e9)
    expect(times).toEqual([1001.5, 12.25, 1003.5, 1004.5, 1004.5])
  })

  test('a chunk whose records are all kept keeps its buffer, also when the function changed its objects', () => {
    const { ctx, buffers } = contextOf()
    const chunk = chunkOf([{ a: 1 }, { a: 2 }], 'app', buffers)
    const { buf } = chunk
    apply(
      filterOf((_tag, time, record) => {
        ;(record as Record<string, unknown>).a = 'changed'
        return [0, time, record]
      }, ctx),
      chunk,
    )
    expect(chunk.buf).toBe(buf)
    expect(recordsOf(chunk)).toEqual([{ a: 1 }, { a: 2 }])
    expect([...buffers.out]).toEqual([buf])
  })

  test('metadata and the nanoseconds of the time are kept', () => {
    const chunk = withMetadata([{ a: 1 }, { a: 2 }], { pod: 'web' })
    // 1001.123456789, which no float64 of seconds has.
    const second = skip(chunk.buf, chunk.start, chunk.end)
    chunk.buf.writeUInt32BE(123_456_789, second + 8)
    apply(
      filterOf((_tag, time, record) => [(record as { a: number }).a, time, { b: 1 }], contextOf().ctx),
      chunk,
    )
    expect(metadataOf(chunk)).toEqual([{ pod: 'web' }, { pod: 'web' }])
    const at = skip(chunk.buf, chunk.start, chunk.end)
    expect(chunk.buf.readUInt32BE(at + 8)).toBe(123_456_789)
  })

  test('Time_As nanoseconds is exact both ways; a Date and a BigInt are times', () => {
    const seen: unknown[] = []
    const chunk = chunkOf([{}, {}])
    chunk.buf.writeUInt32BE(123_456_789, chunk.start + 7)
    const results = [
      [1, 1_795_240_800_123_456_789n, { a: 1 }],
      [1, new Date(1500), { a: 2 }],
    ]
    const call: UserFunction = (_tag, time) => {
      seen.push(time)
      return results.shift()
    }
    apply(filterOf(call, contextOf().ctx, { time_as: 'nanoseconds' }), chunk)
    expect(seen).toEqual([1000_123_456_789n, 1001_500_000_000n])
    const second = skip(chunk.buf, chunk.start, chunk.end)
    expect(
      [chunk.start, second].map((at) => [chunk.buf.readUInt32BE(at + 3), chunk.buf.readUInt32BE(at + 7)]),
    ).toEqual([
      [1_795_240_800, 123_456_789],
      [1, 500_000_000],
    ])
  })

  test('integers beyond 2^53 are BigInts and others numbers, bytes are Buffers of their own, ext types keep type and data', () => {
    const body = hex(
      '86a161cf0020000000000000', // 2^53
      'a162cf001fffffffffffff', // 2^53 - 1
      'a163d3ffe0000000000000', // -2^53
      'a164d3ffdfffffffffffff', // -2^53 - 1
      'a165c402ff00',
      'a166d6ff00000001',
    )
    let record: Record<string, unknown> = {}
    const chunk = rawChunk(body)
    apply(
      filterOf((_tag, time, r) => {
        record = r as never
        return [2, time, r]
      }, contextOf().ctx),
      chunk,
    )
    expect(record).toEqual({
      a: 2n ** 53n,
      b: 2 ** 53 - 1,
      c: -(2n ** 53n),
      d: -(2n ** 53n) - 1n,
      e: Buffer.from([255, 0]),
      f: new ExtData(-1, Buffer.from([0, 0, 0, 1])),
    })
    expect(Buffer.isBuffer(record.e)).toBe(true)
    expect(chunk.buf.toString('hex', chunk.start + 11, chunk.end)).toBe(body.toString('hex'))
    chunk.buf.fill(0)
    expect(record.e).toEqual(Buffer.from([255, 0]))
  })

  test('values that are not touched keep their bytes: whole floats, wide integers, long heads, invalid UTF-8', () => {
    const parts = [
      'a161cb3ff0000000000000', // 1.0
      'a162ca3fc00000', // float32 1.5
      'a163cf0000000000000005', // 5 in 64 bits
      'a164d9026f6b', // "ok" with a long head
      'a165a3ff41fe', // no UTF-8
      'a16681a16792cb4000000000000000c0', // {g: [2.0, null]}
      `a168d940${'fe'.repeat(64)}`,
    ]
    const body = hex(`87${parts.join('')}`)
    expect(through(body, (_tag, time, record) => [2, time, record])).toBe(body.toString('hex'))
    const changed = through(body, (_tag, time, r) => {
      const record = r as Record<string, unknown>
      delete record.b
      record.c = 6
      record.z = 1
      return [2, time, record]
    })
    expect(changed).toBe(`87${[parts[0], 'a16306', ...parts.slice(3), 'a17a01'].join('')}`)
  })

  test('values of JavaScript have a stated form', () => {
    const made = {
      whole: 2,
      nan: Number.NaN,
      date: new Date(1_769_860_800_000),
      big: 2n ** 64n - 1n,
      low: -(2n ** 63n),
      small: 7n,
      missing: undefined,
      list: Object.assign(new Array(3), { 0: undefined, 2: null }),
      bytes: new Uint8Array([1, 2]),
      get computed() {
        return 'got'
      },
      [Symbol('s')]: 1,
      bare: Object.assign(Object.create(null), { a: 1 }),
    }
    const result = through(hex('80'), (_tag, time) => [2, time, made]) as string
    expect(decode(Buffer.from(result, 'hex'), { useBigInt64: true })).toEqual({
      whole: 2,
      nan: Number.NaN,
      date: '2026-01-31T12:00:00.000Z',
      big: 2n ** 64n - 1n,
      low: -(2n ** 63n),
      small: 7,
      list: [null, null, null],
      bytes: new Uint8Array([1, 2]),
      computed: 'got',
      bare: { a: 1 },
    })
  })

  test('a record fails on a result that is none, and On_Error keeps it as it was', () => {
    const self: Record<string, unknown> = {}
    self.self = self
    let deep: unknown = 1
    for (let i = 0; i < 600; i++) deep = { deep }
    const results: [unknown, RegExp][] = [
      [undefined, /returned undefined, not a list \[code, time, record\]/],
      [{ code: 2 }, /returned an object of the class Object/],
      [[3, 1, {}], /the code is 3, not -1, 0, 1 or 2/],
      [['2', 1, {}], /the code is a string/],
      [[2, 1], /a record is undefined, not an object/],
      [[2, 1, 'x'], /a record is a string/],
      [[2, 1, [{}, 5]], /a record is a number/],
      [[2, 1, new Map()], /the class Map/],
      [[2, 1, { a: new Map() }], /a value is an object of the class Map/],
      [[2, 1, { a: () => 1 }], /a value is a function/],
      [[2, 1, { a: Symbol('x') }], /a value is a symbol/],
      [[2, 1, { a: 2n ** 64n }], /more than 64 bits/],
      [[2, 1, { a: new Date(Number.NaN) }], /a Date is invalid/],
      [[2, 1, self], /nested more than 500 deep/],
      [[2, 1, deep], /nested more than 500 deep/],
      [[2, 1, { a: 'x'.repeat(17_000_000) }], /more than 16000000 bytes/],
      [[2, 1, { a: new Array(4_000_000_000) }], /more than 16000000 bytes/],
      [[2, 1, new Array(4_000_000_000)], /a record is undefined/],
      [[1, Number.NaN, {}], /the time NaN is not from 1970 to 2106/],
      [[1, -1, {}], /the time -1/],
      [[1, 2 ** 32, {}], /the time 4294967296/],
      [[1, 10n ** 30n, {}], /is not from 1970/],
      [[1, 'now', {}], /the time is a string/],
      [[1, new Date(Number.NaN), {}], /is not from 1970/],
    ]
    for (const [result, message] of results) {
      const [failure] = failures(() => result)
      expect(failure).toMatch(message)
    }
  })

  test('whatever is thrown fails one record only', () => {
    const context = contextOf()
    const hostile = {
      get message() {
        throw new Error('no message')
      },
      toString() {
        throw new Error('no text')
      },
    }
    const thrown = [new TypeError('bad\nsecond line'), null, undefined, 'text', hostile, { stack: 5 }]
    const chunk = chunkOf(thrown.map((_, n) => ({ n })).concat({ n: 99 }))
    const before = chunk.buf.toString('hex', chunk.start, skip(chunk.buf, chunk.start, chunk.end))
    const call: UserFunction = (_tag, time, record) => {
      const { n } = record as { n: number }
      if (n < thrown.length) throw thrown[n]
      return [2, time, { ok: true }]
    }
    apply(filterOf(call, context.ctx), chunk)
    expect(recordsOf(chunk)).toEqual([{ ok: true }])
    expect(context.rejected).toHaveLength(thrown.length)
    expect(context.rejected[0]?.bytes).toBe(before)
    expect(context.rejected[0]?.message).toContain(': bad')
    expect(context.rejected[0]?.message).not.toContain('second line')
    expect(context.counts).toEqual({ 'failed_records dead_letter': thrown.length })
  })

  test('On_Error pass lets the record go on unchanged, and drop discards it', () => {
    for (const [onError, left] of [
      ['pass', [{ a: 1 }, { b: 1 }]],
      ['drop', [{ b: 1 }]],
    ] as const) {
      const { ctx, rejected, counts } = contextOf()
      const chunk = chunkOf([{ a: 1 }, { a: 2 }])
      const call: UserFunction = (_tag, time, record) => {
        const { a } = record as { a: number }
        ;(record as Record<string, unknown>).a = 'changed'
        if (a === 1) throw new Error('no')
        return [2, time, { b: 1 }]
      }
      apply(filterOf(call, ctx, { on_error: onError }), chunk)
      expect(recordsOf(chunk)).toEqual(left as never)
      expect([rejected.length, counts]).toEqual([0, { [`failed_records ${onError}`]: 1 }])
    }
  })

  test('a promise fails the record, and its rejection does not end the process', async () => {
    const unhandled: unknown[] = []
    const listen = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listen)
    expect(failures(() => Promise.reject(new Error('later')))[0]).toMatch(/must not be async/)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', listen)
    expect(unhandled).toEqual([])
  })

  test('a record with the key __proto__ fails; number keys become text; of equal keys the last counts', () => {
    const context = contextOf()
    const echo: UserFunction = (_tag, time, record) => [2, time, record]
    expect(through(hex('81a95f5f70726f746f5f5f01'), echo, context)).toBeUndefined()
    expect(context.rejected[0]?.message).toMatch(/__proto__/)
    expect(through(hex('8207a16100a163'), echo)).toBe('82a130a163a137a161')
    expect(through(hex('82a16101a16102'), echo)).toBe('81a16102')
    const made = JSON.parse('{"__proto__":1}')
    expect(through(hex('80'), (_tag, time) => [2, time, made])).toBe('81a95f5f70726f746f5f5f01')
  })

  test('keys that are no UTF-8 end where they end, and keep their bytes wherever they are moved', () => {
    const echo: UserFunction = (_tag, time, record) => [2, time, record]
    // {\xe9: \xe9, a: {\xff\xfe: 1}}
    const body = '82a1e9a1e9a16181a2fffe01'
    let seen: unknown
    const look: UserFunction = (tag, time, record) => {
      seen = record
      return echo(tag, time, record)
    }
    expect(through(hex(body), look)).toBe(body)
    expect(seen).toEqual({ '\ufffd': '\ufffd', a: { '\ufffd\ufffd': 1 } })
    const moved: UserFunction = (_tag, time, record) => [
      2,
      time,
      Object.fromEntries(Object.entries(record as object).reverse()),
    ]
    expect(through(hex('82a1e901a16102'), moved)).toBe('82a16102a1e901')
    const keys = ['a1ff', 'a2c3bf', 'a3e282ac', 'b5c3a4c3a4c3a4c3a4c3a4c3a4c3a4c3a4c3a4c3a478']
    const all = `84${keys.map((key, i) => `${key}0${i}`).join('')}`
    expect(through(hex(all), echo)).toBe(all)
  })

  test('two keys that are no UTF-8 and look the same fail the record; the same one twice does not', () => {
    const echo: UserFunction = (_tag, time, record) => [2, time, record]
    const context = contextOf()
    expect(through(hex('82a1ff01a1fe02'), echo, context)).toBeUndefined()
    expect(through(hex('82a1ff01a3efbfbd02'), echo, context)).toBeUndefined()
    expect(context.rejected.map(({ message }) => message)).toEqual([
      expect.stringContaining('two keys differ only in bytes that are no UTF-8'),
      expect.stringContaining('two keys differ only in bytes that are no UTF-8'),
    ])
    expect(through(hex('82a1ff01a1ff02'), echo, context)).toBe('81a1ff02')
    expect(through(hex('81a1fe02'), echo, context)).toBe('81a1fe02')
  })

  test('members that a script gives to bytes, dates and lists do not reach the output', () => {
    class Lying extends Uint8Array {
      override get length() {
        return 1000
      }
      override get byteLength() {
        return 1000
      }
      override set() {}
    }
    class LyingDate extends Date {
      override getTime() {
        return 1
      }
      override toISOString() {
        return { length: 3, charCodeAt: () => 65 } as unknown as string
      }
    }
    const made = { a: new Lying([1, 2]), b: new LyingDate(0), c: new ExtData(5, new Lying([9])) }
    expect(through(hex('80'), (_tag, time) => [2, time, made])).toBe(
      `83a161c4020102a162b8${Buffer.from('1970-01-01T00:00:00.000Z').toString('hex')}a163d40509`,
    )
    const proxied = (length: unknown) =>
      new Proxy([{}, {}, {}], { get: (list, key) => (key === 'length' ? length : Reflect.get(list, key)) })
    for (const length of [2.5, -1, '2', Number.NaN]) {
      expect(failures(() => [2, 1, { a: proxied(length) }])[0]).toMatch(/length of a list is no integer/)
      expect(failures(() => [2, 1, proxied(length)])[0]).toMatch(/length of a list is no integer/)
    }
    const fake = Object.create(Uint8Array.prototype)
    expect(failures(() => [2, 1, { a: fake }])).toHaveLength(1)
  })

  test('what errors of the runtime quote of a record is not in the reason', () => {
    const secret = 'hunter2" secret'
    const thrown: ((text: string) => unknown)[] = [
      (text) => JSON.parse(`hunter2secret`.concat(text)),
      (text) => (text as unknown as () => unknown)(),
      (text) => 'x' in (text as unknown as object),
      (text) => Buffer.alloc(text as unknown as number),
    ]
    for (const call of thrown) {
      const [reason = ''] = failures((_tag, _time, record) =>
        call(String((record as { s: string }).s ?? secret)),
      )
      expect(reason).not.toMatch(/hunter2|secret/)
      expect(reason).toMatch(/\.\.\./)
    }
    expect(failures(() => JSON.parse(secret))[0]).toContain('JSON Parse error: Unexpected identifier "..."')
    expect(
      failures(() => {
        throw new Error('level "debug" is not known')
      })[0],
    ).toContain('level "debug" is not known')
  })

  test('what is no record goes on unchanged, without a call', () => {
    const body = hex('93010203')
    expect(
      through(body, () => {
        throw new Error('called')
      }),
    ).toBe('93010203')
  })

  test('a record of 10,000 keys takes linear time', () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, i]))
    const reversed = (record: object) => Object.fromEntries(Object.entries(record).reverse())
    const body = Buffer.from(encode(many))
    const echo = through(body, (_tag, time, record) => [2, time, record])
    expect(echo === body.toString('hex')).toBe(true)
    const back = through(body, (_tag, time, record) => [2, time, reversed(record as object)]) as string
    expect(decode(Buffer.from(back, 'hex'))).toEqual(many)
  })
})

describe('the file of script', () => {
  const load = async (files: Record<string, string>, texts: Record<string, string> = {}) => {
    const dir = tmp()
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
    const script = join(dir, Object.keys(files)[0] ?? '')
    let filter: Filter
    try {
      filter = spec.create(parseOptions(spec.options, { script, ...texts }) as never, contextOf().ctx)
      await filter.start?.()
    } catch (error) {
      expect(error).toBeInstanceOf(ShipperError)
      return error as ShipperError
    }
    const chunk = chunkOf([{ a: 1 }])
    filter.apply(chunk, undefined as never)
    return recordsOf(chunk)
  }

  test('is an ES module, a CommonJS module or TypeScript, and may import others', async () => {
    const result = [{ team: 'shop' }]
    const esm = 'import { team } from "./team.ts"\nexport function cb(t, s, r) { return [2, s, { team }] }'
    expect(await load({ 'a.mjs': esm, 'team.ts': 'export const team: string = "shop"' })).toEqual(result)
    const cjs = 'const { team } = require("./b.cjs"); module.exports = { cb: () => [2, 0, { team }] }'
    expect(await load({ 'a.cjs': cjs, 'b.cjs': 'exports.team = "shop"' })).toEqual(result)
    const ts = 'export function named(t: string, s: number) { return [2, s, { team: "shop" }] }'
    expect(await load({ 'a.ts': ts }, { call: 'named' })).toEqual(result)
  })

  test('is looked for beside the configuration file if its path is relative', async () => {
    const configFolder = tmp()
    writeFileSync(join(configFolder, 'beside.mjs'), 'export const cb = () => [2, 0, { found: true }]')
    const { ctx } = contextOf()
    const options = parseOptions(spec.options, { script: 'beside.mjs' }) as never
    const filter = spec.create(options, { ...ctx, configFolder } as FilterContext)
    await filter.start?.()
    const chunk = chunkOf([{ a: 1 }])
    filter.apply(chunk, undefined as never)
    expect(recordsOf(chunk)).toEqual([{ found: true }])
  })

  test('that does not load ends the start with its place and message', async () => {
    const messageOf = async (files: Record<string, string>) => ((await load(files)) as ShipperError).message
    expect(await messageOf({ 'a.mjs': 'export function cb() {\n  return (\n}\n' })).toMatch(
      /^script .*a\.mjs cannot be loaded: .*a\.mjs:3:1: Unexpected/,
    )
    expect(await messageOf({ 'a.mjs': 'const a = 1\nthrow new Error("boom")\n' })).toMatch(
      /a\.mjs:2:\d+: boom$/,
    )
    expect(await messageOf({ 'a.mjs': 'import "./b.mjs"\n', 'b.mjs': '\n\nnull.x\n' })).toMatch(
      /b\.mjs:3:\d+: /,
    )
    expect(((await load({})) as ShipperError).message).toMatch(/cannot be loaded/)
  })

  test('that is missing, a FIFO, a directory or a device is refused by a check and by the start', async () => {
    const dir = tmp()
    const fifo = join(dir, 'fifo.mjs')
    Bun.spawnSync(['mkfifo', fifo])
    for (const script of [fifo, dir, '/dev/zero', join(dir, 'none.mjs')]) {
      const options = parseOptions(spec.options, { script }) as never
      const filter = spec.create(options, contextOf().ctx) as ScriptFilter
      expect(() => filter.check()).toThrow(`script ${script} cannot be loaded: `)
      await expect(filter.start()).rejects.toThrow(`script ${script} cannot be loaded: `)
    }
  })

  test('that awaits something which never comes ends the start after 10 seconds', async () => {
    const script = join(tmp(), 'waits.mjs')
    writeFileSync(script, 'await new Promise(() => {})\nexport const cb = () => [0]\n')
    const clock = new ManualClock()
    const filter = spec.create(
      parseOptions(spec.options, { script }) as never,
      contextOf(undefined, clock).ctx,
    )
    const started = Promise.resolve(filter.start?.())
    clock.advance(10_000)
    await expect(started).rejects.toThrow('waits for more than 10 s in an await at its top level')
    expect(clock.waiting).toBe(0)
  })

  test('that exports no such function ends the start with what it exports', async () => {
    const error = (await load({ 'a.mjs': 'export const cb = 5, other = 1\n' })) as ShipperError
    expect(error.message).toMatch(/exports no function cb, but cb, which is a number; other$/)
    expect(error.option).toBe('call')
  })
})

test('reports the garbage that it leaves: four times the bytes of the chunk', () => {
  const reported: number[] = []
  const { ctx } = contextOf()
  const chunk = rawChunk(Buffer.from('81a16101', 'hex'), Buffer.from('81a16102', 'hex'))
  const { size } = chunk
  const filter = filterOf(() => [0], { ...ctx, leftGarbage: (bytes) => void reported.push(bytes) })
  apply(filter, chunk)
  expect(reported).toEqual([4 * size])
})

test('records of a chunk that grow much are sent on in parts, in order, and none fails', () => {
  const buffers = new LooseBuffers()
  const context = contextOf(buffers)
  const emitted: { count: number; ack: Ack }[] = []
  const seen: unknown[] = []
  const emit: FilterContext['emit'] = (records, source, ack) => {
    const part = new Chunk(records, source)
    seen.push(...recordsOf(part).map(({ n }) => n))
    emitted.push({ count: part.count, ack })
    part.release()
  }
  const long = 'x'.repeat(200_000)
  const filter = filterOf((_tag, _time, record) => [2, 0, { ...(record as object), long }], {
    ...context.ctx,
    emit,
  })
  const chunk = chunkOf(
    Array.from({ length: 300 }, (_, n) => ({ n })),
    'app',
    buffers,
  )
  const deferral = new LaterList(buffers)
  apply(filter, chunk, deferral)
  seen.push(...recordsOf(chunk).map(({ n }) => n))
  expect(seen).toEqual(Array.from({ length: 300 }, (_, n) => n))
  expect(context.rejected).toEqual([])
  expect(emitted.length).toBeGreaterThan(2)
  expect(chunk.count + emitted.reduce((sum, { count }) => sum + count, 0)).toBe(300)
  for (const { ack } of emitted) ack('delivered')
  expect(deferral.kept).toEqual(emitted.map(() => 'delivered'))
  expect([...buffers.out]).toEqual([chunk.buf])
})
