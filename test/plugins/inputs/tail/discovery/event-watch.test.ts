import { afterEach, expect, test } from 'bun:test'
import { mkdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EventWatch } from '../../../../../src/plugins/inputs/tail/discovery/event-watch.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

const log = { error() {}, warn() {}, info() {}, debug() {} }
const watches: EventWatch[] = []
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.close()
})

/** Watches what `current` links to; `found` counts what makes the reconciler search, `touched` has the paths of events. */
function watchLink() {
  const root = realpathSync(tmp())
  for (const name of ['1', '2', '3']) mkdirSync(join(root, name))
  symlinkSync('1', join(root, 'current'))
  const clock = new ManualClock()
  const seen = { found: 0, touched: [] as string[] }
  const events = {
    pathChanged: (path: string) => void seen.touched.push(path),
    unknownChange: () => void seen.found++,
  }
  const watch = new EventWatch(events, clock, log)
  watches.push(watch)
  const folder = join(root, 'current')
  watch.set([folder])
  const switchTo = (name: string): void => {
    symlinkSync(name, join(root, `to-${name}`))
    renameSync(join(root, `to-${name}`), folder)
  }
  return { root, clock, seen, folder, watch, switchTo }
}

test('a link that is switched is found within 2 s, and within 10 s after half a minute without an event', () => {
  const { clock, seen, folder, watch, switchTo } = watchLink()
  switchTo('2')
  clock.advance(2000)
  expect(seen.found).toBe(1)
  watch.set([folder])
  clock.advance(30_000)
  switchTo('3')
  clock.advance(9999)
  expect(seen.found).toBe(1)
  clock.advance(1)
  expect(seen.found).toBe(2)
})

test('an event ends the quiet time', async () => {
  const { root, clock, seen, switchTo } = watchLink()
  clock.advance(40_000)
  // bun begins to watch on a thread of its own.
  let count = 0
  await until(() => {
    writeFileSync(join(root, '1', `${count++}.log`), '')
    return seen.touched.length > 0
  })
  switchTo('2')
  clock.advance(2000)
  expect(seen.found).toBe(1)
})
