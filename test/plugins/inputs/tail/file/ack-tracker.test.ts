import { expect, test } from 'bun:test'
import { AckTracker } from '../../../../../src/plugins/inputs/tail/file/ack-tracker.ts'

function tracker(offset = 0) {
  const settled: number[] = []
  return { settled, acks: new AckTracker(offset, false, { onSettled: (bytes) => void settled.push(bytes) }) }
}

test('the position moves over settled ranges only, in order', () => {
  const { acks, settled } = tracker(100)
  const first = acks.endRange(150, false)
  const second = acks.endRange(180, false)
  expect([first?.text, second?.text]).toEqual(['100-150', '150-180'])
  second?.settle('delivered')
  expect([acks.position, acks.isPending]).toEqual([100, true])
  first?.settle('filtered')
  expect([acks.position, acks.isPending]).toEqual([180, false])
  expect(settled).toEqual([80])
})

test('no range is opened when nothing was read', () => {
  expect(tracker(7).acks.endRange(7, false)).toBeUndefined()
})

test('an aborted range blocks the position', () => {
  const { acks } = tracker()
  acks.endRange(10, false)?.settle('aborted')
  expect(acks.position).toBe(0)
})

test('no position beyond the commit limit is acknowledged, though lines beyond it are in the chunk', () => {
  const { acks } = tracker()
  acks.limitCommits(40)
  acks.limitCommits(60)
  const range = acks.endRange(100, true)
  expect(range?.text).toBe('0-40+100')
  range?.settle('delivered')
  expect([acks.position, acks.isSkipping, acks.isPending]).toEqual([40, false, true])
  acks.liftCommitLimit()
  acks.endRange(100, true)?.settle('delivered')
  expect([acks.position, acks.isSkipping, acks.isPending]).toEqual([100, true, false])
})

test('a position within a skipped line is recognized even when ranges settle out of order', () => {
  const { acks } = tracker()
  const first = acks.endRange(50, false)
  const second = acks.endRange(80, true)
  second?.settle('delivered')
  first?.settle('delivered')
  expect([acks.position, acks.isSkipping]).toEqual([80, true])
  acks.endRange(90, false)?.settle('delivered')
  expect([acks.position, acks.isSkipping]).toEqual([90, false])
})

test('a range from before a restart does not move the position of the new content', () => {
  const { acks, settled } = tracker()
  const before = acks.endRange(50, false)
  acks.restart()
  before?.settle('delivered')
  expect([acks.position, settled]).toEqual([0, []])
})

test('a file that is resumed within a skipped line is within it until that is read', () => {
  const resumed = new AckTracker(30, true, { onSettled: () => {} })
  expect(resumed.isSkipping).toBe(true)
  resumed.endRange(50, true)?.settle('delivered')
  expect(resumed.isSkipping).toBe(true)
  resumed.endRange(60, false)?.settle('delivered')
  expect(resumed.isSkipping).toBe(false)
  expect(tracker(30).acks.isSkipping).toBe(false)
})

test('nothing of a skipped line is known of the content that follows', () => {
  const { acks } = tracker()
  acks.endRange(50, true)?.settle('delivered')
  acks.restart()
  acks.endRange(50, false)?.settle('delivered')
  expect([acks.position, acks.isSkipping]).toEqual([50, false])
})

test('it is known whether bytes of the present content are in a chunk', () => {
  const { acks } = tracker()
  expect(acks.hasRanges).toBe(false)
  acks.endRange(50, false)
  expect(acks.hasRanges).toBe(true)
  acks.restart()
  expect(acks.hasRanges).toBe(false)
})

test('a chunk that has only lines beyond the commit limit is waited for', () => {
  const { acks } = tracker()
  acks.limitCommits(0)
  const range = acks.endRange(100, false)
  expect([range?.text, acks.isPending]).toEqual(['0-0+100', true])
  range?.settle('delivered')
  acks.liftCommitLimit()
  expect([acks.position, acks.isPending]).toEqual([0, false])
})

test('what an heir reads begins at the end of what it inherits', () => {
  const original = tracker().acks
  const range = original.endRange(50, false)
  const { acks: heir, settled } = tracker()
  original.handOver(heir, 50)
  const own = heir.endRange(80, false)
  expect(own?.text).toBe('50-80')
  own?.settle('delivered')
  expect(heir.position).toBe(0)
  range?.settle('delivered')
  expect([heir.position, settled.reduce((sum, bytes) => sum + bytes, 0)]).toEqual([80, 80])
})
