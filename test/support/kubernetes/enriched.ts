import { encode } from '@msgpack/msgpack'
import type { Chunk } from '../../../src/core/chunk.ts'
import { encodeStr } from '../../../src/core/msgpack/encode.ts'
import type { Parser } from '../../../src/core/parser.ts'
import type { CounterMap } from '../../../src/engine/counters.ts'
import { Enricher } from '../../../src/plugins/filters/kubernetes/enrich/enricher.ts'
import {
  type ContainerMetadata,
  metadataPairs,
} from '../../../src/plugins/filters/kubernetes/enrich/metadata.ts'
import { chunkOf, LooseBuffers } from '../engine/chunk-of.ts'

export const POD = Buffer.from(encode({ pod_name: 'web', labels: { app: 'web' }, host: 'n' }))

const PLAIN = { mergeKey: undefined as Buffer | undefined, parser: undefined as Parser | undefined }
/** Options of the filter for the merge of lines. */
export const OPTIONS = {
  'with Merge_Log': { merge: true, keepLog: true, trim: true, ...PLAIN },
  'with Merge_Log, without Keep_Log': { merge: true, keepLog: false, trim: true, ...PLAIN },
  'with Merge_Log, without Merge_Log_Trim': { merge: true, keepLog: false, trim: false, ...PLAIN },
  'without Merge_Log': { merge: false, keepLog: true, trim: true, ...PLAIN },
  'with Merge_Log_Key': { ...PLAIN, merge: true, keepLog: false, trim: true, mergeKey: encodeStr('a') },
  'with a long Merge_Log_Key, with Keep_Log': {
    ...PLAIN,
    merge: true,
    keepLog: true,
    trim: true,
    mergeKey: encodeStr('x'.repeat(33)),
  },
  'with the Merge_Log_Key kubernetes': {
    ...PLAIN,
    merge: true,
    keepLog: false,
    trim: true,
    mergeKey: encodeStr('kubernetes'),
  },
}
export type Choice = (typeof OPTIONS)[keyof typeof OPTIONS]

/** Returns the metadata of a pod that requests these parsers for its streams. */
export function parsedBy(stdout: Parser | undefined, stderr = stdout): ContainerMetadata {
  return {
    pairs: metadataPairs(POD, undefined),
    streams: { stdout: { exclude: false, parser: stdout }, stderr: { exclude: false, parser: stderr } },
  }
}

/** Chunks of less than 8 KB are not passed to the wasm module, so each record in its own chunk takes the fallback. */
export function enricherOf(choice: Choice, buffers: LooseBuffers, counters?: CounterMap): Enricher {
  return new Enricher({ logKey: encodeStr('log'), buffers, counters, ...choice })
}

export function enriched(
  choice: Choice,
  meta: ContainerMetadata,
  records: object[],
  counters?: CounterMap,
): Chunk {
  const buffers = new LooseBuffers()
  const chunk = chunkOf(records, 'k', buffers)
  enricherOf(choice, buffers, counters).apply(chunk, meta)
  return chunk
}

/** Returns the entries as the fallback writes them, one chunk per record. */
export function oneByOne(choice: Choice, meta: ContainerMetadata, records: object[]): Buffer {
  const buffers = new LooseBuffers()
  const enricher = enricherOf(choice, buffers)
  return Buffer.concat(
    records.map((record, i) => {
      const chunk = chunkOf([record], 'k', buffers)
      chunk.buf.writeUInt32BE(1000 + i, chunk.start + 3)
      enricher.apply(chunk, meta)
      return chunk.entries()
    }),
  )
}

/** Makes a chunk large enough for the wasm module. */
export const FILL = Array.from({ length: 80 }, (_, i) => ({
  stream: 'stdout',
  log: `{"n":${i},"text":"${'f'.repeat(100)}"}`,
}))
