import { afterEach, beforeEach, expect, test } from 'bun:test'
import { appendFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FsFailure } from '../../../../../src/lib/fs/file-system.ts'
import { systemCalls } from '../../../../../src/lib/fs/system-calls.ts'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import {
  HeldFiles,
  type HeldFilesOptions,
} from '../../../../../src/plugins/inputs/tail/rotation/held-files.ts'
import { readTo, tailFile } from '../../../../support/tail/tail-file.ts'
import { tmp } from '../../../../support/tmp.ts'

const WAIT_MS = 5000
const HOLD_MS = 60_000

const original = { ...systemCalls }
let nowMs: number
let path: string
/** What was done with the file: `closed` and remembered with these unread bytes, `more` to read, a change of `look`. */
let events: string[]
let logged: string[]

beforeEach(() => {
  nowMs = 0
  path = join(tmp(), 'a.log')
  events = []
  logged = []
})
afterEach(() => void Object.assign(systemCalls, original))

function failWith(code: string, ...calls: ('fstatSync' | 'readSync')[]): void {
  for (const call of calls) {
    const fail = (): never => {
      throw Object.assign(new Error(`${code}: injected`), { code })
    }
    Object.assign(systemCalls, { [call]: fail })
  }
}

/** Held files with a clock that a test sets. */
function heldFiles(): HeldFiles {
  const log = (message: string): void => void logged.push(message)
  return new HeldFiles({
    files: {
      close: (file: TailFile) => file.close(),
      unbind() {},
      bind: (name: string, file: TailFile) => file.rename(name, name),
      byPath: new Map(),
    },
    positions: { touch() {}, forget: () => events.push('forgotten') },
    closed: { add: (_: TailFile, unread = 0) => events.push(`closed ${unread}`) },
    directories: { record() {} },
    waitMs: WAIT_MS,
    holdBytes: 0,
    holdMs: HOLD_MS,
    clock: { nowMs: () => nowMs },
    counters: {
      add: (...what: unknown[]) => what[0] === 'lost_bytes' && events.push(what.slice(1).join(' ')),
    },
    log: { error: log, warn: log, info() {}, debug() {} },
    readLastLine: () => true,
    onMore: () => events.push('more'),
    onUnknownSize: (_: TailFile, failure: FsFailure | undefined) =>
      events.push(`look ${failure?.code ?? 'works'}`),
    onClosing() {},
    onDrained() {},
  } as unknown as HeldFilesOptions)
}

/** A file that is read to its end and acknowledged, and was then renamed. */
function rotated(held: HeldFiles): TailFile {
  const file = tailFile(path, 'one\n')
  readTo(file, 4)
  file.reachEnd()
  renameSync(path, `${path}.1`)
  held.markRotated(file, path)
  return file
}

/** What a progress check does. */
function check(held: HeldFiles): void {
  for (const _ of held.checkSteps());
}

test('a rotated file is closed by the first check after Rotate_Wait that finds it at its end', () => {
  const held = heldFiles()
  const file = rotated(held)
  nowMs = WAIT_MS - 1
  check(held)
  expect(events).toEqual([])
  nowMs = WAIT_MS
  check(held)
  expect([file.state, ...events]).toEqual(['closed', 'closed 0'])
})

test('a rotated file is read on, not closed, if nothing could run from its last line to the end of Rotate_Wait', () => {
  const held = heldFiles()
  const file = rotated(held)
  appendFileSync(`${path}.1`, 'two\n')
  nowMs = 10 * WAIT_MS
  check(held)
  expect([file.state, file.cursor.unread, ...events]).toEqual(['reading', 4, 'more'])
})

for (const [what, change, unread] of [
  ['grew', () => appendFileSync(`${path}.1`, 'two\n'), 4],
  ['was truncated and has a new line', () => writeFileSync(`${path}.1`, 'x\n'), 2],
  ['was truncated', () => truncateSync(`${path}.1`), 0],
  [
    'grew and was deleted',
    () => {
      appendFileSync(`${path}.1`, 'two\n')
      unlinkSync(`${path}.1`)
    },
    4,
  ],
] as const) {
  test(`a rotated file that ${what} is held while its size cannot be found out, and then read`, () => {
    const held = heldFiles()
    const file = rotated(held)
    change()
    failWith('EIO', 'fstatSync')
    for (nowMs = WAIT_MS; nowMs < HOLD_MS; nowMs += WAIT_MS) check(held)
    expect(file.state).toBe('idle')
    expect(new Set(events)).toEqual(new Set(['look EIO']))
    events = []
    Object.assign(systemCalls, original)
    check(held)
    expect([file.state, file.cursor.unread, ...events]).toEqual(['reading', unread, 'look works', 'more'])
  })
}

test('a rotated file whose size cannot be found out is abandoned after Hold_Time, which is logged', () => {
  const held = heldFiles()
  const file = rotated(held)
  failWith('EIO', 'fstatSync', 'readSync')
  nowMs = HOLD_MS
  check(held)
  expect(file.state).toBe('idle')
  nowMs = HOLD_MS + 1
  check(held)
  expect([file.state, ...events.slice(-2)]).toEqual(['closed', '0 hold_time', 'closed 0'])
  expect(logged).toEqual([
    `dropped 0 unread bytes of ${path}.1, and what was written to it after the last look: Hold_Time exceeded`,
  ])
})

test('a stale file is closed, and a warning logged, only if it is gone and cannot be read', () => {
  const held = heldFiles()
  const file = rotated(held)
  nowMs = WAIT_MS
  failWith('ESTALE', 'fstatSync')
  check(held)
  failWith('ESTALE', 'readSync')
  check(held)
  Object.assign(systemCalls, { readSync: original.readSync })
  unlinkSync(`${path}.1`)
  check(held)
  expect([file.state, ...new Set(events)]).toEqual(['idle', 'look ESTALE'])
  failWith('ESTALE', 'readSync')
  check(held)
  expect([file.state, events.at(-1)]).toEqual(['closed', 'closed 0'])
  expect(logged).toEqual([
    `${path}.1 was deleted by its server: what was written to it after the last look is lost`,
  ])
})
