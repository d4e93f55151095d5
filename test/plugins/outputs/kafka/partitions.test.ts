import { expect, test } from 'bun:test'
import type { ShipperError } from '../../../../src/core/error.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { kafkaPeer } from '../../../support/kafka/peer.ts'
import { kafkaTo, linesChunk, valuesOf } from '../../../support/kafka/run.ts'
import { until } from '../../../support/until.ts'

const never = new AbortController().signal

test('sticky: a chunk goes to one partition whatever its keys, the next one to the next', async () => {
  const peer = await kafkaPeer()
  peer.topics.set('logs', 2)
  const { output } = await kafkaTo(peer, { partitioner: 'sticky', message_key_field: 'log' })
  for (const name of ['a', 'b', 'c'])
    await output.flush(linesChunk([`${name}1`, `${name}2`, `${name}3`]), never)
  expect(await valuesOf(peer.written('logs', 0))).toEqual(['a1', 'a2', 'a3', 'c1', 'c2', 'c3'])
  expect(await valuesOf(peer.written('logs', 1))).toEqual(['b1', 'b2', 'b3'])
})

test('partitions that a topic gets later are used when its metadata are old', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { metadata_max_age: '1' })
  await output.flush(linesChunk(['first']), never)
  peer.topics.set('logs', 2)
  const found = async () => {
    await output.flush(linesChunk(['more']), never)
    return peer.written('logs', 1).length > 0
  }
  await until(found, { limitMs: 120_000, everyMs: 50, what: 'a batch in the new partition' })
  expect(peer.written('logs', 0).length).toBeGreaterThan(0)
})

test('a topic that is made again with fewer partitions has what was for those that are gone', async () => {
  const peer = await kafkaPeer()
  peer.topics.set('logs', 3)
  const clock = new ManualClock(Date.now())
  const { output, account, log } = await kafkaTo(peer, { partitioner: 'sticky' }, undefined, clock)
  await output.flush(linesChunk(['a0']), never)
  await output.flush(linesChunk(['a1']), never)
  // The topic is deleted, and made again.
  peer.topics.set('logs', 1)
  peer.refuse = ({ partition }) => (partition === 0 ? 0 : 3)
  const chunk = linesChunk(['a2'])
  const errors: string[] = []
  await until(async () => {
    clock.advance(1000)
    return output.flush(chunk, never).then(
      () => true,
      (error: ShipperError) => {
        errors.push(error.message)
        return false
      },
    )
  })
  expect(errors).toContain('logs/2 is not there')
  expect(errors.length).toBeGreaterThan(8)
  for (const line of ['a3', 'a4']) await output.flush(linesChunk([line]), never)
  expect(await valuesOf(peer.written('logs', 0))).toEqual(['a0', 'a2', 'a3', 'a4'])
  expect(log.join()).toContain('logs/2 is gone with its topic: what was for it goes to partition 0')
  expect(account.used).toBe(0)
})

test('every request says whose it is', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { client_id: 'leaf-7' })
  await output.flush(linesChunk(['a']), never)
  expect([...peer.clientIds]).toEqual(['leaf-7'])
})
