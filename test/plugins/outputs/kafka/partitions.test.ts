import { expect, test } from 'bun:test'
import type { ShipperError } from '../../../../src/core/error.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { kafkaPeer } from '../../../support/kafka/peer.ts'
import { kafkaTo, linesChunk, valuesOf } from '../../../support/kafka/run.ts'
import { until } from '../../../support/until.ts'

test('sticky: a chunk goes to one partition whatever its keys, the next chunk to the next partition', async () => {
  const peer = await kafkaPeer()
  peer.topics.set('logs', 2)
  const { output } = await kafkaTo(peer, { partitioner: 'sticky', message_key_field: 'log' })
  for (const name of ['a', 'b', 'c']) await output.flush(linesChunk([`${name}1`, `${name}2`, `${name}3`]))
  expect(await valuesOf(peer.written('logs', 0))).toEqual(['a1', 'a2', 'a3', 'c1', 'c2', 'c3'])
  expect(await valuesOf(peer.written('logs', 1))).toEqual(['b1', 'b2', 'b3'])
})

test('partitions added to a topic are used after the metadata refresh', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { metadata_max_age: '1' })
  await output.flush(linesChunk(['first']))
  peer.topics.set('logs', 2)
  const found = async () => {
    await output.flush(linesChunk(['more']))
    return peer.written('logs', 1).length > 0
  }
  await until(found, { limitMs: 120_000, everyMs: 50, what: 'a batch in the new partition' })
  expect(peer.written('logs', 0).length).toBeGreaterThan(0)
})

test('when a topic is recreated with fewer partitions, the others get the batches of the missing ones', async () => {
  const peer = await kafkaPeer()
  peer.topics.set('logs', 3)
  const clock = new ManualClock(Date.now())
  const { output, account, log } = await kafkaTo(peer, { partitioner: 'sticky' }, undefined, clock)
  await output.flush(linesChunk(['a0']))
  await output.flush(linesChunk(['a1']))
  // The topic is deleted and recreated.
  peer.topics.set('logs', 1)
  peer.refuse = ({ partition }) => (partition === 0 ? 0 : 3)
  const chunk = linesChunk(['a2'])
  const errors: string[] = []
  await until(async () => {
    clock.advance(1000)
    return output.flush(chunk).then(
      () => true,
      (error: ShipperError) => {
        errors.push(error.message)
        return false
      },
    )
  })
  expect(errors).toContain('logs/2 is missing from the metadata')
  expect(errors.length).toBeGreaterThan(8)
  for (const line of ['a3', 'a4']) await output.flush(linesChunk([line]))
  expect(await valuesOf(peer.written('logs', 0))).toEqual(['a0', 'a2', 'a3', 'a4'])
  expect(log.join()).toContain('partition logs/2 no longer exists: its records go to partition 0')
  expect(account.used).toBe(0)
})

test('every request carries the client id', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { client_id: 'leaf-7' })
  await output.flush(linesChunk(['a']))
  expect([...peer.clientIds]).toEqual(['leaf-7'])
})
