import { expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { IdStore } from '../support/doubles/id-store.ts'
import { section } from '../support/kafka/agent.ts'
import { shortOrLong } from '../support/long.ts'
import { type Running, start } from '../support/process.ts'
import { seeded } from '../support/shipping.ts'
import { storedOffset } from '../support/tail/stored-offset.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`content-marks.test.ts: SHIPPER_SEED=${SEED}\n`)

const KILLS = shortOrLong(6, 20)

class Bench {
  readonly dir = tmp()
  readonly path: string
  readonly store: IdStore
  agent: Running | undefined
  /** Lines of all generations that may not be lost. */
  readonly written: string[] = []

  constructor(store: IdStore, name = 'a.log') {
    this.store = store
    this.path = join(this.dir, name)
  }

  start(): Running {
    const tail = {
      name: 'tail',
      path: this.path,
      db: join(this.dir, 'pos.db'),
      tag: 'app',
      read_from_head: 'on',
      refresh_interval: 0.2,
    }
    const es = { name: 'es', match: '*', host: '127.0.0.1', port: this.store.port, suppress_type_name: 'on' }
    const text = [
      // A turn fills several chunks, the first of which are handed on within it.
      section('SERVICE', { flush: 0.05, log_level: 'info', grace: 5, chunk_size: 16_384 }),
      section('INPUT', tail),
      section('OUTPUT', es),
    ]
    writeFileSync(join(this.dir, 'agent.conf'), text.join('\n'))
    this.agent = start(['-c', join(this.dir, 'agent.conf')], { cwd: this.dir })
    return this.agent
  }

  async kill(): Promise<void> {
    await this.agent?.stop('SIGKILL')
  }

  /** Waits until the store has so many records. */
  async holds(records: number): Promise<void> {
    await until(
      () => {
        if (this.agent?.exit !== undefined) throw new Error(`the agent has ended: ${this.agent.stderr}`)
        return this.store.byId.size >= records
      },
      {
        what: () => `${this.store.byId.size} of ${records} records; ${this.agent?.stderr}`,
      },
    )
  }

  /** Stops the agent and checks that the store has each line as often as it was written. */
  async hasEachLineOnce(): Promise<void> {
    await this.agent?.stop()
    const expected = new Map<string, number>()
    for (const line of this.written) expected.set(line, (expected.get(line) ?? 0) + 1)
    const counts = this.store.counts()
    const lines = new Set([...counts.keys(), ...expected.keys()])
    const differing = [...lines].filter((line) => counts.get(line) !== expected.get(line))
    expect(differing.slice(0, 5).map((line) => [line, expected.get(line), counts.get(line)])).toEqual([])
    expect(this.store.byId.size).toBe(this.written.length)
  }
}

const numbered = (name: string, lines: number): string[] =>
  Array.from({ length: lines }, (_, i) => `${name} ${String(i).padStart(6, '0')}`)
const text = (lines: string[]): string => lines.map((line) => `${line}\n`).join('')

/** What happens to a file of the first lines while the agent is down; what is written begins with the same header. */
const REPLACED: Record<string, (path: string, before: string, header: string) => string[]> = {
  'truncated, and written again to less': (path, _, header) => overwrite(path, header, 1000),
  'truncated, and written again to the same size': (path, _, header) => overwrite(path, header, 2000),
  'truncated, and written again to more': (path, _, header) => overwrite(path, header, 3000),
  'deleted, and made again with the inode perhaps': (path, _, header) => {
    rmSync(path)
    return overwrite(path, header, 1500)
  },
  'restored from a backup, and written on': (path, before, header) => {
    const backup = before.slice(0, header.length + 7700)
    writeFileSync(path, backup)
    const lines = numbered('new', 1500)
    appendFileSync(path, text(lines))
    return [...backup.split('\n').slice(0, -1), ...lines]
  },
}

function overwrite(path: string, header: string, count: number): string[] {
  const lines = numbered('new', count)
  writeFileSync(path, header + text(lines))
  return [...header.split('\n').slice(0, -1), ...lines]
}

for (const [what, replace] of Object.entries(REPLACED))
  test.each([0, 20, 100, 1000])(
    `a file of other lines is read as a whole after kill -9: ${what}, both with a header of %d lines`,
    async (headerLines) => {
      const bench = new Bench(await IdStore.start())
      const header = text(numbered('header', headerLines))
      const before = header + text(numbered('old', 2000))
      writeFileSync(bench.path, before)
      bench.start()
      await bench.holds(headerLines + 2000)
      await bench.kill()
      const old = before.split('\n').slice(0, -1)
      const { ino } = statSync(bench.path)
      const position = storedOffset(join(bench.dir, 'pos.db'), bench.path) ?? 0
      const lines = replace(bench.path, before, header)
      const isSameFile = position > 0 && statSync(bench.path).ino === ino
      bench.written.push(...old, ...lines)
      const agent = bench.start()
      await bench.holds(bench.written.length)
      await bench.hasEachLineOnce()
      // Without a position, and under another inode, it is a new file.
      if (isSameFile)
        expect(agent.stderr).toMatch(
          /is not the file that was read before|was truncated while|no longer exists/,
        )
    },
  )

test('equal lines are kept as often as they were written, whatever is truncated while the agent is down', async () => {
  const bench = new Bench(await IdStore.start())
  writeFileSync(bench.path, '')
  for (const count of [3000, 2000, 1000, 999, 500, 250, 3]) {
    writeFileSync(bench.path, 'the same line\n'.repeat(count))
    bench.written.push(...Array<string>(count).fill('the same line'))
    bench.start()
    await bench.holds(bench.written.length)
    await bench.kill()
  }
  bench.start()
  await bench.hasEachLineOnce()
})

test('a file that is only read on keeps the names of its lines over kill -9 at any time', async () => {
  const bench = new Bench(await IdStore.start())
  const random = seeded(SEED)
  writeFileSync(bench.path, '')
  for (let round = 0; round < 10; round++) {
    const lines = round % 2 === 0 ? numbered(`round ${round}`, 3000) : Array<string>(3000).fill('equal')
    appendFileSync(bench.path, text(lines))
    // The writer is in the middle of a line.
    if (round % 3 === 0) appendFileSync(bench.path, 'half of')
    bench.written.push(...lines)
    bench.start()
    await bench.holds(bench.written.length - Math.floor(random() * 3000))
    await bench.kill()
    if (round % 3 === 0) {
      appendFileSync(bench.path, ' a line\n')
      bench.written.push('half of a line')
    }
  }
  bench.start()
  await bench.holds(bench.written.length)
  await bench.hasEachLineOnce()
  expect(bench.store.conflicts).toBeGreaterThan(0)
})

test.each(['copied and truncated', 'renamed'])(
  'a file that is %s while the agent is down, and the one after it, are kept once, however often the agent is killed',
  async (how) => {
    const bench = new Bench(await IdStore.start())
    const random = seeded(SEED)
    const header = text(numbered('header', 200))
    for (let round = 0; round < KILLS; round++) {
      const count = 200 + Math.floor(random() * 1500)
      const lines = [...numbered('header', 200), ...numbered(`round ${round}`, count)]
      if (round > 0) {
        if (how === 'renamed') renameSync(bench.path, `${bench.path}.${round}`)
        else copyFileSync(bench.path, `${bench.path}.${round}`)
        if (how !== 'renamed') truncateSync(bench.path)
      }
      appendFileSync(bench.path, header + text(lines.slice(200)))
      bench.written.push(...lines)
      bench.start()
      await bench.holds(bench.written.length - Math.floor(random() * lines.length))
      await bench.kill()
    }
    bench.start()
    await bench.holds(bench.written.length)
    await bench.hasEachLineOnce()
  },
)

test('a file that is truncated at random moments, while the agent is killed again and again, has no line lost that was there when the agent ran, and none twice', async () => {
  const bench = new Bench(await IdStore.start())
  const random = seeded(SEED)
  const header = text(numbered('header', 100))
  const all: string[] = []
  writeFileSync(bench.path, '')
  let agent = bench.start()
  for (let kill = 0; kill < KILLS; ) {
    const lines = [
      ...numbered('header', 100),
      ...numbered(`kill ${kill} ${all.length}`, 100 + random() * 900),
    ]
    const content = header + text(lines.slice(100))
    const isDown = random() < 0.6
    if (isDown) {
      await agent.stop('SIGKILL')
      kill++
    }
    writeFileSync(bench.path, content)
    all.push(...lines)
    if (isDown) agent = bench.start()
    await bench.holds(all.length)
  }
  bench.written.push(...all)
  await bench.hasEachLineOnce()
})

test('a .gz that is written anew while the agent is down is read as a whole', async () => {
  const bench = new Bench(await IdStore.start(), 'a.log.gz')
  const header = numbered('header', 500)
  const [old, fresh] = [
    [...header, ...numbered('old', 2000)],
    [...header, ...numbered('new', 2000)],
  ]
  writeFileSync(bench.path, gzipSync(text(old)))
  bench.start()
  await bench.holds(old.length)
  await bench.kill()
  bench.start()
  await until(() => bench.store.conflicts > 0 || bench.agent?.stderr.includes('running'))
  await bench.kill()
  writeFileSync(bench.path, gzipSync(text(fresh)))
  bench.written.push(...old, ...fresh)
  bench.start()
  await bench.holds(bench.written.length)
  await bench.hasEachLineOnce()
})

test('with a database that was restored from a copy, what was read since comes again under other ids, and nothing is lost', async () => {
  const bench = new Bench(await IdStore.start())
  const db = join(bench.dir, 'pos.db')
  const first = numbered('first', 1000)
  writeFileSync(bench.path, text(first))
  bench.start()
  await bench.holds(1000)
  await bench.agent?.stop()
  const kept = readFileSync(db)
  const more = numbered('more', 500)
  appendFileSync(bench.path, text(more))
  bench.start()
  await bench.holds(1500)
  await bench.agent?.stop()
  const restore = (): void => {
    for (const suffix of ['', '-wal', '-shm', '.lock']) rmSync(db + suffix, { force: true })
    writeFileSync(db, kept)
  }
  restore()
  bench.start()
  await bench.holds(2000)
  await bench.agent?.stop()
  restore()
  const others = [...first.slice(0, 900), ...numbered('other', 200)]
  writeFileSync(bench.path, text(others))
  bench.written.push(...first, ...more, ...more, ...others)
  bench.start()
  await bench.holds(bench.written.length)
  await bench.hasEachLineOnce()
})
