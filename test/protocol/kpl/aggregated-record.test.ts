import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import protobuf from 'protobufjs'
import { AggregatedRecord } from '../../../src/protocol/kpl/aggregated-record.ts'
import { deaggregate, testWithMoto } from '../../support/stores/moto.ts'

/** The format as its makers describe it. */
const SCHEMA = protobuf.parse(`syntax = "proto2";
message AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2; repeated Record records = 3; }
message Tag { required string key = 1; optional string value = 2; }
message Record { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2; required bytes data = 3; repeated Tag tags = 4; }`).root

function written(key: string, texts: (string | Buffer)[], record = new AggregatedRecord()): Buffer {
  record.begin(key)
  for (const text of texts) {
    const bytes = Buffer.concat([Buffer.from('head'), Buffer.from(text as string), Buffer.from('tail')])
    record.add(bytes, 4, bytes.length - 4)
  }
  record.finish()
  return Buffer.from(record.buf.subarray(0, record.end))
}

function read(blob: Buffer): { key: string[]; data: string[]; indexes: number[] } {
  expect(blob.subarray(0, 4).toString('hex')).toBe('f3899ac2')
  const message = blob.subarray(4, -16)
  expect(blob.subarray(-16)).toEqual(createHash('md5').update(message).digest())
  const decoded = SCHEMA.lookupType('AggregatedRecord').decode(message) as unknown as {
    partitionKeyTable: string[]
    records: { partitionKeyIndex: number | { toNumber(): number }; data: Buffer }[]
  }
  return {
    key: decoded.partitionKeyTable,
    data: decoded.records.map(({ data }) => Buffer.from(data).toString()),
    indexes: decoded.records.map(({ partitionKeyIndex }) => Number(partitionKeyIndex)),
  }
}

describe('an aggregated record', () => {
  test('has the key once and each record with its index', () => {
    const texts = ['{"a":1}', '', 'ä'.repeat(100), 'x'.repeat(70_000)]
    expect(read(written('key ä', texts))).toEqual({ key: ['key ä'], data: texts, indexes: [0, 0, 0, 0] })
  })

  test('is valid for data around the limits of its lengths, and without records', () => {
    for (const bytes of [0, 1, 122, 123, 124, 127, 128, 16_376, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const text = 'y'.repeat(bytes)
      expect(read(written('k', [text, 'z'])).data).toEqual([text, 'z'])
    }
    expect(read(written('k', []))).toEqual({ key: ['k'], data: [], indexes: [] })
  })

  test('begins again after the one before', () => {
    const record = new AggregatedRecord()
    written('first', ['a'.repeat(10_000)], record)
    expect(read(written('second', ['b'], record))).toEqual({ key: ['second'], data: ['b'], indexes: [0] })
  })
})

testWithMoto('an aggregated record is taken apart by the library of its makers', () => {
  const texts = Array.from({ length: 1000 }, (_, i) => JSON.stringify({ n: i, text: 'ä'.repeat(i % 50) }))
  const records = deaggregate([written('the key', texts), written('another', ['x'])])
  expect(records.map(({ data }) => data.toString())).toEqual([...texts, 'x'])
  expect(new Set(records.slice(0, -1).map(({ partitionKey }) => partitionKey))).toEqual(new Set(['the key']))
  expect(records.at(-1)?.partitionKey).toBe('another')
})
