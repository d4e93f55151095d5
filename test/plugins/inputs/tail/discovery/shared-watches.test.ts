import { afterEach, expect, test } from 'bun:test'
import { closeSync, mkdirSync, openSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemCalls } from '../../../../../src/lib/fs/system-calls.ts'
import { EventWatch } from '../../../../../src/plugins/inputs/tail/discovery/event-watch.ts'
import {
  startWatching,
  stopWatching,
} from '../../../../../src/plugins/inputs/tail/discovery/shared-watches.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

test('a directory is found to be deleted while a file in it is held open, of which there is no event', async () => {
  const folder = join(realpathSync(tmp()), 'q')
  mkdirSync(folder)
  const fd = openSync(join(folder, 'held.log'), 'w')
  atEnd(() => closeSync(fd))
  const events: string[] = []
  const ended: string[] = []
  const listener = {
    changed: (_: string, name: string | undefined) => void events.push(name ?? ''),
    ended: (_: string, reason: string) => void ended.push(reason),
  }
  expect(startWatching(folder, listener)).toBeUndefined()
  atEnd(() => stopWatching(folder, listener))
  // bun begins to watch on a thread of its own.
  await until(() => {
    closeSync(openSync(join(folder, 'b.log'), 'a'))
    rmSync(join(folder, 'b.log'))
    return events.includes('b.log')
  })
  rmSync(folder, { recursive: true })
  await until(() => ended.length > 0)
  expect(ended).toHaveLength(1)
})

test('polls a thousand directories at most when there are no more watches, and says what is left', async () => {
  const root = realpathSync(tmp())
  const folders = Array.from({ length: 1002 }, (_, i) => join(root, String(i)))
  for (const folder of folders) mkdirSync(folder)
  Object.assign(systemCalls, {
    watch: () => {
      throw Object.assign(new Error('ENOSPC: injected'), { code: 'ENOSPC' })
    },
  })
  const warnings: string[] = []
  const log = { error() {}, warn: (text: string) => void warnings.push(text), info() {}, debug() {} }
  const watch = new EventWatch({ pathChanged() {}, unknownChange() {} }, new ManualClock(), log)
  watch.set(folders)
  await watch.close()
  expect(warnings).toEqual([
    'no more inotify watches (ENOSPC): polling 1000 directories four times a second instead, the others only at each Refresh_Interval',
  ])
})
