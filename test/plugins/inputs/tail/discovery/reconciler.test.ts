import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../../../src/engine/clock.ts'
import { Glob } from '../../../../../src/plugins/inputs/tail/discovery/glob.ts'
import { Reconciler } from '../../../../../src/plugins/inputs/tail/discovery/reconciler.ts'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import { Passes } from '../../../../../src/plugins/inputs/tail/reading/passes.ts'
import { Scheduler } from '../../../../../src/plugins/inputs/tail/reading/scheduler.ts'
import { Slices } from '../../../../../src/plugins/inputs/tail/reading/slices.ts'
import type { RotatedFiles } from '../../../../../src/plugins/inputs/tail/rotation/rotated-files.ts'
import type { OpenFiles } from '../../../../../src/plugins/inputs/tail/tracking/open-files.ts'
import type { Positions } from '../../../../../src/plugins/inputs/tail/tracking/positions.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'

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

test('finds a file created after its directory was searched and before it was watched', () => {
  const dir = tmp()
  const glob = new InterruptedGlob({
    patterns: [join(dir, '*/*.log')],
    excludes: [],
    hidden: [],
    errors: { record() {}, clear() {} },
    counters: { add() {}, get: () => 0 },
    log: QUIET,
  })
  glob.after = [() => mkdirSync(join(dir, 'later')), () => writeFileSync(join(dir, 'later/a.log'), 'here\n')]
  const opened: string[] = []
  const files = {
    byPath: new Map<string, TailFile>(),
    folders: () => new Set<string>(),
    linksTo: () => undefined,
    forgetLink: () => {},
    open: (path: string) => void opened.push(path),
  } as unknown as OpenFiles
  const scheduler = new Scheduler(systemClock, 5)
  const reconciler = new Reconciler({
    glob,
    files,
    positions: { beginFirstScan: () => {}, recordScan: () => {}, scannedBefore: [] } as unknown as Positions,
    rotated: {} as RotatedFiles,
    scheduler,
    slices: new Slices(),
    passes: new Passes(() => {}),
    clock: systemClock,
    events: true,
    log: QUIET,
  })
  atEnd(() => reconciler.close())
  for (const _ of reconciler.firstScanSteps([].values() as Generator<void>)) {
    // Nothing happens between two steps.
  }
  expect(opened).toEqual([join(dir, 'later/a.log')])
})
