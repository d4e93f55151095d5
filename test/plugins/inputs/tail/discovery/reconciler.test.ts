import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../../../src/engine/clock.ts'
import { Glob } from '../../../../../src/plugins/inputs/tail/discovery/glob.ts'
import { Reconciler } from '../../../../../src/plugins/inputs/tail/discovery/reconciler.ts'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import { Scheduler } from '../../../../../src/plugins/inputs/tail/reading/scheduler.ts'
import type { RotatedFiles } from '../../../../../src/plugins/inputs/tail/rotation/rotated-files.ts'
import type { OpenFiles } from '../../../../../src/plugins/inputs/tail/tracking/open-files.ts'
import type { Positions } from '../../../../../src/plugins/inputs/tail/tracking/positions.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'

const QUIET = { error() {}, warn() {}, info() {}, debug() {} }

/** Things happen right after the first, second ... search, before its caller can act on it. */
class Interrupted extends Glob {
  after: (() => void)[] = []

  override find() {
    const found = super.find()
    this.after.shift()?.()
    return found
  }
}

test('a file is found that came after its folder was searched and before the folder was watched', () => {
  const dir = tmp()
  const finder = new Interrupted([join(dir, '*/*.log')], [], { record() {}, clear() {} })
  finder.after = [
    () => mkdirSync(join(dir, 'later')),
    () => writeFileSync(join(dir, 'later/a.log'), 'here\n'),
  ]
  const opened: string[] = []
  const files = {
    byPath: new Map<string, TailFile>(),
    folders: () => new Set<string>(),
    linksTo: () => undefined,
    forgetLink: () => {},
    open: (path: string) => void opened.push(path),
  } as unknown as OpenFiles
  const schedule = new Scheduler(systemClock, 5)
  const lookout = new Reconciler({
    glob: finder,
    files,
    positions: { recordScan: () => {} } as unknown as Positions,
    rotated: {} as RotatedFiles,
    scheduler: schedule,
    clock: systemClock,
    events: true,
    log: QUIET,
  })
  atEnd(() => lookout.close())
  lookout.scan(true)
  expect(opened).toEqual([join(dir, 'later/a.log')])
})
