import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const QUICK = { refresh_interval: '0.05', progress_check_interval: '0.05' }

/** A log as cronolog writes it: a link that leads to one file after another, whose names differ in digits only. */
class LinkedLog {
  readonly path: string
  readonly targets: string

  constructor() {
    const dir = tmp()
    this.path = join(dir, 'logs', 'app.log')
    this.targets = join(dir, 'data')
    for (const one of ['logs', 'data']) mkdirSync(join(dir, one))
  }

  target(n: number): string {
    return join(this.targets, `app-2026112${n}.log`)
  }

  /** Creates a file that is not of the clock tick of the next one. */
  create(n: number, text: string): void {
    writeFileSync(this.target(n), text)
    this.#tick()
  }

  lead(n: number): void {
    symlinkSync(this.target(n), `${this.path}.new`)
    renameSync(`${this.path}.new`, this.path)
  }

  compress(n: number): void {
    writeFileSync(`${this.target(n)}.gz`, gzipSync(readFileSync(this.target(n))))
    rmSync(this.target(n))
  }

  /** Waits without letting the agent look. */
  #tick(): void {
    const bornNs = (): bigint => {
      const probe = join(this.targets, 'probe')
      rmSync(probe, { force: true })
      writeFileSync(probe, '')
      const { birthtimeNs } = statSync(probe, { bigint: true })
      rmSync(probe)
      return birthtimeNs
    }
    const beforeNs = bornNs()
    while (bornNs() - beforeNs <= BigInt(2 * TICK_MS) * 1_000_000n);
  }
}

/** Calls `act` once, just before the agent calls `name` with the path. */
function before(name: 'openSync' | 'readlinkSync' | 'realpathSync', path: string, act: () => void): void {
  const call = systemCalls[name] as (...args: unknown[]) => unknown
  const restore = (): void => {
    ;(systemCalls as Record<string, unknown>)[name] = call
  }
  atEnd(restore)
  ;(systemCalls as Record<string, unknown>)[name] = (...args: unknown[]) => {
    if (args[0] === path) {
      restore()
      act()
    }
    return call(...args)
  }
}

/** Calls `act` once, just before the agent calls `name` with the path for the first time after it has opened that. */
function onceOpened(name: 'realpathSync', path: string, act: () => void): void {
  before('openSync', path, () => before(name, path, act))
}

test('a file is found while the link is switched again and the rule for links is applied', async () => {
  const log = new LinkedLog()
  log.create(1, 'one\n')
  log.lead(1)
  const run = follow({ path: log.path, ...QUICK })
  await run.waitForLines(1)
  log.create(2, 'two\n')
  log.create(3, 'three\n')
  onceOpened('realpathSync', log.path, () => {
    // The next one that reads the link applies the rule to what was found.
    before('readlinkSync', log.path, () => {
      writeFileSync(log.target(4), 'four\n')
      log.lead(4)
    })
  })
  log.lead(3)
  expect((await run.waitForLines(4)).toSorted()).toEqual(['four', 'one', 'three', 'two'])
})

test('what a link led to is found while the link is removed and created anew', async () => {
  const log = new LinkedLog()
  log.create(1, 'one\n')
  log.lead(1)
  const run = follow({ path: log.path, ...QUICK })
  await run.waitForLines(1)
  log.create(2, 'two\n')
  log.create(3, 'three\n')
  onceOpened('realpathSync', log.path, () => rmSync(log.path))
  log.lead(3)
  await until(() => run.lines().includes('three'))
  log.create(4, 'four\n')
  log.create(5, 'five\n')
  log.lead(5)
  expect((await run.waitForLines(5)).toSorted()).toEqual(['five', 'four', 'one', 'three', 'two'])
})

test('what a link led to after a file that was deleted once it was opened is found', async () => {
  const log = new LinkedLog()
  log.create(1, 'one\n')
  log.lead(1)
  const run = follow({ path: log.path, ...QUICK })
  await run.waitForLines(1)
  log.create(2, 'two\n')
  onceOpened('realpathSync', log.path, () => {
    log.create(3, 'three\n')
    writeFileSync(log.target(4), 'four\n')
    log.lead(4)
    log.compress(2)
    log.compress(3)
  })
  log.lead(2)
  expect((await run.waitForLines(4)).toSorted()).toEqual(['four', 'one', 'three', 'two'])
})

test('what a link led to before a file that was found before the link was switched to it is read', async () => {
  const log = new LinkedLog()
  // Older than the first one: it was made in advance, and any younger file may come before it.
  log.create(2, '')
  log.create(1, 'one\n')
  log.lead(1)
  const run = follow({ path: log.path, ...QUICK })
  await run.waitForLines(1)
  onceOpened('realpathSync', log.path, () => {
    log.create(3, 'three\n')
    log.lead(3)
    log.compress(2)
    log.create(4, '')
  })
  log.lead(2)
  await until(() => run.files.some(({ path }) => path === log.target(4)))
  log.compress(3)
  log.lead(4)
  writeFileSync(log.target(4), 'four\n', { flag: 'a' })
  expect((await run.waitForLines(3)).toSorted()).toEqual(['four', 'one', 'three'])
})
