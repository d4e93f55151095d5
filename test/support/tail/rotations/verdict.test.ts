import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { tmp } from '../../tmp.ts'
import { RotatingLog } from './log.ts'
import { TablePeer } from './peer.ts'
import { linesPresent } from './present.ts'
import type { Row } from './row.ts'
import { type Case, faults } from './verdict.ts'

const ROW: Row = { name: 'test', path: ['app.log'], rotate: () => {} }

/**
 * Returns a log with lines 0-2 in app.log.2.gz, which the agent has seen, 3-5 in app.log.1, and 6-8 in
 * app.log.
 */
async function rotatedTwice(
  row = ROW,
): Promise<{ one: Case; peer: TablePeer; arrive: (...lines: number[]) => void }> {
  const root = tmp()
  const log = new RotatingLog(join(root, 'log'), 1)
  log.open('app.log')
  await log.write(3)
  const resumed = {
    linesBefore: 0,
    contentBefore: 0,
    lines: 9,
    content: 2,
    present: new Map<number, string[]>(),
  }
  log.rename('app.log', 'app.log.2')
  log.open()
  log.gzip('app.log.2')
  await log.write(3)
  log.rename('app.log', 'app.log.1')
  log.open()
  await log.write(3)
  resumed.present = linesPresent(root, 1)
  const peer = await TablePeer.start()
  const arrive = (...lines: number[]): void => {
    for (const n of lines) peer.counts.set(`row1.a 1/${n}`, peer.count('row1.a', `1/${n}`) + 1)
  }
  return { one: { row, log, resumed }, peer, arrive }
}

test('a verdict names missing and duplicate lines, and their files', async () => {
  const { one, peer, arrive } = await rotatedTwice()
  arrive(0, 1, 4, 5, 6, 7, 7, 8)
  expect(faults(one, 'away', peer)).toEqual([
    '2: missing, written meanwhile to app.log no. 0, then in log/app.log.2.gz',
    '3: missing, written meanwhile to app.log no. 1, then in log/app.log.1',
    '7: came 2 times, written meanwhile to app.log no. 2, then in log/app.log',
  ])
})

test('a verdict accepts what is promised for files that the agent has not seen', async () => {
  const { one, peer, arrive } = await rotatedTwice({ ...ROW, unseen: 'maybe' })
  arrive(0, 1, 2, 6, 7, 8)
  expect(faults(one, 'away', peer)).toEqual([])
  arrive(3)
  expect(faults(one, 'away', peer)).toEqual([])
  one.row = { ...ROW, unseen: 'never' }
  expect(faults(one, 'away', peer)).toEqual([
    '3: must not be read, written meanwhile to app.log no. 1, then in log/app.log.1',
  ])
})

test('a verdict expects no line of a deleted file from an agent that was away', async () => {
  const { one, peer, arrive } = await rotatedTwice()
  one.resumed?.present.delete(0)
  arrive(1, 2, 3, 4, 5, 6, 7, 8)
  expect(faults(one, 'away', peer)).toEqual([])
  expect(faults(one, 'burst', peer)).toEqual(['0: missing, written meanwhile to app.log no. 0'])
})

test('a verdict shows foreign lines', async () => {
  const { one, peer, arrive } = await rotatedTwice()
  arrive(0, 1, 2, 3, 4, 5, 6, 7, 8)
  peer.counts.set('row1.a 1/foreign line of error.log2', 1)
  expect(faults(one, 'live', peer)).toEqual([
    '1 lines that must not be read: input a: 1/foreign line of error.log2',
  ])
})
