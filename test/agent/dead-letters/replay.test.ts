import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { listLetters, showLetters } from '../../../src/agent/dead-letters/print.ts'
import { replayLetters } from '../../../src/agent/dead-letters/replay.ts'
import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Plan } from '../../../src/core/plan.ts'
import { defineFilter, type Output, type OutputContext } from '../../../src/core/plugin.ts'
import { encodeRow } from '../../../src/lib/dead-letters/row.ts'
import { FailedRecords } from '../../../src/lib/plugin/failed-records.ts'
import { ON_ERROR_OPTIONS } from '../../../src/lib/plugin/on-error-options.ts'
import { writeLetters } from '../../support/engine/letters.ts'
import { filterPlanOf, planOf } from '../../support/engine/plan.ts'
import { fc } from '../../support/property.ts'
import { tmp } from '../../support/tmp.ts'

/** An output that keeps what it gets: tag and bytes of each entry. `refuse` chooses entries to reject. */
class Collector implements Output {
  readonly got: string[] = []
  refuse: (entry: string) => boolean = () => false
  failures = 0
  #ctx: OutputContext | undefined

  readonly create = (ctx: OutputContext): this => {
    this.#ctx = ctx
    return this
  }

  async flush(chunk: Chunk): Promise<void> {
    if (this.failures-- > 0)
      throw new ShipperError('E_PEER_CLOSED', 'away', { retryable: true, scope: 'peer' })
    for (let at = chunk.start; at < chunk.end; ) {
      const end = skip(chunk.buf, at, chunk.end)
      const entry = `${chunk.tag}:${chunk.buf.toString('hex', at, end)}`
      if (this.refuse(entry))
        this.#ctx?.reject(chunk, at, end, new ShipperError('E_OUTPUT_REJECTED', 'still no'))
      else this.got.push(entry)
      at = end
    }
  }

  async close(): Promise<void> {}
}

function planTo(outputs: Record<string, Collector>, common: Record<string, string> = {}): Plan {
  const stages = Object.entries(outputs).map(([name, { create }]) => ({ name, create, common }))
  return planOf({
    inputs: [],
    outputs: stages,
    service: { log_level: 'off', 'scheduler.base': '1', 'scheduler.cap': '1' },
  })
}

function replay(plan: Plan, path: string, output?: string) {
  return replayLetters(plan, { path, output, version: '1.0.0' })
}

/** Returns `[EventTime, {"n": n}]`, with n from 0 to 127. */
function entry(n: number): Buffer {
  return Buffer.from([0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 5, 0x81, 0xa1, 0x6e, n])
}

const sent = (tag: string, n: number): string => `${tag}:${entry(n).toString('hex')}`

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const headed = (head: number, maxLength: number) =>
  bytes(maxLength).map((body) => Buffer.concat([Buffer.from([head, body.length]), body]))
/** MessagePack as bytes: every kind of value that a sender may use, also what no encoder of ours writes. */
const { value, map } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc
      .constantFrom('c0', 'c2', 'c3', '00', '7f', 'e0', 'ff', 'cc00', 'cd0001', 'ce00000001')
      .map((hex) => Buffer.from(hex, 'hex')),
    fc
      .uint8Array({ minLength: 8, maxLength: 8 })
      .chain((n) => fc.constantFrom(0xcf, 0xd3, 0xcb).map((head) => Buffer.concat([Buffer.from([head]), n]))),
    headed(0xd9, 40),
    headed(0xc4, 40),
    fc
      .tuple(fc.integer({ min: 0, max: 255 }), bytes(20))
      .map(([type, body]) => Buffer.concat([Buffer.from([0xc7, body.length, type]), body])),
    fc.uint8Array({ minLength: 9, maxLength: 9 }).map((body) => Buffer.concat([Buffer.from([0xd7]), body])),
    tie('array') as fc.Arbitrary<Buffer>,
    tie('map') as fc.Arbitrary<Buffer>,
  ),
  array: fc
    .array(tie('value') as fc.Arbitrary<Buffer>, { maxLength: 4 })
    .map((items) => Buffer.concat([Buffer.from([0xdc, 0, items.length]), ...items])),
  // Keys of any type, several of them equal.
  map: fc
    .array(
      fc.tuple(
        fc.oneof(fc.constant(Buffer.from('a16b', 'hex')), tie('value') as fc.Arbitrary<Buffer>),
        tie('value') as fc.Arbitrary<Buffer>,
      ),
      { maxLength: 5 },
    )
    .map((pairs) => Buffer.concat([Buffer.from([0xde, 0, pairs.length]), ...pairs.flat()])),
}))
const time = fc.oneof(
  fc.uint8Array({ minLength: 8, maxLength: 8 }).map((body) => Buffer.concat([Buffer.from([0xd7, 0]), body])),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((body) => Buffer.concat([Buffer.from([0xce]), body])),
  value as fc.Arbitrary<Buffer>,
)
const entries = fc
  .tuple(time, map as fc.Arbitrary<Buffer>)
  .map((parts) => Buffer.concat([Buffer.from([0x92]), ...parts]))

describe('a replay', () => {
  test('sends every record with its tag, in order and byte for byte', async () => {
    const letters = fc.array(
      fc.record({ entry: entries, tag: fc.oneof(fc.constant('t'), fc.string({ unit: 'binary' })) }),
      { maxLength: 30 },
    )
    await fc.assert(
      fc.asyncProperty(letters, async (list) => {
        const path = join(tmp(), 'letters')
        writeFileSync(path, '')
        await writeLetters(path, list, 200_000)
        const out = new Collector()
        const result = await replay(planTo({ 'out.0': out }), path)
        expect(result).toMatchObject({
          replayed: list.length,
          refused: 0,
          unreadable: 0,
          left: 0,
          unknown: 0,
        })
        expect(out.got).toEqual(list.map(({ tag, entry }) => `${tag}:${entry.toString('hex')}`))
        expect((await replay(planTo({ 'out.0': out }), path)).replayed).toBe(0)
      }),
      { numRuns: 6 },
    )
  })

  test('sends each row to the output that it names, or all rows to one that the user names', async () => {
    const path = join(tmp(), 'letters')
    await writeLetters(path, [
      { output: 'a', entry: entry(1) },
      { output: 'b', entry: entry(2) },
      { output: 'gone', entry: entry(3) },
    ])
    const [a, b] = [new Collector(), new Collector()]
    const result = await replay(planTo({ a, b }), path)
    expect(result).toMatchObject({ replayed: 2, unknown: 1, unknownNames: ['gone'] })
    expect([a.got, b.got]).toEqual([[sent('t', 1)], [sent('t', 2)]])
    expect(await replay(planTo({ a, b }), path, 'b')).toMatchObject({ replayed: 1, unknown: 0 })
    expect(b.got).toEqual([sent('t', 2), sent('t', 3)])
  })

  test('leaves what is refused again where it is, and a later one sends only that', async () => {
    const path = join(tmp(), 'letters')
    await writeLetters(
      path,
      [1, 2, 3, 4].map((n) => ({ entry: entry(n) })),
    )
    const out = new Collector()
    out.refuse = (text) => text === sent('t', 2) || text === sent('t', 4)
    expect(await replay(planTo({ 'out.0': out }), path)).toMatchObject({
      replayed: 2,
      refused: 2,
      reason: 'still no',
    })
    expect(readdirSync(join(path, '..')).sort()).toEqual(['letters', 'letters.lock'])
    expect(listLetters(path)).toStartWith(`${path}: 2 to replay, 2 replayed\n`)
    out.refuse = () => false
    expect(await replay(planTo({ 'out.0': out }), path)).toMatchObject({ replayed: 2, refused: 0 })
    expect(out.got).toEqual([sent('t', 1), sent('t', 3), sent('t', 2), sent('t', 4)])
  })

  test('waits for an output that is away, as the agent does', async () => {
    const path = join(tmp(), 'letters')
    await writeLetters(path, [{ entry: entry(1) }])
    const out = new Collector()
    out.failures = 2
    expect(await replay(planTo({ 'out.0': out }), path)).toMatchObject({ replayed: 1 })
  })

  test('removes parts whose rows are all replayed, and keeps the file that an agent appends to', async () => {
    const dir = tmp()
    const path = join(dir, 'letters')
    await writeLetters(
      path,
      [1, 2, 3, 4, 5].map((n) => ({ entry: entry(n) })),
      6000,
    )
    const parts = readdirSync(dir).filter((name) => name !== 'letters')
    expect(parts.length).toBeGreaterThan(1)
    const out = new Collector()
    const result = await replay(planTo({ 'out.0': out }), path)
    expect(result.removed).toHaveLength(parts.length)
    expect(readdirSync(dir).sort()).toEqual(['letters', 'letters.lock'])
    expect(out.got).toEqual([1, 2, 3, 4, 5].map((n) => sent('t', n)))
  })

  test('counts damaged lines and those of other programs, leaves them, and sends the others', async () => {
    const dir = tmp()
    const path = join(dir, 'dead-letters.x.jsonl.1')
    await writeLetters(path, [{ entry: entry(1) }])
    const row = readFileSync(path, 'utf8')
    const record = entry(1).toString('base64')
    for (const line of [
      'notes\n',
      '{"buried":"2026","value":"x"}\n',
      row.slice(0, 100).concat('\n'),
      row.replace(record, Buffer.from('no entry').toString('base64')),
      row.replace(record, Buffer.concat([entry(1), entry(1)]).toString('base64')),
      row.replace('"tag":"t"', '"tag":7'),
    ])
      appendFileSync(path, line)
    await writeLetters(path, [{ entry: entry(2) }])
    const out = new Collector()
    expect(await replay(planTo({ 'out.0': out }), path)).toMatchObject({
      replayed: 2,
      unreadable: 6,
      removed: [],
    })
    expect(out.got).toEqual([sent('t', 1), sent('t', 2)])
    expect(existsSync(path)).toBe(true)
  })

  test('takes rows that an agent appends meanwhile in the next replay, and loses none when it renames the file', async () => {
    const dir = tmp()
    const path = join(dir, 'letters')
    await writeLetters(
      path,
      [1, 2].map((n) => ({ entry: entry(n) })),
    )
    const out = new Collector()
    const flush = out.flush.bind(out)
    // The agent writes and rotates between the delivery and the mark of the first rows.
    out.flush = async (chunk) => {
      await flush(chunk)
      if (out.got.length === 2)
        await writeLetters(
          path,
          [3, 4].map((n) => ({ entry: entry(n) })),
          3000,
        )
    }
    const plan = planTo({ 'out.0': out })
    await replay(plan, path)
    await replay(plan, path)
    expect(out.got).toEqual([1, 2, 3, 4].map((n) => sent('t', n)))
    expect(listLetters(path)).toContain('0 to replay')
  })

  test('of a directory is refused, as it would not be known which file', async () => {
    const dir = tmp()
    const refused = replay(planTo({ 'out.0': new Collector() }), dir)
    expect(await refused.catch((error: unknown) => error)).toMatchObject({
      code: 'E_CLI_USAGE',
      message: `cannot replay ${dir}: it is a directory`,
    })
  })

  test('excludes another one of the same file', async () => {
    const path = join(tmp(), 'letters')
    await writeLetters(path, [{ entry: entry(1) }])
    const out = new Collector()
    const flush = out.flush.bind(out)
    let second: unknown
    out.flush = async (chunk) => {
      second = await replay(planTo({ 'out.0': new Collector() }), path).catch((error) => error)
      await flush(chunk)
    }
    await replay(planTo({ 'out.0': out }), path)
    expect(second).toMatchObject({
      code: 'E_CLI_USAGE',
      message: `${path} is being replayed by another process`,
    })
    expect(out.got).toHaveLength(1)
  })
})

test('a whole last row is listed and replayed although its newline is missing; a part of one is left out', async () => {
  const path = join(tmp(), 'dead-letters.out.0.jsonl')
  await writeLetters(path, [{ entry: entry(1) }])
  const row = readFileSync(path, 'utf8').trimEnd()
  writeFileSync(path, row)
  expect(listLetters(path)).toContain('1 to replay')
  const out = new Collector()
  expect(await replay(planTo({ 'out.0': out }), path)).toMatchObject({ replayed: 1, unreadable: 0 })
  expect(out.got).toHaveLength(1)
  expect(listLetters(path)).toContain('0 to replay, 1 replayed')
  writeFileSync(path, row.slice(0, -10))
  expect(listLetters(path)).toContain('0 to replay, 0 replayed')
})

/** A plan whose filter `fail.0` fails on records that `fails` chooses between two others that note their chunks. */
function filtering(out: Collector, fails: (n: number) => boolean, seen: string[]): Plan {
  const plan = planTo({ 'out.0': out })
  const spec = defineFilter({
    ...FILTER_TEXTS,
    options: ON_ERROR_OPTIONS,
    create: (options, ctx) => {
      const failed = new FailedRecords(options.onError, ctx)
      return {
        apply(chunk) {
          let to = chunk.start
          let count = 0
          for (let at = chunk.start, end = 0; at < chunk.end; at = end) {
            end = skip(chunk.buf, at, chunk.end)
            const n = chunk.buf[end - 1] as number
            const error = new ShipperError('E_FILTER_FAILED', `fails on ${n}`)
            if (fails(n) && !failed.handle(chunk, at, end, error)) continue
            to += chunk.buf.copy(chunk.buf, to, at, end)
            count++
          }
          chunk.end = to
          chunk.count = count
        },
      }
    },
  })
  const before = filterPlanOf({ name: 'before.0', create: () => ({ apply: () => void seen.push('before') }) })
  const after = filterPlanOf({ name: 'after.0', create: () => ({ apply: () => void seen.push('after') }) })
  const failing = { ...before, name: 'fail.0', spec, options: parseOptions(ON_ERROR_OPTIONS, {}) }
  return { ...plan, filters: [before, failing as never, after] }
}

const FILTER_TEXTS = { kind: 'filter', name: 'fail', summary: '', description: '', example: '' } as const

describe('rows of a filter', () => {
  async function rowsOfFilter(path: string, numbers: number[]): Promise<void> {
    const rows = numbers.map((n) =>
      encodeRow({
        time: 't',
        cause: 'filter',
        code: 'E_FILTER_FAILED',
        reason: 'r',
        tag: 'app',
        input: 'in.0',
        output: 'fail.0',
        chunk: 'c',
        record: entry(n).toString('base64'),
      }),
    )
    writeFileSync(path, Buffer.concat(rows))
  }

  test('go through this filter again and what follows it, and not through those before it', async () => {
    const path = join(tmp(), 'letters')
    await rowsOfFilter(path, [1, 2, 3])
    const out = new Collector()
    const seen: string[] = []
    const result = await replay(
      filtering(out, () => false, seen),
      path,
    )
    expect(result).toMatchObject({ replayed: 3, refused: 0, left: 0, unknown: 0 })
    expect(out.got).toEqual([1, 2, 3].map((n) => sent('app', n)))
    expect(seen).toEqual(['after', 'after', 'after'])
    expect(
      await replay(
        filtering(out, () => false, seen),
        path,
      ),
    ).toMatchObject({ replayed: 0 })
    expect(out.got).toHaveLength(3)
  })

  test('stay where the filter fails again, or an output refuses what follows', async () => {
    const path = join(tmp(), 'letters')
    await rowsOfFilter(path, [1, 2, 3])
    const out = new Collector()
    out.refuse = (text) => text === sent('app', 3)
    const result = await replay(
      filtering(out, (n) => n === 1, []),
      path,
    )
    expect(result).toMatchObject({ replayed: 1, refused: 2, left: 0 })
    expect(out.got).toEqual([sent('app', 2)])
    const rows = readFileSync(path, 'utf8').trimEnd().split('\n')
    expect(rows.map((row) => JSON.parse(row).replayed)).toEqual([0, 1, 0])
  })

  test('are counted when the configuration has no such filter, and go past all filters to a named output', async () => {
    const path = join(tmp(), 'letters')
    await rowsOfFilter(path, [1, 2])
    const out = new Collector()
    const without = planTo({ 'out.0': out })
    expect(await replay(without, path)).toMatchObject({ replayed: 0, unknown: 2, unknownNames: ['fail.0'] })
    expect(out.got).toEqual([])
    const seen: string[] = []
    expect(
      await replay(
        filtering(out, () => true, seen),
        path,
        'out.0',
      ),
    ).toMatchObject({ replayed: 2 })
    expect([out.got.length, seen]).toEqual([2, []])
  })

  test('are marked one by one, however many there are', async () => {
    const path = join(tmp(), 'letters')
    await rowsOfFilter(
      path,
      Array.from({ length: 3000 }, (_, i) => i % 128),
    )
    const out = new Collector()
    expect(
      await replay(
        filtering(out, (n) => n === 5, []),
        path,
      ),
    ).toMatchObject({ replayed: 2976, refused: 24 })
    expect(out.got).toHaveLength(2976)
  })
})

test('a list of a directory names what is no file and goes on with the others', async () => {
  const folder = tmp()
  execFileSync('mkfifo', [join(folder, 'dead-letters.a.jsonl')])
  await writeLetters(join(folder, 'dead-letters.b.jsonl'), [{ entry: entry(1) }])
  const text = listLetters(folder)
  expect(text).toContain('dead-letters.a.jsonl: is not a regular file')
  expect(text).toContain('dead-letters.b.jsonl: 1 to replay')
})

test('show escapes control characters and prints a record that is cut as it is', async () => {
  const dir = tmp()
  const fixed = {
    time: 't',
    code: 'E',
    reason: 'r',
    input: 'i',
    output: 'o',
    chunk: 'c',
    cause: 'rejected',
  } as const
  const rows = ['920581a161a2c29b', '9205dfffffffff', '9205df'].map((hex) =>
    encodeRow({ ...fixed, tag: 'a\u009b\u202e', record: Buffer.from(hex, 'hex').toString('base64') }),
  )
  writeFileSync(join(dir, 'dead-letters.o.jsonl'), Buffer.concat(rows))
  const lines: string[] = []
  await showLetters(dir, 10, async (text) => void lines.push(text))
  expect(lines.map((line) => JSON.parse(line).record)).toEqual([{ a: '\u009b' }, 'kgXf/////w==', 'kgXf'])
  for (const line of lines) expect(line).toMatch(/^[\x20-\x7e]*\n$/)
})

test('show prints rows as JSON with the record decoded, without those that are replayed, up to a limit', async () => {
  const dir = tmp()
  await writeLetters(
    join(dir, 'dead-letters.a.jsonl'),
    [1, 2, 3].map((n) => ({ entry: entry(n) })),
  )
  await writeLetters(join(dir, 'dead-letters.b.jsonl'), [{ entry: entry(4) }])
  const shown = async (limit: number): Promise<unknown[]> => {
    const lines: string[] = []
    await showLetters(dir, limit, async (text) => void lines.push(text))
    return lines.map((line) => JSON.parse(line).record)
  }
  expect(await shown(2)).toEqual([{ n: 1 }, { n: 2 }])
  expect(await shown(Number.POSITIVE_INFINITY)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
})

test('show escapes what could control a terminal, and counts lines that are no rows of this version', async () => {
  const file = join(tmp(), 'letters')
  const evil = '\u009b31m\u202e'
  const body = Buffer.from(encode({ [evil]: evil }))
  await writeLetters(file, [{ tag: evil, entry: Buffer.concat([entry(1).subarray(0, 11), body]) }])
  appendFileSync(file, '{"buried":"2026-11-01T00:00:00.000Z","value":"of an older version"}\n')
  const lines: string[] = []
  expect(await showLetters(file, Number.POSITIVE_INFINITY, async (text) => void lines.push(text))).toBe(1)
  expect(lines.join('')).not.toMatch(/[\u009b\u202e]/)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ tag: evil, record: { [evil]: evil } })
})
