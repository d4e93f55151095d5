import { expect, test } from 'bun:test'
import { kafkaPeer } from '../../../support/kafka-peer.ts'
import { kafkaTo, linesChunk, valuesOf } from '../../../support/kafka-run.ts'
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
  await until(found, { limitMs: 10_000, everyMs: 50, what: 'a batch in the new partition' })
  expect(peer.written('logs', 0).length).toBeGreaterThan(0)
})

test('every request says whose it is', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { client_id: 'leaf-7' })
  await output.flush(linesChunk(['a']), never)
  expect([...peer.clientIds]).toEqual(['leaf-7'])
})
