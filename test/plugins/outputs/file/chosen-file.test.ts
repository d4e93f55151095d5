import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import type { ShipperError } from '../../../../src/core/error.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Output, OutputContext } from '../../../../src/core/plugin.ts'
import { CounterMap } from '../../../../src/engine/counters.ts'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { CHOSEN_COUNTERS } from '../../../../src/plugins/outputs/file/chosen-output.ts'
import { spec } from '../../../../src/plugins/outputs/file/index.ts'
import { chunkOf, recordsOf } from '../../../support/engine/chunk-of.ts'
import { listLog } from '../../../support/engine/chunks.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { outputContext } from '../../../support/engine/output-context.ts'
import { tmp } from '../../../support/tmp.ts'

const original = { ...systemCalls }

interface Bench {
  dir: string
  output: Output
  counters: CounterMap
  lines: string[]
  /** Records that were rejected, with the reasons. */
  rejected: { record: unknown; reason: ShipperError }[]
}

/** Creates an output whose Path and Fallback_Path are in a folder of its own. */
function bench(texts: Record<string, string>, more: Partial<OutputContext> = {}, dir = tmp()): Bench {
  const counters = new CounterMap(CHOSEN_COUNTERS)
  const { log, lines } = listLog()
  const rejected: Bench['rejected'] = []
  const ctx = outputContext({
    counters,
    log,
    reject: (chunk, start, end, reason) => {
      const entry = Object.assign(Object.create(Object.getPrototypeOf(chunk)), chunk)
      entry.entries = () => chunk.buf.subarray(start, end)
      rejected.push({ record: recordsOf(entry)[0], reason })
    },
    ...more,
  })
  const paths = { path: join(dir, texts.path ?? ''), fallback_path: dir }
  const output = spec.create(parseOptions(spec.options, { format: 'plain', ...texts, ...paths }), ctx)
  return { dir, output, counters, lines, rejected }
}

/** Returns the lines of each file below the folder, by its path. */
function filesIn(dir: string): Record<string, string[]> {
  const found = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = found.map(({ parentPath, name }) => join(parentPath, name)).sort()
  return Object.fromEntries(
    paths.map((path) => [relative(dir, path), readFileSync(path, 'utf8').split('\n').slice(0, -1)]),
  )
}

function failureOf(output: Output, records: object[], tag?: string): Promise<ShipperError> {
  return output.flush(chunkOf(records, tag)).then(
    () => expect.unreachable('the flush resolved'),
    (error) => error,
  )
}

async function withCalls<T>(calls: Partial<typeof systemCalls>, run: () => Promise<T>): Promise<T> {
  Object.assign(systemCalls, calls)
  try {
    return await run()
  } finally {
    Object.assign(systemCalls, original)
  }
}

const line = (record: object): string => JSON.stringify(record)

describe('fields of a record', () => {
  test('choose directories and the name, and each file has its records in their order', async () => {
    const { dir, output, rejected } = bench({ path: 'apps/$ns', file: '$app-$TAG[1].log', mkdir: 'on' })
    const records = Array.from({ length: 100 }, (_, i) => ({ ns: `n${i % 3}/x`, app: `a${i % 2}`, i }))
    await output.flush(chunkOf(records.slice(0, 60), 'kube.pod'))
    await output.flush(chunkOf(records.slice(60), 'kube.pod'))
    const expected: Record<string, string[]> = {}
    for (const record of records) {
      const path = `apps/${record.ns}/${record.app}-pod.log`
      expected[path] = [...(expected[path] ?? []), line(record)]
    }
    expect(filesIn(dir)).toEqual(expected)
    expect(rejected).toEqual([])
  })

  test('may lie deeper, be numbers, and differ from record to record more often than is remembered', async () => {
    const { dir, output } = bench({ file: "x.$k['name'][0]" })
    const records = Array.from({ length: 90 }, (_, i) => ({ k: { name: [i % 30] }, i }))
    await output.flush(chunkOf(records))
    const files = filesIn(dir)
    expect(Object.keys(files)).toHaveLength(30)
    expect(files['x.7']).toEqual([7, 37, 67].map((i) => line({ k: { name: [7] }, i })))
  })

  test('without File the tag is the name in the directory', async () => {
    const { dir, output } = bench({ path: 'p/$app', mkdir: 'on' })
    await output.flush(chunkOf([{ app: 'web' }], 'my/tag'))
    expect(Object.keys(filesIn(dir))).toEqual(['p/web/my/tag'])
  })

  test('in two spellings of one path share a file, with their records in order', async () => {
    const { dir, output } = bench({ path: 'p/$a', file: 'x', mkdir: 'on' })
    const records = ['b/c', 'b//c', '/b/c/', 'b/c'].map((a, i) => ({ a, i }))
    await output.flush(chunkOf(records))
    expect(filesIn(dir)).toEqual({ 'p/b/c/x': records.map(line) })
  })

  test('csv has the names of its columns in each new file', async () => {
    const { dir, output } = bench({ file: '$a', format: 'csv', csv_column_names: 'on' })
    for (let i = 0; i < 2; i++) await output.flush(chunkOf([{ a: 'x' }, { a: 'y' }]))
    expect(filesIn(dir).y).toEqual(['timestamp,"a"', '1001.500000000,"y"', '1001.500000000,"y"'])
  })
})

describe('Enable_Strftime', () => {
  test('names files by the time of each record in UTC', async () => {
    const { dir, output } = bench({
      path: 'p/%Y/%m',
      file: '%d-%H%M.log',
      enable_strftime: 'on',
      mkdir: 'on',
    })
    // 59 records before 00:17:40, one a second from 00:16:40.
    await output.flush(chunkOf(Array.from({ length: 61 }, (_, i) => ({ i }))))
    const files = filesIn(dir)
    expect(Object.entries(files).map(([path, lines]) => [path, lines.length])).toEqual([
      ['p/1970/01/01-0016.log', 20],
      ['p/1970/01/01-0017.log', 41],
    ])
  })

  test('is off by default: a percent sign is part of the name', async () => {
    const { dir, output } = bench({ file: '%Y.log' })
    await output.flush(chunkOf([{ i: 1 }]))
    expect(Object.keys(filesIn(dir))).toEqual(['%Y.log'])
  })

  test('does not expand what comes from a field', async () => {
    const { dir, output } = bench({ file: '%Y-$a-%%', enable_strftime: 'on' })
    await output.flush(chunkOf([{ a: '%Y' }]))
    expect(Object.keys(filesIn(dir))).toEqual(['1970-%Y-%'])
  })
})

/** Values of a field that must not become the name of a file. */
const HOSTILE_NAMES: unknown[] = [
  '',
  '.',
  '..',
  '../x',
  '/etc/passwd',
  'a/b',
  'a\0b',
  '\0',
  'a\nb',
  '\u001b[2J',
  '\u007f',
  '\u0085',
  'a\u202egol',
  'x'.repeat(256),
  'é'.repeat(128),
  'c:x',
  'a*',
  '<a>|',
  Buffer.from([0x66, 0xff, 0xfe]),
  Buffer.from('\0'),
  { a: 1 },
  ['a'],
  Number.NaN,
]

describe('a record that names no safe file', () => {
  test('is rejected at once, each with its reason, and the others are written', async () => {
    const { dir, output, rejected } = bench({ path: 'in', file: '$a', mkdir: 'on' })
    const records = [
      ...HOSTILE_NAMES.flatMap((a, i) => [
        { a, i },
        { a: 'good', i },
      ]),
      { i: -1 },
    ]
    await output.flush(chunkOf(records))
    expect(filesIn(dir)).toEqual({ 'in/good': HOSTILE_NAMES.map((_, i) => line({ a: 'good', i })) })
    expect(rejected.map(({ record }) => (record as { i: number }).i).sort((a, b) => a - b)).toEqual([
      -1,
      ...HOSTILE_NAMES.keys(),
    ])
    for (const { reason } of rejected) {
      expect(reason).toMatchObject({ code: 'E_OUTPUT_REJECTED', retryable: false })
      expect(reason.message).not.toMatch(/\p{Cc}|\u202e/u)
      expect(reason.message.length).toBeLessThan(400)
    }
  })

  test.each([
    ['..', '..'],
    ['../..', '../..'],
    ['a/../b', 'a/../b'],
    ['./a', './a'],
    ['a/.', 'a/.'],
    ['NUL', '\0'],
    ['an escape', 'a/\u001b'],
    ['a long name', `a/${'x'.repeat(256)}`],
    ['a long path', 'x/'.repeat(2100)],
    ['very many slashes', `${'/'.repeat(100_000)}x`],
  ])('does not leave the directory of Path with %s in a field', async (_name, ns) => {
    const { dir, output, rejected } = bench({ path: 'in/$ns', file: 'f', mkdir: 'on' })
    await output.flush(chunkOf([{ ns }]))
    expect(filesIn(dir)).toEqual({})
    expect(rejected).toHaveLength(1)
  })

  test.each(['', '/', '///'])('is not in the parent directory with %j in a field of Path', async (ns) => {
    for (const path of ['in/$ns', 'in/$ns/x', 'in/app-$ns']) {
      const { dir, output, rejected } = bench({ path, file: 'f', mkdir: 'on' })
      await output.flush(chunkOf([{ ns }, { ns: 'a' }]))
      expect(Object.keys(filesIn(dir))).toEqual([`${path.replace('$ns', 'a')}/f`])
      expect(rejected.map(({ record }) => record)).toEqual([{ ns }])
      expect(rejected[0]?.reason.message).toContain('missing or empty')
    }
  })

  test('an absolute path in a field is one below the directory', async () => {
    const { dir, output } = bench({ path: 'in/$ns', file: 'f', mkdir: 'on' })
    await output.flush(chunkOf([{ ns: '/etc/cron.d' }]))
    expect(Object.keys(filesIn(dir))).toEqual(['in/etc/cron.d/f'])
  })

  test('waits when it cannot be kept, and the others are written once', async () => {
    const error = new Error('no place for it')
    let isFull = true
    const kept: number[] = []
    const reject = (_chunk: unknown, start: number): void => {
      if (isFull) throw error
      kept.push(start)
    }
    const { dir, output } = bench({ file: '$a' }, { reject })
    const chunk = chunkOf([{ a: 'x' }, { b: 1 }, { a: 'x' }])
    for (let i = 0; i < 3; i++) expect(await output.flush(chunk).catch((caught) => caught)).toBe(error)
    isFull = false
    await output.flush(chunk)
    expect(filesIn(dir)).toEqual({ x: [line({ a: 'x' }), line({ a: 'x' })] })
    expect(kept).toHaveLength(1)
  })

  test('is rejected with what it has not', async () => {
    const { output, rejected } = bench({ path: 'p-$TAG[1]', file: "$a['b']-$c", mkdir: 'on' })
    await output.flush(chunkOf([{ c: 1 }, { a: { b: 1 } }, { c: 2 }, { a: { b: '' }, c: 1 }], 't.u'))
    const reasons = Object.fromEntries(
      rejected.map(({ record, reason }) => [JSON.stringify(record), reason.message.replace(/^.*?: /, '')]),
    )
    expect(reasons).toEqual({
      '{"c":1}': "the field $a['b'] is missing or empty, or it is a map or a list",
      '{"c":2}': "the field $a['b'] is missing or empty, or it is a map or a list",
      '{"a":{"b":""},"c":1}': "the field $a['b'] is missing or empty, or it is a map or a list",
      '{"a":{"b":1}}': 'the field $c is missing or empty, or it is a map or a list',
    })
    const other = bench({ path: 'p-$TAG[1]', file: 'a', mkdir: 'on' })
    await other.output.flush(chunkOf([{ c: 1 }], 't'))
    expect(other.rejected[0]?.reason.message).toEndWith('the tag has no part $TAG[1], or it is empty')
  })

  test('is dropped with On_Missing_Field drop, counted, and logged once for a chunk', async () => {
    const { dir, output, counters, lines } = bench({ file: '$a', on_missing_field: 'drop' })
    await output.flush(chunkOf([{ b: 1 }, { a: 'x' }, { a: '..' }, { a: '/' }]))
    expect(Object.keys(filesIn(dir))).toEqual(['x'])
    expect(counters.get('unresolved_dropped', 'missing_field')).toBe(3)
    expect(lines).toEqual([
      'warn 3 records dropped by On_Missing_Field: the field $a is missing or empty, or it is a map or a list',
    ])
  })

  test('goes to Fallback_File with On_Missing_Field fallback, in order with those that name it', async () => {
    const { dir, output, counters } = bench({
      file: '$a',
      on_missing_field: 'fallback',
      fallback_file: 'other',
    })
    const records = [{ i: 0 }, { a: 'x' }, { a: '..' }, { a: 'other' }, { i: 1 }]
    await output.flush(chunkOf(records))
    expect(filesIn(dir)).toEqual({
      other: [0, 2, 3, 4].map((i) => line(records[i] as object)),
      x: [line({ a: 'x' })],
    })
    expect(counters.get('unresolved_fallback', 'missing_field')).toBe(3)
  })
})

describe('Max_Dynamic_Files', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => ({ a: `f${i % 9973}`, i }))

  test('bounds the files of 10,000 destinations, and the other records are dropped and counted', async () => {
    const { dir, output, counters, lines } = bench({
      file: '$a',
      max_dynamic_files: '64',
      on_limit_reached: 'drop',
    })
    await output.flush(chunkOf(many))
    const files = filesIn(dir)
    expect(Object.keys(files)).toHaveLength(64)
    const written = Object.values(files).flat().length
    expect(written).toBe(64 + 27)
    expect(counters.get('unresolved_dropped', 'limit_reached')).toBe(10_000 - written)
    expect(lines).toEqual(['warn 9,909 records dropped by On_Limit_Reached: there are 64 others'])
  })

  test('sends the rest to Fallback_File, in order', async () => {
    const { dir, output, counters } = bench({
      file: '$a',
      max_dynamic_files: '64',
      on_limit_reached: 'fallback',
      fallback_file: 'rest',
    })
    await output.flush(chunkOf(many))
    await output.flush(chunkOf(many.slice(0, 70)))
    const { rest = [], ...files } = filesIn(dir)
    expect(Object.keys(files)).toHaveLength(64)
    const numbers = rest.map((text) => JSON.parse(text).i as number)
    expect(numbers).toHaveLength(10_000 - 64 - 27 + 6)
    expect(numbers.slice(0, -6)).toEqual(numbers.slice(0, -6).sort((a, b) => a - b))
    expect(counters.get('unresolved_fallback', 'limit_reached')).toBe(numbers.length)
  })

  test('with error the records beyond it are rejected at once; those of known files are written once', async () => {
    const { dir, output, rejected } = bench({ file: '$a', max_dynamic_files: '2' })
    await output.flush(chunkOf(['x', 'y', 'z', 'x'].map((a, i) => ({ a, i }))))
    await output.flush(chunkOf(['z', 'y'].map((a, i) => ({ a, i: i + 4 }))))
    expect(filesIn(dir)).toEqual({
      x: [line({ a: 'x', i: 0 }), line({ a: 'x', i: 3 })],
      y: [line({ a: 'y', i: 1 }), line({ a: 'y', i: 5 })],
    })
    expect(rejected.map(({ record }) => record)).toEqual([
      { a: 'z', i: 2 },
      { a: 'z', i: 4 },
    ])
    for (const { reason } of rejected)
      expect(reason).toMatchObject({ code: 'E_OUTPUT_REJECTED', retryable: false })
  })

  test('counts a file out that got no record for an hour, so that new names of pods do not reach it', async () => {
    const clock = new ManualClock()
    const { dir, output, rejected } = bench({ file: '$a', max_dynamic_files: '4' }, { clock })
    const write = (...names: string[]): Promise<void> => output.flush(chunkOf(names.map((a) => ({ a }))))
    await write('pod-0', 'pod-1', 'always')
    for (let i = 2; i < 50; i++) {
      clock.advance(2_000_000)
      await write(`pod-${i}`, 'always')
    }
    expect(rejected).toEqual([])
    expect(Object.keys(filesIn(dir))).toHaveLength(51)
    await write('pod-50', 'pod-51', 'pod-48')
    expect(rejected.map(({ record }) => record)).toEqual([{ a: 'pod-51' }])
    // The oldest counts again with its next record, and is then refused like a new one.
    await write('pod-0')
    expect(rejected).toHaveLength(2)
  })

  test('keeps a file no longer because the clock was set back', async () => {
    const clock = new ManualClock()
    const { dir, output } = bench({ file: '$a', max_dynamic_files: '1', on_limit_reached: 'drop' }, { clock })
    await output.flush(chunkOf([{ a: 'x' }]))
    clock.nowMs = () => -10_000_000
    await output.flush(chunkOf([{ a: 'y' }]))
    expect(readdirSync(dir).sort()).toEqual(['x', 'y'])
  })

  test('0 is no limit', async () => {
    const { dir, output } = bench({ file: '$a', max_dynamic_files: '0' })
    await output.flush(chunkOf(many.slice(0, 1500)))
    expect(Object.keys(filesIn(dir))).toHaveLength(1500)
  })

  test('does not count files that were removed since, which is looked at once a minute', async () => {
    const clock = new ManualClock()
    const { dir, output } = bench({ file: '$a', max_dynamic_files: '2', on_limit_reached: 'drop' }, { clock })
    const write = (a: string): Promise<void> => output.flush(chunkOf([{ a }]))
    for (const a of ['x', 'y', 'z']) await write(a)
    rmSync(join(dir, 'x'))
    await write('z')
    expect(readdirSync(dir)).toEqual(['y'])
    clock.advance(60_000)
    await write('z')
    await write('w')
    expect(readdirSync(dir).sort()).toEqual(['y', 'z'])
  })

  test('does not count files that could not be written', async () => {
    const { dir, output, rejected } = bench({ file: '$a', max_dynamic_files: '2', on_limit_reached: 'drop' })
    for (const a of ['x', 'y']) mkdirSync(join(dir, a))
    for (const a of ['x', 'y']) await output.flush(chunkOf([{ a }]))
    expect(rejected).toHaveLength(2)
    await output.flush(chunkOf([{ a: 'v' }, { a: 'w' }]))
    expect(Object.keys(filesIn(dir))).toEqual(['v', 'w'])
  })
})

describe('a file that a record has chosen and that cannot be written', () => {
  test('is tried again if that may help, then its records are rejected, and no line of the others is repeated', async () => {
    let isOverdue = false
    const { dir, output, rejected } = bench({ file: '$a' }, { isOverdue: () => isOverdue })
    writeFileSync(join(dir, 'bad'), '')
    const chunk = chunkOf(['bad', 'x', 'bad', 'y'].map((a, i) => ({ a, i })))
    const openSync = ((path: string, ...rest: [never, never]) => {
      if (path === join(dir, 'bad')) throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
      return original.openSync(path, ...rest)
    }) as never
    await withCalls({ openSync }, async () => {
      for (let i = 0; i < 3; i++)
        expect(await output.flush(chunk).catch((error) => error)).toMatchObject({
          code: 'E_OUTPUT_WRITE',
          scope: 'records',
          retryable: true,
        })
      expect(rejected).toEqual([])
      isOverdue = true
      await output.flush(chunk)
    })
    expect(filesIn(dir)).toEqual({ bad: [], x: [line({ a: 'x', i: 1 })], y: [line({ a: 'y', i: 3 })] })
    expect(rejected.map(({ record }) => record)).toEqual([
      { a: 'bad', i: 0 },
      { a: 'bad', i: 2 },
    ])
  })

  test('as it is a directory is rejected at once, and the others and the next chunk are written', async () => {
    const { dir, output, rejected } = bench({ path: 'out', file: '$svc', mkdir: 'on' })
    mkdirSync(join(dir, 'out/dir'), { recursive: true })
    for (const from of [0, 3])
      await output.flush(chunkOf(['ok', 'dir', 'ok'].map((svc, i) => ({ svc, i: from + i }))))
    expect(filesIn(dir)).toEqual({ 'out/ok': [0, 2, 3, 5].map((i) => line({ svc: 'ok', i })) })
    expect(rejected.map(({ record }) => record)).toEqual([
      { svc: 'dir', i: 1 },
      { svc: 'dir', i: 4 },
    ])
    expect(rejected[0]?.reason).toMatchObject({
      code: 'E_OUTPUT_REJECTED',
      retryable: false,
      message: expect.stringContaining(`cannot write ${dir}/out/dir: `),
    })
  })

  test('as a part of its path is a file is rejected at once', async () => {
    const { dir, output, rejected } = bench({ path: 'out/$ns', file: 'f', mkdir: 'on' })
    mkdirSync(join(dir, 'out'))
    writeFileSync(join(dir, 'out/x'), '')
    await output.flush(chunkOf([{ ns: 'x' }, { ns: 'y' }]))
    expect(filesIn(dir)).toEqual({ 'out/x': [], 'out/y/f': [line({ ns: 'y' })] })
    expect(rejected.map(({ record }) => record)).toEqual([{ ns: 'x' }])
  })

  test('waits when its records cannot be kept, with those of the other files written once', async () => {
    const error = new Error('no place for it')
    const reject = (): void => {
      throw error
    }
    const { dir, output } = bench({ file: '$a' }, { reject })
    mkdirSync(join(dir, 'bad'))
    const chunk = chunkOf([{ a: 'bad' }, { a: 'x' }])
    for (let i = 0; i < 2; i++) expect(await output.flush(chunk).catch((caught) => caught)).toBe(error)
    rmdirSync(join(dir, 'bad'))
    await output.flush(chunk)
    expect(filesIn(dir)).toEqual({ bad: [line({ a: 'bad' })], x: [line({ a: 'x' })] })
  })

  test('a full disk is an error of the output, and what was written before it is not repeated', async () => {
    const { dir, output } = bench({ file: '$a' })
    const chunk = chunkOf(['x', 'y', 'z'].map((a) => ({ a })))
    let writes = 0
    Object.assign(systemCalls, {
      writeSync: (...args: Parameters<typeof original.writeSync>) => {
        if (++writes === 2) throw Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' })
        return original.writeSync(...args)
      },
    })
    const failed = await output.flush(chunk).catch((error) => error)
    expect(failed).toMatchObject({ code: 'E_OUTPUT_WRITE', scope: 'peer', retryable: true })
    expect(existsSync(join(dir, 'z'))).toBe(false)
    await output.flush(chunk)
    Object.assign(systemCalls, original)
    expect(filesIn(dir)).toEqual({ x: [line({ a: 'x' })], y: [line({ a: 'y' })], z: [line({ a: 'z' })] })
  })

  test('a file of the agent, a device and a FIFO are rejected at once', async () => {
    const isOwnFile = (path: string): boolean => path.endsWith('/pos.db')
    const { dir, output, rejected } = bench({ file: '$a' }, { isOwnFile })
    symlinkSync('/dev/null', join(dir, 'null'))
    execFileSync('mkfifo', [join(dir, 'fifo')])
    await output.flush(chunkOf(['pos.db', 'null', 'fifo'].map((a) => ({ a }))))
    expect(rejected.map(({ record }) => (record as { a: string }).a)).toEqual(['pos.db', 'null', 'fifo'])
    expect(rejected[0]?.reason.message).toContain('a file of the agent itself')
    expect(readdirSync(dir).sort()).toEqual(['fifo', 'null'])
  })

  test('without Mkdir, too, a directory that is a link of another user is refused', async () => {
    const { dir, output, rejected } = bench({ path: 'in/$ns', file: 'f' })
    mkdirSync(join(dir, 'away'))
    mkdirSync(join(dir, 'in'))
    symlinkSync('../away', join(dir, 'in/link'))
    const lstatSync = ((path: string, options: object) =>
      Object.assign(original.lstatSync(path, options) as object, { uid: 4242n })) as never
    await withCalls({ lstatSync }, () => output.flush(chunkOf([{ ns: 'link' }])))
    expect(rejected.map(({ reason }) => reason.message)).toEqual([
      expect.stringContaining('in/link is a link that belongs to another user'),
    ])
    expect(readdirSync(join(dir, 'away'))).toEqual([])
  })

  test('is rejected when its tag chooses it, and an error of the output when only the time does', async () => {
    const dir = tmp()
    for (const name of ['t', '1970']) mkdirSync(join(dir, name))
    const texts = { path: '', enable_strftime: 'on' }
    const byTag = bench({ ...texts, file: '$TAG' }, {}, dir)
    await byTag.output.flush(chunkOf([{}], 't'))
    expect(byTag.rejected).toHaveLength(1)
    const byTime = await failureOf(bench({ ...texts, file: '%Y' }, {}, dir).output, [{}], 't')
    expect(byTime).toMatchObject({ scope: 'chunk', retryable: true })
  })

  test('an incomplete line of a crash is ended in each file', async () => {
    const { dir, output } = bench({ file: '$a' })
    for (const name of ['x', 'y']) writeFileSync(join(dir, name), '{"to')
    await output.flush(chunkOf([{ a: 'x' }, { a: 'y' }]))
    expect(filesIn(dir)).toEqual({ x: ['{"to', line({ a: 'x' })], y: ['{"to', line({ a: 'y' })] })
  })
})

test('a stop ends a flush to very many files, and the retry writes the rest', async () => {
  const signal = { aborted: true }
  const { dir, output } = bench({ file: '$a', max_dynamic_files: '0' }, { signal: signal as AbortSignal })
  const records = Array.from({ length: 10_000 }, (_, i) => ({ a: `f${i}` }))
  const chunk = chunkOf(records)
  // Time passes without work, however fast the machine is.
  const now = performance.now
  let ms = 0
  performance.now = () => ++ms
  const failed = await output.flush(chunk).catch((error) => error)
  performance.now = now
  expect(failed).toMatchObject({ retryable: true, scope: 'peer' })
  const count = readdirSync(dir).length
  expect(count).toBeGreaterThan(0)
  expect(count).toBeLessThan(10_000)
  signal.aborted = false
  await output.flush(chunk)
  expect(Object.values(filesIn(dir)).flat()).toHaveLength(10_000)
})

describe('a configuration', () => {
  const create = (texts: Record<string, string>): Output =>
    spec.create(parseOptions(spec.options, texts), outputContext())

  test.each([
    [{ path: '$ns', file: 'f' }, 'path', 'begins with what a record chooses'],
    [{ path: '/$ns', file: 'f' }, 'path', 'begins with what a record chooses'],
    [{ path: '/../$ns' }, 'path', 'begins with what a record chooses'],
    [{ path: '/l', file: 'a/$ns' }, 'file', 'contains a slash'],
    [{ path: '/l', file: '%D', enable_strftime: 'on' }, 'file', 'contains a slash'],
    [{ path: '/l', file: '$' }, 'file', 'no key after "$"'],
    [{ path: '/l', file: '$0' }, 'file', 'there is none here'],
    [{ path: '/l', file: '%Q', enable_strftime: 'on' }, 'file', 'is not a time directive'],
    [{ path: '/l', file: '$a', on_missing_field: 'fallback' }, 'on_missing_field', 'no Fallback_File'],
    [{ path: '/l', file: '$a', on_limit_reached: 'fallback' }, 'on_limit_reached', 'no Fallback_File'],
  ])('%j is refused at %s', (texts, option, message) => {
    let error: unknown
    try {
      create(texts)
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ option, message: expect.stringContaining(message) })
  })

  test('may begin Path with a time, or with text that is no directory', () => {
    create({ path: '%Y/$ns', file: 'f', enable_strftime: 'on' })
    create({ path: '/app-$ns', file: 'f' })
    create({ path: 'logs-$ns' })
  })

  test('with rotation is refused, and without it its other options are only warned of', () => {
    expect(() => parseOptions(spec.options, { rotate: 'on' })).toThrow('not rotated here yet')
    parseOptions(spec.options, { rotate: 'off', rotate_max_size: '10M' })
  })

  test('names the fallback file as one that is written, and none that a record chooses', () => {
    const writes = (texts: Record<string, string>): string | undefined =>
      spec.writes?.(parseOptions(spec.options, texts) as never)
    expect(writes({ path: '/l', file: '$a' })).toBeUndefined()
    expect(writes({ path: '/l', file: '$a', fallback_path: '/f', fallback_file: 'x' })).toBe('/f/x')
    expect(writes({ path: '/l', file: 'a' })).toBe('/l/a')
  })
})
