import { expect, test } from 'bun:test'
import type { Chunk } from '../../../src/core/chunk.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { JsonRecords } from '../../../src/lib/records/json-records.ts'
import { spec as modifierSpec } from '../../../src/plugins/filters/content-modifier/index.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { entriesChunk, forwardTo } from '../../support/forward/output-run.ts'
import { entriesOf, forwardPeer } from '../../support/forward/peer.ts'
import { LaterList } from '../../support/later.ts'

/** A chunk of two records, both with the metadata `{"k": "v"}`. */
function withMetadata(id = 'c1'): Chunk {
  const chunk = entriesChunk(id, ['a', 'b'])
  const buffers = new LooseBuffers()
  const texts = { context: 'metadata', action: 'upsert', key: 'k', value: 'v' }
  const filter = modifierSpec.create(parseOptions(modifierSpec.options, texts), { buffers } as never)
  filter.apply(chunk, new LaterList(buffers))
  return chunk
}

test.each(['text', 'gzip', 'zstd'])(
  'forward with Compress %s sends records without their metadata',
  async (compress) => {
    const peer = await forwardPeer()
    await forwardTo(peer, { compress }).output.flush(withMetadata())
    const plain = entriesChunk('c1', ['a', 'b'])
    expect(peer.arrivals[0]?.entries.equals(plain.entries())).toBe(true)
  },
)

test('forward sends metadata with Retain_Metadata_In_Forward_Mode', async () => {
  const peer = await forwardPeer()
  const chunk = withMetadata()
  const bytes = Buffer.from(chunk.entries())
  await forwardTo(peer, { retain_metadata_in_forward_mode: 'on' }).output.flush(chunk)
  expect(peer.arrivals[0]?.entries.equals(bytes)).toBe(true)
})

test('forward with Time_As_Integer leaves metadata out', async () => {
  const peer = await forwardPeer()
  await forwardTo(peer, { time_as_integer: 'on' }).output.flush(withMetadata())
  expect(entriesOf(peer.arrivals[0] as never)).toEqual([
    [1_700_000_000, { log: 'a' }],
    [1_700_000_001, { log: 'b' }],
  ])
})

test('JSON has the time of a record with metadata', () => {
  const json = new JsonRecords('json_lines', { jsonDateKey: 'date', jsonDateFormat: 'epoch' })
  json.append(withMetadata())
  expect(json.text.bytes().toString()).toBe('{"date":1700000000,"log":"a"}\n{"date":1700000001,"log":"b"}\n')
})
