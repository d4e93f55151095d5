import { expect } from 'bun:test'
import { createHash } from 'node:crypto'
import { message } from '../otlp.ts'
import { deaggregate, Moto, testWithMoto } from './moto.ts'

const SIGNED = {
  authorization:
    'AWS4-HMAC-SHA256 Credential=t/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0',
}

testWithMoto('moto keeps objects, events and records, and refuses an object that exists', async () => {
  const moto = await Moto.start()
  await moto.createBucket('bucket')
  const put = async (): Promise<number> => {
    const headers = { ...SIGNED, 'if-none-match': '*' }
    const url = `${moto.url}/bucket/a/b%20c`
    return (await fetch(url, { method: 'PUT', headers, body: 'text', keepalive: false })).status
  }
  expect([await put(), await put()]).toEqual([200, 412])
  expect(await moto.objects('bucket')).toEqual([['a/b c', Buffer.from('text')]])
  await fetch(`${moto.url}/bucket/x?uploads`, { method: 'POST', headers: SIGNED, keepalive: false })
  expect(await moto.openUploads('bucket')).toBe(1)

  const names = { logGroupName: 'g', logStreamName: 's' }
  await moto.call('logs', 'Logs_20140328.CreateLogGroup', { logGroupName: 'g' })
  await moto.call('logs', 'Logs_20140328.CreateLogStream', names)
  const logEvents = ['a', 'b'].map((text) => ({ timestamp: Date.now(), message: text }))
  await moto.call('logs', 'Logs_20140328.PutLogEvents', { ...names, logEvents })
  expect(await moto.logMessages('g', 's')).toEqual(['a', 'b'])

  await moto.createStream('stream', 2)
  const Records = ['p', 'q'].map((key) => ({ Data: Buffer.from(key).toString('base64'), PartitionKey: key }))
  await moto.call('kinesis', 'Kinesis_20131202.PutRecords', { StreamName: 'stream', Records })
  const records = await moto.kinesisRecords('stream')
  expect(records.map(({ data, partitionKey }) => `${data}${partitionKey}`).sort()).toEqual(['pp', 'qq'])

  await moto.createDeliveryStream('delivery', 'bucket')
  const batch = { DeliveryStreamName: 'delivery', Records: [{ Data: Buffer.from('a\n').toString('base64') }] }
  await moto.call('firehose', 'Firehose_20150804.PutRecordBatch', batch)
  const objects = await moto.objects('bucket')
  expect(objects.map(([, bytes]) => String(bytes))).toContain('a\n')
})

testWithMoto('an aggregated record is taken apart by the library of its makers', () => {
  const body = message([
    [1, 'a'],
    [1, 'key'],
    [
      3,
      [
        [1, 1],
        [3, 'first'],
      ],
    ],
    [
      3,
      [
        [1, 1],
        [3, 'second\n'],
      ],
    ],
  ])
  const blob = Buffer.concat([Buffer.from('f3899ac2', 'hex'), body, createHash('md5').update(body).digest()])
  const records = deaggregate([blob, Buffer.from('plain')])
  expect(records.map(({ data, partitionKey }) => [partitionKey, String(data)])).toEqual([
    ['key', 'first'],
    ['key', 'second\n'],
    ['outer', 'plain'],
  ])
})
