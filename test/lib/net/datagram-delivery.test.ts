import { expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import type { DatagramBatch } from '../../../src/lib/net/datagram-batch.ts'
import type { DatagramClient } from '../../../src/lib/net/datagram-client.ts'
import { DatagramDelivery } from '../../../src/lib/net/datagram-delivery.ts'
import { Entry } from '../../../src/lib/records/entry.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { fc } from '../../support/property.ts'

/** Two datagrams for each record but every third, which has one. */
function encode(batch: DatagramBatch, chunk: Parameters<DatagramDelivery['flush']>[0]): void {
  const entry = new Entry()
  let n = 0
  for (let at = chunk.start; at < chunk.end; at = entry.end, n++) {
    entry.read(chunk, at)
    for (let part = 0; part < (n % 3 === 0 ? 1 : 2); part++) {
      batch.text.raw(`${n}.${part}`)
      batch.end(at - chunk.start, entry.end - chunk.start)
    }
  }
}

test('wherever sending fails, each record is sent whole, in order, or rejected, and none that was taken is sent again', async () => {
  const cases = fc.record({
    records: fc.integer({ min: 1, max: 12 }),
    large: fc.array(fc.nat(11), { maxLength: 3 }),
    // Whether each call of the kernel fails; after those none does.
    fails: fc.array(fc.boolean(), { maxLength: 60 }),
  })
  const property = fc.asyncProperty(cases, async ({ records, large, fails }) => {
    const oversized = new Set(large.filter((n) => n < records))
    let call = 0
    const taken: string[] = []
    const rejected: number[] = []
    const client = {
      send: async (batch: DatagramBatch, first: number) => {
        for (let i = first; i < batch.count; i++) {
          const text = batch.text.buf.toString('latin1', batch.start(i), batch.endOf(i))
          const isTooLarge = oversized.has(Number(text.split('.')[0]))
          if (isTooLarge || fails[call++] === true)
            return {
              at: i,
              isTooLarge,
              error: new ShipperError('E_PEER_UNREACHABLE', 'no buffer', { retryable: true }),
            }
          taken.push(text)
        }
        return undefined
      },
      close: () => {},
    } as unknown as DatagramClient
    const chunk = chunkOf(Array.from({ length: records }, (_, n) => ({ n })))
    const starts: number[] = []
    const entry = new Entry()
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      starts.push(at)
    }
    const reject = (_: unknown, start: number): void => void rejected.push(starts.indexOf(start))
    const delivery = new DatagramDelivery(client, outputContext({ reject }), encode)
    for (let attempt = 0; ; attempt++) {
      expect(attempt).toBeLessThan(10_000)
      const isDone = await delivery.flush(chunk).then(
        () => true,
        () => false,
      )
      if (isDone) break
    }
    const whole = Array.from({ length: records }, (_, n) => n).filter((n) => !oversized.has(n))
    // Of a record that was cut off the first part comes again.
    const last = (n: number): string => `${n}.${n % 3 === 0 ? 0 : 1}`
    expect(taken.filter((text) => text === last(Number(text.split('.')[0])))).toEqual(whole.map(last))
    expect(new Set(rejected)).toEqual(oversized)
  })
  await fc.assert(property)
})
