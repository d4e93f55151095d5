import { expect, test } from 'bun:test'
import { crc32c } from '../../../src/lib/hash/crc32c.ts'
import {
  BATCH_HEADER_BYTES,
  BatchWriter,
  copyBatchHeader,
  copyRecords,
  maxRecordBytes,
  NO_HEADERS,
  stampBatch,
  writeLengthAndCodec,
} from '../../../src/protocol/kafka/batch.ts'
import { decodeBatch } from '../../support/kafka/decode.ts'
import { fc } from '../../support/property.ts'

interface Given {
  ms: number
  key: Uint8Array | null
  value: Uint8Array
  headers: boolean
}

const records = fc.array(
  fc.record({
    ms: fc.integer({ min: 0, max: 4_294_967_295_999 }),
    key: fc.option(fc.uint8Array({ maxLength: 70 })),
    value: fc.uint8Array({ maxLength: 300 }),
    headers: fc.boolean(),
  }),
  { minLength: 1, maxLength: 80 },
)
/** One header, `h: v`. */
const HEADERS = Buffer.from([2, 2, 0x68, 2, 0x76])

test('an independent decoder reads every record back unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(records, fc.nat(9), async (given, start) => {
      const writer = write(given, start)
      const batch = await decodeBatch(writer.buf.subarray(start, writer.end))
      expect(batch).toMatchObject({ lastOffsetDelta: given.length - 1, producerId: '7000000000' })
      expect(batch).toMatchObject({ producerEpoch: 3, firstSequence: 2147483647, attributes: 0 })
      expect(batch.maxTimestamp).toBe(String(Math.max(...given.map((r) => r.ms))))
      expectRecords(batch.records, given)
    }),
  )
})

test('the checksum covers everything after it', () => {
  const writer = write([{ ms: 5, key: null, value: Buffer.from('abc'), headers: false }], 4)
  const { buf, start, end } = writer
  expect(buf.readUInt32BE(start + 17)).toBe(crc32c(buf, start + 21, end))
  expect(buf.readInt32BE(start + 8)).toBe(end - start - 12)
})

test('a batch split in two keeps all its records', async () => {
  await fc.assert(
    fc.asyncProperty(records, fc.nat(), async (given, cut) => {
      const { buf, start, end } = write(given, 0)
      const first = 1 + (cut % given.length)
      const halves = [first, given.length - first]
      let from = start + BATCH_HEADER_BYTES
      let seen = 0
      for (const count of halves.filter((n) => n > 0)) {
        const out = Buffer.alloc(end - start)
        copyBatchHeader(buf, start, out, 0, count)
        const copied = copyRecords(buf, from, count, out, BATCH_HEADER_BYTES)
        writeLengthAndCodec(out, 0, copied.end, 'none')
        const batch = await decodeBatch(out.subarray(0, copied.end))
        expect(batch.lastOffsetDelta).toBe(count - 1)
        expectRecords(batch.records, given.slice(seen, seen + count))
        from = copied.next
        seen += count
      }
      expect([from, seen]).toEqual([end, given.length])
    }),
  )
})

function write(given: Given[], start: number): BatchWriter {
  const writer = new BatchWriter(Buffer.alloc(start + BATCH_HEADER_BYTES + given.length * 500), start)
  for (const { ms, key, value, headers } of given) {
    const [k, v] = [Buffer.from(key ?? []), Buffer.from(value)]
    const head = headers ? HEADERS : NO_HEADERS
    const before = writer.end
    writer.add(ms, k, 0, key === null ? -1 : k.length, v, 0, v.length, head, head.length)
    expect(writer.end - before).toBeLessThanOrEqual(maxRecordBytes(k.length, v.length, head.length))
  }
  writer.seal()
  const stamp = { producerId: 7_000_000_000n, epoch: 3, sequence: 2147483647 }
  stampBatch(writer.buf, start, writer.end, stamp, crc32c)
  return writer
}

function expectRecords(found: Awaited<ReturnType<typeof decodeBatch>>['records'], given: Given[]): void {
  expect(found.map((r) => Number(r.timestamp))).toEqual(given.map((r) => r.ms))
  expect(found.map((r) => r.key)).toEqual(given.map((r) => (r.key === null ? null : Buffer.from(r.key))))
  expect(found.map((r) => r.value)).toEqual(given.map((r) => Buffer.from(r.value)))
  const headers = found.map((r) => Object.entries(r.headers).map(([k, v]) => [k, String(v)]))
  expect(headers).toEqual(given.map((r) => (r.headers ? [['h', 'v']] : [])))
}
