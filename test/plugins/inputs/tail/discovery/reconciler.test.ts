import { afterEach, expect, test } from 'bun:test'
import { EventEmitter } from 'node:events'
import { type FSWatcher, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCalls } from '../../../../../src/lib/fs/system-calls.ts'
import { Glob } from '../../../../../src/plugins/inputs/tail/discovery/glob.ts'
import { MAX_EVENTS, Reconciler } from '../../../../../src/plugins/inputs/tail/discovery/reconciler.ts'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import { Passes } from '../../../../../src/plugins/inputs/tail/reading/passes.ts'
import { Scheduler } from '../../../../../src/plugins/inputs/tail/reading/scheduler.ts'
import { Slices } from '../../../../../src/plugins/inputs/tail/reading/slices.ts'
import type { RotatedFiles } from '../../../../../src/plugins/inputs/tail/rotation/rotated-files.ts'
import type { OpenFiles } from '../../../../../src/plugins/inputs/tail/tracking/open-files.ts'
import type { Positions } from '../../../../../src/plugins/inputs/tail/tracking/positions.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

const QUIET = { error() {}, warn() {}, info() {}, debug() {} }

/** Runs a function right after the first, second ... search, before the caller sees its result. */
class InterruptedGlob extends Glob {
  after: (() => void)[] = []

  override *findSteps() {
    const found = yield* super.findSteps()
    this.after.shift()?.()
    return found
  }
}

/** Returns a reconciler with a list of the paths that it has opened, and its clock. */
function setUp(patterns: string[], makeGlob = Glob) {
  const glob = new makeGlob({
    patterns,
    excludes: [],
    hidden: [],
    errors: { record() {}, clear() {} },
    counters: { add() {}, get: () => 0 },
    log: QUIET,
  })
  const opened: string[] = []
  const files = {
    byPath: new Map<string, TailFile>(),
    folders: () => new Set<string>(),
    linksTo: () => undefined,
    forgetLink: () => {},
    open: (path: string) => void opened.push(path),
  } as unknown as OpenFiles
  const clock = new ManualClock()
  const reconciler = new Reconciler({
    glob,
    files,
    positions: { beginFirstScan: () => {}, recordScan: () => {}, scannedBefore: [] } as unknown as Positions,
    rotated: {} as RotatedFiles,
    scheduler: new Scheduler(clock, 5),
    slices: new Slices(),
    passes: new Passes(() => {}),
    clock,
    events: true,
    log: QUIET,
  })
  atEnd(() => reconciler.close())
  const scan = () => {
    for (const _ of reconciler.firstScanSteps([].values() as Generator<void>)) {
      // Nothing happens between two steps.
    }
  }
  return { glob, opened, clock, scan }
}

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

/** Has the directories watched by a function that reports an event of an entry. */
function catchEvents(): { report: (event: 'rename' | 'change', name: string) => void } {
  const caught = { report: (_event: 'rename' | 'change', _name: string): void => {} }
  const watch = (_path: string, _options: object, listener: typeof caught.report): FSWatcher => {
    caught.report = listener
    return Object.assign(new EventEmitter(), { close() {} }) as unknown as FSWatcher
  }
  Object.assign(systemCalls, { watch })
  return caught
}

test('finds a file created after its directory was searched and before it was watched', () => {
  const dir = tmp()
  const { glob, opened, scan } = setUp([join(dir, '*/*.log')], InterruptedGlob)
  const interrupted = glob as InterruptedGlob
  interrupted.after = [
    () => mkdirSync(join(dir, 'later')),
    () => writeFileSync(join(dir, 'later/a.log'), 'here\n'),
  ]
  scan()
  expect(opened).toEqual([join(dir, 'later/a.log')])
})

test('examines no path in the turn in which its events come, and each path once for all of them', async () => {
  const dir = tmp()
  const events = catchEvents()
  const { opened, scan } = setUp([join(dir, '*.log')])
  scan()
  const names = Array.from({ length: 100 }, (_, i) => `${i}.log`)
  for (const event of ['rename', 'change', 'change'] as const)
    for (const name of names) events.report(event, name)
  expect(opened).toEqual([])
  await until(() => opened.length >= names.length)
  expect(opened).toEqual(names.map((name) => join(dir, name)))
})

test('keeps a limited number of paths with events, and finds what is at the others by a scan', async () => {
  const dir = tmp()
  const events = catchEvents()
  const { opened, clock, scan } = setUp([join(dir, '*.log')])
  scan()
  writeFileSync(join(dir, 'last.log'), 'here\n')
  for (let i = 0; i < MAX_EVENTS; i++) events.report('rename', `${i}.log`)
  events.report('rename', 'last.log')
  await until(() => opened.length === MAX_EVENTS)
  expect(opened).not.toContain(join(dir, 'last.log'))
  await until(() => {
    clock.advance(1000)
    return opened.includes(join(dir, 'last.log'))
  })
})
