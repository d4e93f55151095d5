import { expect, test } from 'bun:test'
import { appendFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ShipperError } from '../../../../src/core/error.ts'
import type { OffsetChanges } from '../../../../src/core/offset-store.ts'
import { SOURCE_DIGITS } from '../../../../src/core/record-ids.ts'
import { follow, MemoryStore, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'

const WHOLE = '-----'
const CRI = '2026-01-01T00:00:00.000000000Z stdout'

/** Returns the records that a run sends which is killed before one of them is acknowledged, by id. */
async function killed(run: TailRun, records: number): Promise<Map<string, unknown>> {
  run.hold = true
  await run.waitForLines(records)
  await run.abort()
  return new Map(run.received.map(({ id = '', record }) => [id, record.log]))
}

function bench() {
  const path = join(tmp(), 'a.log')
  const store = new MemoryStore()
  const read = (tail: Record<string, string>, records: number) =>
    killed(follow({ path, ...tail }, { store, ids: true }), records)
  return { path, read }
}

test('the part of a container line that was sent alone has another id than the line that it is part of', async () => {
  const { path, read } = bench()
  writeFileSync(path, `${CRI} F whole\n${CRI} P first \n`)
  const before = await read({ 'multiline.parser': 'cri' }, 2)
  expect([...before.values()]).toEqual(['whole', 'first '])
  for (const id of before.keys()) expect(id).toEndWith(WHOLE)
  appendFileSync(path, `${CRI} F rest\n`)
  const after = await read({ 'multiline.parser': 'cri' }, 2)
  expect([...after.values()]).toEqual(['whole', 'first rest'])
  const [whole, joined] = [...after.keys()]
  expect(before.get(whole as string)).toBe('whole')
  expect(before.has(joined as string)).toBe(false)
  // It is the same place, and the same record has the same id again.
  expect(joined?.slice(0, 21)).toBe([...before.keys()][1]?.slice(0, 21) as string)
  expect([...(await read({ 'multiline.parser': 'cri' }, 2)).keys()]).toEqual([...after.keys()])
})

for (const join of [{}, { 'multiline.parser': 'java' }, { encoding: 'latin1' }])
  test(`a last line without a newline has another id when more of it was written: ${JSON.stringify(join)}`, async () => {
    const { path, read } = bench()
    writeFileSync(path, 'one\nhalf')
    const tail = { exit_on_eof: 'on', ...join }
    const before = await read(tail, 2)
    expect([...before.values()]).toEqual(['one', 'half'])
    appendFileSync(path, ' and rest\n')
    const after = await read(tail, 2)
    const [one, line] = [...after.keys()]
    expect(before.get(one as string)).toBe('one')
    expect(before.has(line as string)).toBe(false)
    expect(line).toEndWith(WHOLE)
  })

for (const join of [{}, { 'multiline.parser': 'java' }, { encoding: 'latin1' }])
  test(`a line that is cut at another length has another id: ${JSON.stringify(join)}`, async () => {
    const { path, read } = bench()
    writeFileSync(path, `${'x'.repeat(9000)}\nshort\n`)
    const cut = async (size: string): Promise<string[]> => {
      const records = await read({ buffer_max_size: size, buffer_chunk_size: '1k', ...join }, 2)
      return [...records.keys()]
    }
    const [long, short] = await cut('4k')
    expect(await cut('4k')).toEqual([long as string, short as string])
    const other = await cut('8k')
    expect(other[1]).toBe(short as string)
    expect(other[0]).not.toBe(long as string)
  })

test('the lines of a .gz have the same ids in each run', async () => {
  const path = join(tmp(), 'a.log.gz')
  const store = new MemoryStore()
  const lines = Array.from({ length: 60_000 }, (_, i) => `line ${String(i).padStart(20, '0')}\n`)
  writeFileSync(path, gzipSync(lines.join('')))
  const byLine = new Map<unknown, string>()
  for (let kill = 0; kill < 4; kill++) {
    const run = follow({ path }, { store, ids: true, service: { chunkSize: 65_536 } })
    run.holdAfter = 5000
    await run.waitForLines(kill === 3 ? 1 : 6000)
    await run.abort()
    for (const { id = '', record } of run.received) {
      expect(byLine.get(record.log) ?? id).toBe(id)
      byLine.set(record.log, id)
    }
  }
  expect(new Set([...byLine.values()].map((id) => id.slice(0, 12))).size).toBe(1)
})

/** Starts a run whose turns fill several chunks, fewer than may be in flight: none is acknowledged. */
function inSmallChunks(path: string, store: MemoryStore, more: Record<string, string>): TailRun {
  const run = follow({ path, ...more }, { store, ids: true, service: { chunkSize: 16_384 } })
  run.hold = true
  return run
}

for (const more of [{}, { 'multiline.parser': 'java' }, { encoding: 'latin1' }])
  test(`no chunk is handed to an output before the mark of its content is stored, also within a turn: ${JSON.stringify(more)}`, async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    store.path = '/pos.db'
    const write = (name: string, from: number, lines: number): void =>
      appendFileSync(
        path,
        Array.from({ length: lines }, (_, i) => `${name} ${String(from + i).padStart(8, '0')}\n`).join(''),
      )
    write('line', 0, 1000)
    const run = inSmallChunks(path, store, more)
    const marks: [covers: boolean, placeMark: unknown][] = []
    run.onFlush = ({ places }) => {
      const end = (places?.offset(places.count - 1) ?? 0) + 14
      const [row] = store.table
      marks.push([(row?.placeMark?.size ?? 0) >= end, row?.placeMark])
    }
    await run.waitForLines(1000)
    write('more', 1000, 1000)
    await run.waitForLines(2000)
    expect(run.chunks.length).toBeGreaterThan(3)
    expect(marks.filter(([covers]) => !covers)).toEqual([])
    run.onFlush = undefined
    const byLine = new Map(run.received.map(({ id = '', record }) => [record.log, id]))
    await run.abort()
    // Each mark is one of this content: the next run has the same ids.
    for (const [, placeMark] of new Set(marks)) {
      for (const row of store.table) row.placeMark = placeMark as NonNullable<typeof row.placeMark>
      const again = inSmallChunks(path, store, more)
      await again.waitForLines(2000)
      expect(again.received.filter(({ id, record }) => byLine.get(record.log) !== id)).toEqual([])
      await again.abort()
    }
  })
test('a record that is open while its content gets another name, as no mark can be stored, has that name', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'alone\njava.lang.RuntimeException: x\n\tat a.b(c)\n')
  class Unmarked extends MemoryStore {
    override path = join(tmp(), 'offsets.db')
    override write(changes: OffsetChanges): void {
      if (changes.marks !== undefined) throw new ShipperError('E_STORE_FULL', 'disk full')
      super.write(changes)
    }
  }
  const store = new Unmarked()
  const run = follow({ path, 'multiline.parser': 'java' }, { store, ids: true })
  await run.waitForLines(2)
  await run.stop()
  expect(run.lines()).toEqual(['alone', 'java.lang.RuntimeException: x\n\tat a.b(c)'])
  const [alone, joined] = run.received.map(({ id }) => id?.slice(0, SOURCE_DIGITS))
  expect(joined).toBe(alone as string)
})

test.each([
  ['compressed', (path: string) => rmSync(path)],
  ['copied, compressed and truncated', (path: string) => truncateSync(path)],
])(
  'a file that was read and then %s while no agent ran is not read again by any later start',
  async (_what, leave) => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    store.path = '/pos.db'
    const start = () => follow({ path: `${path}*` }, { store, ids: true })
    const text = Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join('')
    writeFileSync(path, text)
    const first = start()
    await first.waitForLines(200)
    await first.stop()
    writeFileSync(`${path}.1.gz`, gzipSync(text))
    leave(path)
    for (const line of ['one', 'two', 'three']) {
      appendFileSync(path, `${line}\n`)
      const run = start()
      expect(await run.waitForLines(1)).toEqual([line])
      await run.stop()
      expect(run.lines()).toEqual([line])
      expect(run.logs.filter(({ message }) => message.includes('.gz is not the file'))).toEqual([])
    }
  },
)
