import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BootWatch } from '../../../../src/plugins/inputs/systemd/boot-watch.ts'
import { Boots, bootIds, inOrder, runningBoot } from '../../../../src/plugins/inputs/systemd/boots.ts'
import { type Cursor, parseCursor } from '../../../../src/plugins/inputs/systemd/cursor.ts'
import { JournalFiles } from '../../../../src/plugins/inputs/systemd/journal-files.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const boot = (name: string): string => name.repeat(32)

function first(seqnumId: string, seqnum: number, bootName: string, realtime: string): Cursor {
  const text = `s=${boot(seqnumId)};i=${seqnum.toString(16)};b=${boot(bootName)};m=1;t=${realtime};x=1`
  return parseCursor(text) as Cursor
}

test('a boot is finished once the cursor has left it, not when it was only read', () => {
  const boots = new Boots([boot('1')])
  for (const name of ['2', '3', '4']) boots.begin(boot(name))
  expect(boots.finishedBefore(boot('2'))).toEqual([boot('1')])
  expect(boots.finishedBefore(boot('4'))).toEqual([boot('1'), boot('2'), boot('3')])
  // A boot that is none of those: nothing is known about the order.
  expect(boots.finishedBefore(boot('9'))).toEqual([boot('1')])
  boots.present = [boot('2'), boot('4')]
  expect(boots.finishedBefore(boot('4'))).toEqual([boot('2')])
})

test('boots are read by number in a sequence and else by time, and the running one last', () => {
  const [a, b, c] = [first('a', 1, '1', '30'), first('a', 9, '2', '10'), first('b', 1, '3', '5')]
  expect(inOrder([b, a], undefined)).toEqual([a, b])
  expect(inOrder([b, c], undefined)).toEqual([c, b])
  expect(inOrder([c, b], boot('3'))).toEqual([b, c])
})

test('only ids of boots are taken from an answer, each once', () => {
  expect(bootIds(`${boot('1')}\nx\n${boot('1')}\n${boot('2')}0\n-- No entries --\n`)).toEqual([boot('1')])
  const file = join(tmp(), 'boot_id')
  expect(runningBoot(file)).toBeUndefined()
  writeFileSync(file, '01234567-89ab-cdef-0123-456789abcdef\n')
  expect(runningBoot(file)).toBe('0123456789abcdef0123456789abcdef')
})

test('a new file leads to a question for new boots, and so does time while only one boot is shown', async () => {
  const dir = tmp()
  const clock = new ManualClock()
  let asked = 0
  let found = 0
  const services = {
    files: new JournalFiles(dir),
    clock,
    hasNewBoot: async () => ++asked === 4,
    onNewBoot: () => {
      found++
    },
  }
  const look = async (): Promise<void> => {
    await until(() => clock.waiting === 1)
    clock.advance(2000)
    await until(() => clock.waiting === 1 || found > 0)
  }
  const watch = new BootWatch(services, true)
  await look()
  await look()
  expect(asked).toBe(1)
  writeFileSync(join(dir, 'b.journal'), '')
  await look()
  expect(asked).toBe(2)
  // The clock set back by an hour does not delay the question.
  clock.set(clock.nowMs() - 3_600_000)
  for (let i = 0; i < 15; i++) await look()
  expect(asked).toBe(3)
  writeFileSync(join(dir, 'c.journal'), '')
  await look()
  expect([asked, found, clock.waiting]).toEqual([4, 1, 0])
  watch.stop()
})
