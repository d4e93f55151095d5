import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow, MemoryStore, readAll, resume } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const QUICK = { refresh_interval: '20ms', progress_check_interval: '20ms', rotate_wait: '50ms' }

/** Names that rotation gives to `app.log`. */
const ROTATED = [
  'app.log.1',
  'app.log-20261121',
  'app.log.2026-11-21_06',
  'app-2026-11-21T06-00-00.000.log',
  'app.2026-11-21.0.log',
  'app-20261121.log',
  'app-11-21-2026-1.log',
  'app20261121.log',
  'app.1.log',
  'app1.log',
  'app.log.old',
  '20261121-app.log',
]
/** Names that no rotation makes: only the identity of the file leads to them. */
const ANY = ['somewhere-else', 'x.log', '.hidden', 'old/app.log', 'old/kept', '../archive/app.log.1']

/** Returns a directory in a directory of its own, away from the files of other tests. */
function home(): string {
  const dir = join(tmp(), 'logs', 'app')
  mkdirSync(join(dir, 'old'), { recursive: true })
  mkdirSync(join(dir, '..', 'archive'))
  return dir
}

function linesOf(what: string, count = 3): string[] {
  return Array.from({ length: count }, (_, i) => `${what} ${i} ${what.repeat(30)}`)
}

function text(lines: string[]): string {
  return `${lines.join('\n')}\n`
}

/** Sets the times of a file, as programs that restore files do. */
function age(path: string): void {
  const then = Date.now() / 1000 - 60
  utimesSync(path, then, then)
}

/** Waits until new files get later times than those written so far. */
async function tick(): Promise<void> {
  const begun = Date.now()
  await until(() => Date.now() > begun + 2 * TICK_MS)
}

function compress(path: string): void {
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
  unlinkSync(path)
}

describe('a known file is found after a restart, and its rest is read once, when it was renamed to', () => {
  for (const name of [...ROTATED, ...ANY]) {
    for (const mode of ['acknowledged', 'not acknowledged'] as const) {
      test(`${name}, with its lines ${mode}`, async () => {
        const dir = home()
        const path = join(dir, 'app.log')
        const store = new MemoryStore()
        const before = linesOf('a')
        writeFileSync(path, text(before))
        const first = resume(store, { path })
        first.hold = mode === 'not acknowledged'
        await first.waitForLines(3)
        await (first.hold ? first.abort() : first.stop())
        appendFileSync(path, 'a4\n')
        renameSync(path, join(dir, name))
        writeFileSync(path, 'b1\n')
        const expected = [...(first.hold ? before : []), 'a4', 'b1']
        const run = resume(store, { path, ...QUICK })
        await run.waitForLines(expected.length)
        appendFileSync(path, 'b2\n')
        await run.waitForLines(expected.length + 1)
        expect(run.lines().sort()).toEqual([...expected, 'b2'].sort())
        expect(run.count('files_gone')).toBe(0)
        expect(run.logs.filter(({ message }) => message.includes('no longer exists'))).toEqual([])
      })
    }
  }

  for (const name of ROTATED) {
    test(`${name}, and compressed`, async () => {
      const dir = home()
      const path = join(dir, 'app.log')
      const store = new MemoryStore()
      writeFileSync(path, text(linesOf('a')))
      await readAll(store, { path }, 3)
      appendFileSync(path, 'a4\n')
      renameSync(path, join(dir, name))
      compress(join(dir, name))
      writeFileSync(path, 'b1\n')
      expect(await readAll(store, { path }, 2)).toEqual(['a4', 'b1'])
    })
  }
})

describe('files that were rotated unseen between two checks are read once, as', () => {
  for (const name of ROTATED.filter((one) => /\d/.test(one))) {
    test(name, async () => {
      const dir = home()
      const path = join(dir, 'app.log')
      writeFileSync(path, text(linesOf('a')))
      const run = follow({ path, ...QUICK })
      await run.waitForLines(3)
      // Synchronous: the agent runs in this process and cannot check in between.
      const last = (n: number): string =>
        name.replace(/\d+(?=\D*$)/, (digits) => String(Number(digits) + n).padStart(digits.length, '0'))
      for (const [n, what] of ['b', 'c', 'd'].entries()) {
        renameSync(path, join(dir, last(n)))
        writeFileSync(path, text(linesOf(what)))
      }
      const expected = ['a', 'b', 'c', 'd'].flatMap((what) => linesOf(what))
      await run.waitForLines(expected.length)
      await until(() => run.files.length === 1)
      // The order of files in the same clock tick, whose numbers may mean either order, is not promised.
      expect(run.lines().sort()).toEqual(expected)
    })
  }
})

describe('a link that is switched to another directory', () => {
  for (const mode of ['live', 'away'] as const) {
    test(`still gets the rest of the file in the old directory read, ${mode}`, async () => {
      const dir = home()
      const path = join(dir, 'app.log')
      for (const day of ['day1', 'day2']) mkdirSync(join(dir, day))
      writeFileSync(join(dir, 'day1', 'a.log'), text(linesOf('a')))
      symlinkSync('day1/a.log', path)
      const store = new MemoryStore()
      const first = resume(store, { path, ...QUICK })
      await first.waitForLines(3)
      if (mode === 'away') await first.stop()
      appendFileSync(join(dir, 'day1', 'a.log'), 'a4\n')
      writeFileSync(join(dir, 'day2', 'a.log'), 'b1\n')
      unlinkSync(path)
      symlinkSync('day2/a.log', path)
      const run = mode === 'away' ? resume(store, { path, ...QUICK }) : first
      await run.waitForLines(mode === 'away' ? 2 : 5)
      expect(run.lines().slice(-2)).toEqual(['a4', 'b1'])
      expect(run.count('files_gone')).toBe(0)
    })
  }
})

describe('a file outside Path is not read that', () => {
  const cases: [string, (path: string) => string][] = [
    [
      'is a copy of the file as it was',
      (path) => {
        copyFileSync(path, `${path}.bak`)
        return `${path}.bak`
      },
    ],
    [
      'has a name of its own: error.log2 beside error.log',
      (path) => {
        writeFileSync(`${path}2`, text(linesOf('foreign')))
        return `${path}2`
      },
    ],
    [
      'is excluded',
      (path) => {
        writeFileSync(`${path}.9`, text(linesOf('excluded')))
        return `${path}.9`
      },
    ],
    [
      'is rotated from another log in the directory',
      (path) => {
        writeFileSync(join(dirname(path), 'app-2.log.1'), text(linesOf('of another')))
        return join(dirname(path), 'app-2.log.1')
      },
    ],
  ]
  for (const [what, make] of cases) {
    for (const mode of ['live', 'away'] as const) {
      test(`${what}, ${mode}`, async () => {
        const dir = home()
        const path = join(dir, 'app.log')
        const store = new MemoryStore()
        const options = { path, exclude_path: `${path}.9`, ...QUICK }
        writeFileSync(path, text(linesOf('a')))
        const first = resume(store, options)
        await first.waitForLines(3)
        if (mode === 'away') await first.stop()
        make(path)
        // Within one clock tick, the times do not tell which file was written first.
        await tick()
        appendFileSync(path, 'a4\n')
        await tick()
        renameSync(path, `${path}.1`)
        writeFileSync(path, 'b1\n')
        const run = mode === 'away' ? resume(store, options) : first
        const before = mode === 'away' ? 0 : 3
        await run.waitForLines(before + 2)
        appendFileSync(path, 'b2\n')
        await run.waitForLines(before + 3)
        expect(run.lines().slice(before)).toEqual(['a4', 'b1', 'b2'])
        expect(run.count('lost_bytes')).toBe(0)
      })
    }
  }
})

describe('with a Path that matches the rotated names too, every line arrives once', () => {
  const schemes: [string, (path: string) => void][] = [
    [
      'after copytruncate',
      (path) => {
        copyFileSync(path, `${path}.1`)
        truncateSync(path)
      },
    ],
    [
      'after a rename',
      (path) => {
        renameSync(path, `${path}.1`)
        writeFileSync(path, '')
      },
    ],
    [
      'after a rename and gzip',
      (path) => {
        renameSync(path, `${path}.1`)
        writeFileSync(path, '')
        compress(`${path}.1`)
      },
    ],
    [
      'after copytruncate and gzip',
      (path) => {
        copyFileSync(path, `${path}.1`)
        truncateSync(path)
        compress(`${path}.1`)
      },
    ],
    [
      'after a rename with delaycompress',
      (path) => {
        renameSync(path, `${path}.1`)
        writeFileSync(path, text(linesOf('second')))
        renameSync(`${path}.1`, `${path}.2`)
        renameSync(path, `${path}.1`)
        writeFileSync(path, '')
        compress(`${path}.2`)
      },
    ],
    ['after a copy that stays', (path) => copyFileSync(path, `${path}.1`)],
  ]
  for (const [what, rotate] of schemes) {
    for (const mode of ['live', 'away'] as const) {
      for (const acked of [true, false]) {
        test(`${what}, ${mode}, with everything ${acked ? '' : 'not '}acknowledged`, async () => {
          const dir = home()
          const path = join(dir, 'app.log')
          const options = { path: `${path}*`, ...QUICK }
          const store = new MemoryStore()
          writeFileSync(path, text(linesOf('first', 5)))
          const first = resume(store, options)
          first.hold = !acked
          await first.waitForLines(5)
          if (mode === 'away') await (acked ? first.stop() : first.abort())
          rotate(path)
          appendFileSync(path, text(linesOf('live')))
          const run = mode === 'away' ? resume(store, options) : first
          const expected = [
            ...(mode === 'away' && acked ? [] : linesOf('first', 5)),
            ...(what.includes('delaycompress') ? linesOf('second') : []),
            ...linesOf('live'),
          ]
          await run.waitForLines(expected.length)
          run.ack()
          appendFileSync(path, 'end\n')
          await until(() => run.lines().includes('end'))
          await until(() => run.files.every(({ state }) => state === 'idle'))
          expect(run.lines().sort()).toEqual([...expected, 'end'].sort())
          expect(run.count('lost_bytes')).toBe(0)
        })
      }
    }
  }
})

describe('a file that is restored with the same path and another inode', () => {
  const ways: [string, (path: string) => void][] = [
    [
      'as a copy that takes its place',
      (path) => {
        copyFileSync(path, `${path}~`)
        age(`${path}~`)
        renameSync(`${path}~`, path)
      },
    ],
    [
      'deleted and written again',
      (path) => {
        const content = readFileSync(path)
        // Keeps the inode from being reused.
        writeFileSync(`${path}~`, '')
        unlinkSync(path)
        writeFileSync(path, content)
        age(path)
      },
    ],
    [
      'edited in place, as by sed -i, with a line more',
      (path) => {
        writeFileSync(`${path}~`, `${readFileSync(path)}more\n`)
        age(`${path}~`)
        renameSync(`${path}~`, path)
      },
    ],
  ]
  for (const [what, restore] of ways) {
    for (const mode of ['live', 'away'] as const) {
      test(`continues at its position: ${what}, ${mode}`, async () => {
        const dir = home()
        const path = join(dir, 'app.log')
        const store = new MemoryStore()
        writeFileSync(path, text(linesOf('a')))
        const first = resume(store, { path, ...QUICK })
        await first.waitForLines(3)
        if (mode === 'away') await first.stop()
        restore(path)
        const run = mode === 'away' ? resume(store, { path, ...QUICK }) : first
        // A later write shows that the content was not there at once.
        await until(() => run.count('files_opened') === (mode === 'away' ? 1 : 2))
        await until(() => run.files.every(({ state }) => state === 'idle'))
        appendFileSync(path, 'end\n')
        await until(() => run.lines().includes('end'))
        const expected = [...(what.includes('more') ? ['more'] : []), 'end']
        expect(run.lines()).toEqual([...(mode === 'away' ? [] : linesOf('a')), ...expected])
        expect(run.count('files_gone')).toBe(0)
        await run.stop()
        const last = resume(store, { path, ...QUICK })
        appendFileSync(path, 'after\n')
        expect(await last.waitForLines(1)).toEqual(['after'])
      })
    }
  }
})

for (const name of ['app.log.1', 'app-20261121.log']) {
  for (const ending of ['', '.gz']) {
    for (const lines of [10, 3000]) {
      test(`${lines} lines that are restored, written to and rotated to ${name}${ending} before a look are read on`, async () => {
        const dir = home()
        const path = join(dir, 'app.log')
        writeFileSync(path, text(linesOf('a', lines)))
        const run = resume(new MemoryStore(), { path, ...QUICK }, { memBufLimit: 65_536 })
        run.hold = true
        await run.waitForLines(1)
        copyFileSync(path, `${path}~`)
        renameSync(`${path}~`, path)
        appendFileSync(path, 'more\n')
        const rotated = join(dir, name)
        renameSync(path, rotated)
        if (ending === '.gz') {
          writeFileSync(`${rotated}.gz`, gzipSync(readFileSync(rotated)))
          unlinkSync(rotated)
        }
        writeFileSync(path, 'new\n')
        run.ack()
        await until(() => run.lines().includes('new'))
        expect(run.lines()).toEqual([...linesOf('a', lines), 'more', 'new'])
      })
    }
  }
}

test('a file that was restored and written to while the agent was not running continues at its position', async () => {
  const dir = home()
  const path = join(dir, 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, text(linesOf('a')))
  await readAll(store, { path }, 3)
  const content = readFileSync(path)
  writeFileSync(`${path}~`, '')
  unlinkSync(path)
  writeFileSync(path, content)
  // The last write is long after the first.
  const { birthtimeMs } = statSync(path)
  await until(() => {
    writeFileSync(`${path}~`, 'x')
    return statSync(`${path}~`).mtimeMs > birthtimeMs + 200
  })
  appendFileSync(path, 'more\n')
  const run = resume(store, { path, ...QUICK })
  expect(await run.waitForLines(1)).toEqual(['more'])
  await until(() => run.files.every(({ state }) => state === 'idle'))
  appendFileSync(path, 'end\n')
  await until(() => run.lines().includes('end'))
  expect(run.lines()).toEqual(['more', 'end'])
  expect(run.count('files_gone')).toBe(0)
})

test('a file that was truncated in place while the agent was not running is not gone', async () => {
  const dir = home()
  const path = join(dir, 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, text(linesOf('a')))
  await readAll(store, { path }, 3)
  truncateSync(path)
  appendFileSync(path, 'b1\n')
  const run = resume(store, { path, exit_on_eof: 'on' })
  await until(() => run.finished)
  expect(run.lines()).toEqual(['b1'])
  expect(run.count('files_replaced')).toBe(1)
  expect(run.count('files_gone')).toBe(0)
})

test('Exit_On_Eof waits for the search for a known file', async () => {
  const dir = home()
  const path = join(dir, 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, text(linesOf('a')))
  await readAll(store, { path }, 3)
  appendFileSync(path, 'a4\n')
  renameSync(path, join(dir, 'old', 'kept'))
  writeFileSync(path, 'b1\n')
  for (let n = 0; n < 300; n++) writeFileSync(join(dir, `other-${n}`), '')
  const run = resume(store, { path, exit_on_eof: 'on' })
  await until(() => run.finished)
  await until(() => run.lines().length === 2)
  expect(run.lines().sort()).toEqual(['a4', 'b1'])
})

test('Exit_On_Eof ends the run when the search for a known file ends in vain, not at the next Refresh_Interval', async () => {
  const dir = home()
  const path = join(dir, 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, text(linesOf('a')))
  await readAll(store, { path }, 3)
  // Created first, so that it does not get the inode of the known file.
  writeFileSync(`${path}~`, 'b1\n')
  rmSync(path)
  renameSync(`${path}~`, path)
  const run = resume(store, {
    path,
    exit_on_eof: 'on',
    refresh_interval: '1h',
    progress_check_interval: '1h',
  })
  await until(() => run.finished)
  expect(run.lines()).toEqual(['b1'])
  expect(run.count('files_gone')).toBe(1)
})
