import { expect, test } from 'bun:test'
import { readFileSync, readlinkSync } from 'node:fs'
import { cleanMappings, type Mapping, ownMappings } from '../../src/agent/mappings.ts'
import { releaseCleanPages } from '../../src/agent/release-pages.ts'
import { systemClock } from '../../src/engine/clock.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'
import { until } from '../support/until.ts'

const RESIDENT = /^RssFile:\s+(\d+) kB$/m

/** Returns an entry of /proc/PID/smaps with the relevant lines. */
function entry(head: string, path: string, own: { anonymous?: number; swap?: number; dirty?: number } = {}) {
  const { anonymous = 0, swap = 0, dirty = 0 } = own
  return `${head.padEnd(73)}${path}
Size:              24804 kB
Rss:                6052 kB
Private_Dirty:     ${dirty} kB
Anonymous:         ${anonymous} kB
Swap:                  ${swap} kB
SwapPss:               0 kB
VmFlags: rd mr mw me
`
}

test('only read-only mappings without own pages of the process are clean', () => {
  const file = '/opt/our programs/shipper (deleted)'
  const smaps = [
    entry('00200000-01a39000 r--p 00000000 fe:00 10355251', file),
    entry('01a40000-0684a000 r-xp 01838000 fe:00 10355251', file, { dirty: 33_696 }),
    entry('0684a000-0685f000 rw-p 06641000 fe:00 10355251', file),
    entry('0685f000-06867000 r--p 06656000 fe:00 10355251', file, { anonymous: 4 }),
    entry('06867000-06868000 r--p 0665e000 fe:00 10355251', file, { swap: 4 }),
    entry('06868000-06869000 r--s 0665e000 fe:00 10355251', file),
    entry('7f0609d82000-7f0649d82000 rwxp 00000000 00:00 0', ''),
    entry('7f064a0ed000-7f064a243000 r-xp 00026000 fe:00 326269', '/usr/lib/libc.so.6'),
    entry('7ffd5e7c4000-7ffd5e7c6000 r-xp 00000000 00:00 0', '[vdso]'),
  ].join('')
  expect(cleanMappings(smaps, file)).toEqual([
    { start: 0x200000, bytes: 0x1839000 },
    { start: 0x1a40000, bytes: 0x4e0a000 },
  ])
})

test('the beginning of the list has all mappings of the executable', () => {
  const all = cleanMappings(readFileSync('/proc/self/smaps', 'latin1'), readlinkSync('/proc/self/exe'))
  expect(all.length).toBeGreaterThan(0)
  expect(ownMappings()).toEqual(all)
})

test('pages are released at once and then at growing intervals up to the maximum', async () => {
  const clock = new ManualClock()
  let rounds = 0
  let first: Mapping | undefined
  const stop = await releaseCleanPages(clock, async () => (mapping) => {
    first ??= mapping
    if (mapping === first) rounds++
    return true
  })
  expect(rounds).toBe(1)
  const at: number[] = []
  for (let ms = 10; ms <= 1_200_000; ms += 10) {
    const before = rounds
    clock.advance(10)
    if (rounds > before) at.push(ms)
  }
  expect(at.slice(0, 4)).toEqual([80, 240, 560, 1200])
  const last = at.slice(-3)
  expect(last.map((ms, i) => ms - (last[i - 1] ?? ms))).toEqual([0, 300_000, 300_000])
  stop()
  clock.advance(3_000_000)
  expect(rounds).toBe(at.length + 1)
})

test('a failed release is not repeated, and without madvise pages are not released', async () => {
  const clock = new ManualClock()
  let tries = 0
  const stopRefused = await releaseCleanPages(clock, async () => () => {
    tries++
    return false
  })
  clock.advance(1_000_000)
  expect(tries).toBe(1)
  stopRefused()
  const stopWithoutMadvise = await releaseCleanPages(clock, async () => undefined)
  clock.advance(1_000_000)
  stopWithoutMadvise()
})

test('this process releases pages of its executable and continues to run', async () => {
  const resident = () => Number(RESIDENT.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  const before = resident()
  let min = before
  const stop = await releaseCleanPages(systemClock)
  await until(() => {
    min = Math.min(min, resident())
    return min < before * 0.75
  })
  stop()
  expect(JSON.parse(JSON.stringify({ a: [1, 'two', null] }))).toEqual({ a: [1, 'two', null] })
})
