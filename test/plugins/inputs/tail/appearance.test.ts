import { describe, expect, setSystemTime, test } from 'bun:test'
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { OffsetStore } from '../../../../src/core/offset-store.ts'
import { openOffsets } from '../../../../src/store/open.ts'
import { follow, MemoryStore, type TailRun } from '../../../support/tail/run.ts'
import { failToOpen } from '../../../support/tail/unopenable.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const OLD = 'old 1\nold 2\nold 3\nold 4\nold 5\n'
const QUICK = { read_from_head: 'off', refresh_interval: '20ms', progress_check_interval: '20ms' }
const quiet = { error() {}, warn() {}, info() {}, debug() {} }

/** Opens a database as the agent does. */
function open(path: string, owner: string): Promise<OffsetStore> {
  const options = { sync: 'normal', locking: false, journalMode: 'WAL', owner } as const
  return openOffsets(path, options, { log: quiet, driver: 'bun:sqlite', busyMs: 0 })
}

function makeOld(path: string): void {
  const then = Date.now() / 1000 - 3 * 86_400
  utimesSync(path, then, then)
}

/** Waits until the first scan is stored. Files that appear after that are new. */
async function scanned(run: TailRun): Promise<void> {
  await until(() => (run.store as MemoryStore).skipped !== undefined)
}

/** Reasons why a file cannot be opened at the first scan, but can be later. */
const KINDS = [
  {
    what: 'too old for Ignore_Older',
    options: { ignore_older: '1d' },
    hide: (path: string) => makeOld(path),
    show: () => {},
  },
  {
    what: 'not readable',
    options: {},
    hide: (path: string, hidden: Set<string>) => {
      hidden.add(path)
      failToOpen((name) => hidden.has(name))
    },
    show: (path: string, hidden: Set<string>) => void hidden.delete(path),
  },
]

for (const { what, options, hide, show } of KINDS) {
  describe(`of a file that was ${what} at the first scan`, () => {
    for (const newFromHead of ['on', 'off']) {
      const all = { ...QUICK, ...options, read_newly_discovered_files_from_head: newFromHead }

      test(`only what is written later arrives, with Read_Newly_Discovered_Files_From_Head ${newFromHead}`, async () => {
        const path = join(tmp(), 'a.log')
        const hidden = new Set<string>()
        writeFileSync(path, OLD)
        hide(path, hidden)
        const run = follow({ path, ...all }, { store: new MemoryStore() })
        await scanned(run)
        appendFileSync(path, 'fresh 1\nfresh 2\n')
        show(path, hidden)
        await run.waitForLines(2)
        appendFileSync(path, 'fresh 3\n')
        await run.waitForLines(3)
        expect(run.lines()).toEqual(['fresh 1', 'fresh 2', 'fresh 3'])
      })

      test(`only what is written later arrives in the next run, with Read_Newly_Discovered_Files_From_Head ${newFromHead}`, async () => {
        const dir = tmp()
        const path = join(dir, 'a.log')
        const db = join(dir, 'pos.db')
        const hidden = new Set<string>()
        writeFileSync(path, OLD)
        hide(path, hidden)
        const first = follow({ path, ...all }, { store: await open(db, 'a') })
        await until(() => first.logs.length > 0)
        await first.stop()
        appendFileSync(path, 'fresh 1\n')
        hide(path, hidden)
        const second = follow({ path, ...all }, { store: await open(db, 'a') })
        await until(() => second.logs.length > 0)
        await second.stop()
        appendFileSync(path, 'fresh 2\n')
        show(path, hidden)
        const third = follow({ path, ...all }, { store: await open(db, 'a') })
        await third.waitForLines(2)
        appendFileSync(path, 'fresh 3\n')
        await third.waitForLines(3)
        expect([...first.lines(), ...second.lines(), ...third.lines()]).toEqual([
          'fresh 1',
          'fresh 2',
          'fresh 3',
        ])
      })
    }

    const all = { ...QUICK, ...options }

    test('all of it arrives with Read_From_Head', async () => {
      const path = join(tmp(), 'a.log')
      const hidden = new Set<string>()
      writeFileSync(path, OLD)
      hide(path, hidden)
      const run = follow({ path, ...all, read_from_head: 'on' }, { store: new MemoryStore() })
      await scanned(run)
      appendFileSync(path, 'fresh 1\n')
      show(path, hidden)
      expect(await run.waitForLines(6)).toEqual([...OLD.trimEnd().split('\n'), 'fresh 1'])
    })

    test('nothing that existed before arrives after Path is changed', async () => {
      const dir = tmp()
      const path = join(dir, 'a.log')
      const db = join(dir, 'pos.db')
      const hidden = new Set<string>()
      writeFileSync(path, OLD)
      writeFileSync(join(dir, 'b.log'), OLD)
      hide(path, hidden)
      const first = follow({ path: join(dir, 'a*.log'), ...all }, { store: await open(db, 'a') })
      await until(() => first.logs.length > 0)
      await first.stop()
      writeFileSync(join(dir, 'a-new.log'), 'new\n')
      const both = `${join(dir, 'b*.log')}, ${join(dir, 'a*.log')}`
      const second = follow({ path: both, ...all }, { store: await open(db, 'b') })
      expect(await second.waitForLines(1)).toEqual(['new'])
      appendFileSync(path, 'fresh\n')
      appendFileSync(join(dir, 'b.log'), 'fresh b\n')
      show(path, hidden)
      await second.waitForLines(3)
      expect(second.lines().sort()).toEqual(['fresh', 'fresh b', 'new'])
    })

    test('everything in it arrives after a truncation', async () => {
      const path = join(tmp(), 'a.log')
      const hidden = new Set<string>()
      writeFileSync(path, OLD)
      hide(path, hidden)
      const run = follow({ path, ...all }, { store: new MemoryStore() })
      await scanned(run)
      truncateSync(path)
      appendFileSync(path, 'fresh\n')
      show(path, hidden)
      expect(await run.waitForLines(1)).toEqual(['fresh'])
    })

    test('another file that reuses its inode is read completely', async () => {
      const path = join(tmp(), 'a.log')
      const hidden = new Set<string>()
      writeFileSync(path, OLD)
      hide(path, hidden)
      const store = new MemoryStore()
      const first = follow({ path, ...all }, { store })
      await scanned(first)
      await first.stop()
      expect(store.skipped).toHaveLength(1)
      // This is what inode reuse looks like to the agent.
      store.skipped = store.skipped?.map((file) => ({ ...file, birthMs: file.birthMs - 5000 }))
      utimesSync(path, Date.now() / 1000, Date.now() / 1000)
      show(path, hidden)
      const second = follow({ path, ...all }, { store })
      expect(await second.waitForLines(5)).toEqual(OLD.trimEnd().split('\n'))
    })

    test('only what was appended to a .gz arrives', async () => {
      const path = join(tmp(), 'a.log.gz')
      const hidden = new Set<string>()
      writeFileSync(path, gzipSync(OLD))
      hide(path, hidden)
      const run = follow({ path, ...all }, { store: new MemoryStore() })
      await scanned(run)
      appendFileSync(path, gzipSync('fresh 1\n'))
      show(path, hidden)
      await run.waitForLines(1)
      appendFileSync(path, gzipSync('fresh 2\n'))
      await run.waitForLines(2)
      expect(run.lines()).toEqual(['fresh 1', 'fresh 2'])
    })
  })
}

test('a file with an old birth that is moved in is new: it is read from its start', async () => {
  const dir = tmp()
  const away = tmp()
  writeFileSync(join(away, 'live.log'), 'moved in live\n')
  writeFileSync(join(away, 'stopped.log'), 'moved in while stopped\n')
  writeFileSync(join(dir, 'a.log'), OLD)
  const store = new MemoryStore()
  const options = { path: join(dir, '*.log'), ...QUICK }
  const first = follow(options, { store })
  await scanned(first)
  renameSync(join(away, 'live.log'), join(dir, 'live.log'))
  expect(await first.waitForLines(1)).toEqual(['moved in live'])
  await first.stop()
  renameSync(join(away, 'stopped.log'), join(dir, 'stopped.log'))
  const second = follow(options, { store })
  expect(await second.waitForLines(1)).toEqual(['moved in while stopped'])
})

test('a whole directory with old files that is moved in is new', async () => {
  const dir = tmp()
  const away = tmp()
  mkdirSync(join(away, 'app'))
  writeFileSync(join(away, 'app', 'a.log'), 'moved in\n')
  makeOld(join(away, 'app', 'a.log'))
  const store = new MemoryStore()
  const options = { path: join(dir, '*/*.log'), ...QUICK }
  const first = follow(options, { store })
  await scanned(first)
  await first.stop()
  renameSync(join(away, 'app'), join(dir, 'app'))
  const second = follow(options, { store })
  expect(await second.waitForLines(1)).toEqual(['moved in'])
})

// Its birth has a fraction of that millisecond, which the clock of the agent does not have.
test('a file that was made in the millisecond in which the agent starts is not new', async () => {
  const dir = tmp()
  const [path, old] = [join(dir, 'a.log'), join(dir, 'old.log')] as const
  for (const one of [path, old]) writeFileSync(one, OLD)
  makeOld(old)
  atEnd(() => void setSystemTime())
  for (const one of [path, old]) {
    setSystemTime(Number(statSync(one, { bigint: true }).birthtimeNs / 1_000_000n))
    const run = follow({ path: one, ...QUICK, ignore_older: '1d' })
    await scanned(run)
    appendFileSync(one, 'fresh\n')
    expect(await run.waitForLines(1)).toEqual(['fresh'])
  }
})

test('birth times decide which files are new if the database has no list of skipped files', async () => {
  const dir = tmp()
  const store = new MemoryStore()
  writeFileSync(join(dir, 'a.log'), OLD)
  store.lastScan = Date.now() + 1
  await until(() => Date.now() > Number(store.lastScan) + 20)
  writeFileSync(join(dir, 'b.log'), 'new\n')
  const run = follow({ path: join(dir, '*.log'), ...QUICK }, { store })
  expect(await run.waitForLines(1)).toEqual(['new'])
  appendFileSync(join(dir, 'a.log'), 'fresh\n')
  expect(await run.waitForLines(2)).toEqual(['new', 'fresh'])
})

test('after Path is changed, files that existed before are not read, but new files of the old Path are', async () => {
  const dir = tmp()
  const db = join(dir, 'pos.db')
  writeFileSync(join(dir, 'a.log'), OLD)
  const first = follow({ path: join(dir, 'a*.log'), ...QUICK }, { store: await open(db, 'a') })
  await until(() => first.files.length === 1)
  await first.stop()
  writeFileSync(join(dir, 'a-2.log'), 'new a\n')
  writeFileSync(join(dir, 'c.log'), 'not looked for before\n')
  const path = `${join(dir, 'a*.log')},${join(dir, 'c*.log')}`
  const second = follow({ path, ...QUICK }, { store: await open(db, 'b') })
  await second.waitForLines(1)
  writeFileSync(join(dir, 'c-2.log'), 'new c\n')
  await second.waitForLines(2)
  expect(second.lines()).toEqual(['new a', 'new c'])
})
