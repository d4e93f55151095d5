import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

export interface DecodedRecord {
  timestamp: string
  offset: string
  key: Buffer | null
  value: Buffer
  headers: Record<string, Buffer>
}
export interface DecodedBatch {
  attributes: number
  lastOffsetDelta: number
  maxTimestamp: string
  producerId: string
  producerEpoch: number
  firstSequence: number
  records: DecodedRecord[]
}

/** Decodes a record batch with kafkajs, an independent decoder. It does not check the CRC. */
export async function decodeBatch(batch: Buffer): Promise<DecodedBatch> {
  const Decoder = load('kafkajs/src/protocol/decoder')
  const decode = load('kafkajs/src/protocol/recordBatch/v0/decoder')
  const decoded = await decode(new Decoder(batch))
  return { attributes: batch.readInt16BE(21), ...decoded }
}
