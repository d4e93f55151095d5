import { decode } from '@msgpack/msgpack'
import type { Chunk } from '../../../src/core/chunk.ts'
import type { ShipperError } from '../../../src/core/error.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Output } from '../../../src/core/plugin.ts'
import type { Clock } from '../../../src/core/services.ts'
import { type Account, Budget } from '../../../src/engine/budget.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { spec } from '../../../src/plugins/outputs/kafka/index.ts'
import { chunkOf } from '../engine/chunk-of.ts'
import { listLog } from '../engine/chunks.ts'
import { outputContext } from '../engine/output-context.ts'
import { atEnd } from '../tmp.ts'
import { decodeBatch } from './decode.ts'
import type { KafkaPeer, ProducedBatch } from './peer.ts'

export interface KafkaRun {
  output: Output
  counters: CounterMap
  account: Account
  log: string[]
  /** Records that the output has rejected: the reason, and the entry as `decodeMulti` gives it. */
  rejected: { reason: string; cause: 'peer' | 'records'; log: unknown }[]
  /** True when destinations that records have chosen count as refused for Dead_Letter_After. */
  overdue: boolean
  /** Error of `reject`: the dead letters are full. */
  full: ShipperError | undefined
}

/** Creates a kafka output to this peer, with topic `logs` and raw values, which is closed after the test. */
export async function kafkaTo(
  peer: KafkaPeer,
  texts: Record<string, string> = {},
  stateFolder?: string,
  clock: Clock = systemClock,
  signal = new AbortController().signal,
): Promise<KafkaRun> {
  const account = new Budget(50_000_000, 1_000_000).account(50_000_000)
  const counters = new CounterMap()
  const { lines, log } = listLog()
  const run = { counters, account, log: lines, rejected: [] as KafkaRun['rejected'] }
  const state: Pick<KafkaRun, 'overdue' | 'full'> = { overdue: false, full: undefined }
  const ctx = outputContext({
    name: 'kafka.0',
    log,
    counters,
    stateFolder,
    clock,
    signal,
    buffers: account,
    reject: ({ buf }, start, end, reason) => {
      if (state.full !== undefined) throw state.full
      const [, record] = decode(buf.subarray(start, end)) as [unknown, { log?: unknown }]
      const cause = reason.scope === 'records' ? 'records' : 'peer'
      run.rejected.push({ reason: reason.message, cause, log: record.log })
    },
    isOverdue: () => state.overdue,
  })
  const all = { brokers: `127.0.0.1:${peer.port}`, topics: 'logs', format: 'raw', ...texts }
  const output = spec.create(parseOptions(spec.options, all) as never, ctx)
  await output.start?.()
  atEnd(() => output.close())
  return Object.assign(state, run, { output })
}

/** Returns a chunk whose records are `{log: line}`. */
export function linesChunk(lines: string[], tag = 'app'): Chunk {
  return chunkOf(
    lines.map((log) => ({ log })),
    tag,
  )
}

/** Returns the values of the records in batches, in order. */
export async function valuesOf(batches: readonly ProducedBatch[]): Promise<string[]> {
  const decoded = await Promise.all(batches.map((b) => decodeBatch(b.bytes)))
  return decoded.flatMap(({ records }) => records.map((r) => r.value.toString()))
}
