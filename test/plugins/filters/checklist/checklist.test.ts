import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../../../src/core/error.ts'
import { spec } from '../../../../src/plugins/filters/checklist/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { FilterRun, type Texts } from '../../../support/engine/filter-run.ts'
import { LaterList } from '../../../support/later.ts'
import { tmp } from '../../../support/tmp.ts'

function listFile(content: string | Buffer): string {
  const path = join(tmp(), 'list.txt')
  writeFileSync(path, content)
  return path
}

async function checklist(content: string | Buffer, texts: Texts = {}): Promise<FilterRun> {
  const run = new FilterRun(spec as never, {
    file: listFile(content),
    lookup_key: 'u',
    record: 'hit yes',
    ...texts,
  })
  await run.filter.start?.()
  return run
}

/** Returns the values that are in the list. */
async function hits(content: string | Buffer, values: unknown[], texts: Texts = {}): Promise<unknown[]> {
  const records = (await checklist(content, texts)).through(values.map((u) => ({ u })))
  return records.filter(({ hit }) => hit === 'yes').map(({ u }) => u)
}

const CONTRACT_FILE = listFile('x\nodd\n')

filterContract({
  name: 'checklist',
  create: ({ buffers }) => {
    const texts = { file: CONTRACT_FILE, lookup_key: 'mark', record: ['keep gone', 'keep yes'] }
    const { filter } = new FilterRun(spec as never, texts, { buffers })
    // The file is read within the call.
    void filter.start?.()
    return filter
  },
  expected: (record) => {
    const { keep: _keep, ...others } = record
    const { mark } = record
    const text = mark instanceof Uint8Array ? Buffer.from(mark).toString('latin1') : mark
    const isListed = text === 'x' || text === 'odd'
    return isListed ? { ...others, keep: 'yes' } : record
  },
})

const LIST = 'ann\n# note\n\nbob \r\n7\n'
const VALUES = ['ann', 'bob', 'bob ', 'Ann', 'an', 'annex', '# note', '', 7, 7.5, null, ['ann'], { ann: 1 }]

test('exact: the value is a line of the file; blanks at its end may be missing; a number counts as its text', async () => {
  expect(await hits(LIST, VALUES)).toEqual(['ann', 'bob', 'bob ', 7])
  expect(await hits(LIST, VALUES, { ignore_case: 'on' })).toEqual(['ann', 'bob', 'bob ', 'Ann', 7])
  expect(await hits('-1\ntrue\n1.5', [-1, true, false, 1.5])).toEqual([-1, true, 1.5])
})

test('a byte order mark at the start of the file is no part of the first line', async () => {
  expect(await hits('\ufeffann\nbob', ['ann', '\ufeffann', 'bob'])).toEqual(['ann', 'bob'])
})

test('partial: the value begins with a line; without the blanks at its end a line is the whole value', async () => {
  expect(await hits(LIST, VALUES, { mode: 'partial' })).toEqual(['ann', 'bob', 'bob ', 'annex', 7, 7.5])
  expect(await hits('GET \n', ['GET /', 'GETTER', 'GET'], { mode: 'partial' })).toEqual(['GET /', 'GET'])
})

test('partial: lines after one with blanks before its last % are in the list', async () => {
  expect(await hits('a %\nA\n', ['A', 'a', 'a b', 'b'], { mode: 'partial' })).toEqual(['A', 'a', 'a b'])
})

test('partial: a line with % at its start may be anywhere; other % and _ are themselves', async () => {
  const values = ['an error', 'error', 'Error', 'err', 'a_b', 'axb', 'a%20b', 'a 20b', 'x a_b']
  const list = '%error\na_b\na%20b%\n'
  expect(await hits(list, values, { mode: 'partial' })).toEqual(['an error', 'error', 'a_b', 'a%20b'])
  expect(await hits(list, values, { mode: 'partial', ignore_case: 'on' })).toContain('Error')
  expect(await hits('%\n', ['', 'x'], { mode: 'partial' })).toEqual(['', 'x'])
})

test('exact: % and _ are themselves', async () => {
  expect(await hits('%a\n', ['%a', 'a', 'xa'])).toEqual(['%a'])
})

test('Record: true, false and null are values, a key of the record is replaced, the last of two counts', async () => {
  const run = await checklist('ann', { record: ['t TRUE', 'f false', 'n null', 'x 1 2', 'y a', 'y b'] })
  const [record = {}] = run.through([{ u: 'ann', x: 0, z: 1 }])
  expect(Object.entries(record)).toEqual([
    ['u', 'ann'],
    ['z', 1],
    ['t', true],
    ['f', false],
    ['n', null],
    ['x', '1 2'],
    ['y', 'b'],
  ])
})

test('Lookup_Key is a key or an accessor, and `log` by default', async () => {
  const nested = await checklist('ann', { lookup_key: "$m['u']" })
  expect(nested.through([{ m: { u: 'ann' } }, { u: 'ann' }])).toEqual([
    { m: { u: 'ann' }, hit: 'yes' },
    { u: 'ann' },
  ])
  const run = new FilterRun(spec as never, { file: listFile('ann'), record: 'hit yes' })
  await run.filter.start?.()
  expect(run.through([{ log: 'ann' }])).toEqual([{ log: 'ann', hit: 'yes' }])
})

test('a chunk without a record of the list keeps its buffer', async () => {
  const { filter } = await checklist('ann')
  for (const records of [[], [{ u: 'x' }, { v: 1 }]]) {
    const chunk = chunkOf(records)
    const { buf, end } = chunk
    filter.apply(chunk, new LaterList())
    expect(chunk.buf).toBe(buf)
    expect([chunk.end, chunk.count]).toEqual([end, records.length])
  }
})

test('bytes that are no UTF-8 are compared as bytes', async () => {
  const value = Buffer.from('a2fffe', 'hex')
  const run = await checklist(Buffer.from('fffe0a', 'hex'))
  const chunk = chunkOf([{ u: 'xx' }], 'app', run.buffers)
  value.copy(chunk.buf, chunk.end - 3)
  expect(Object.keys(run.throughChunk(chunk)[0] ?? {})).toEqual(['u', 'hit'])
})

test('a file of 1 MB finds each of its lines', async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `pattern${i}`)
  const values = ['pattern0', 'pattern99999', 'pattern100000', 'x pattern5 ']
  expect(await hits(lines.join('\n'), values)).toEqual(['pattern0', 'pattern99999'])
  expect(await hits(lines.join('\n'), values, { mode: 'partial' })).toEqual(values.slice(0, 3))
  expect(await hits(lines.map((line) => `%${line} `).join('\n'), values, { mode: 'partial' })).toEqual([
    'x pattern5 ',
  ])
})

test.each([
  ['a file that is not there', undefined, 'cannot read the patterns from'],
  ['a line that is too long', `a\n${'x'.repeat(4097)}\n`, 'line 2 has more than 4096 bytes'],
  ['too many patterns', 'a\n'.repeat(1_000_001), 'more than 1000000 patterns'],
  ['too much to search for anywhere', `%${'x'.repeat(4000)}\n`.repeat(501), 'have more than 2000000 bytes'],
  ['a file that is too large', Buffer.alloc(32_000_001, '\n'), 'more than 32000000 bytes'],
])('does not start with %s', async (_what, content, message) => {
  const file = content === undefined ? join(tmp(), 'gone') : listFile(content)
  const run = new FilterRun(spec as never, { file, record: 'hit yes', mode: 'partial' })
  const failure = await Promise.resolve(run.filter.start?.()).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(ShipperError)
  expect((failure as ShipperError).code).toBe('E_CONFIG_BAD_VALUE')
  expect((failure as ShipperError).message).toContain(message)
  expect((failure as ShipperError).message).toContain(file)
})

test('refuses a list without anything to add, and a mode that there is not', () => {
  expect(spec.options).toMatchObject({ record: { required: true }, file: { required: true } })
  expect(() => new FilterRun(spec as never, { file: 'x', record: 'a b', mode: 'prefix' })).toThrow('mode')
})
