import type { Chunk } from '../../../src/core/chunk.ts'
import type { Ack } from '../../../src/core/plugin.ts'
import { ChunkAppender } from '../../../src/engine/appender.ts'
import { type Account, Budget } from '../../../src/engine/budget.ts'
import { ManualClock } from './manual-clock.ts'

export interface Sealed {
  chunk: Chunk
  ack: Ack
  text: string
}

export interface Bench {
  appender: ChunkAppender
  clock: ManualClock
  account: Account
  budget: Budget
  sealed: Sealed[]
  skipped: number[]
}

/** Creates an appender on its own and collects the chunks that it seals. */
export function bench(
  options: {
    chunkBytes?: number
    limit?: number
    flushMs?: number
    tag?: string
    /** Factor by which filters make a chunk grow. */
    growth?: number
    /** Bytes that they send on under other tags, per byte of the chunk. */
    rerouted?: number
    wantsPlaces?: boolean
  } = {},
): Bench {
  const {
    chunkBytes = 65_536,
    limit = 10_000_000,
    flushMs = 1000,
    tag = 't',
    growth = 1,
    rerouted = 0,
    wantsPlaces = false,
  } = options
  const clock = new ManualClock()
  const budget = new Budget(limit, chunkBytes)
  const account = budget.account(limit)
  const sealed: Sealed[] = []
  const passed: number[] = []
  let n = 0
  const appender = new ChunkAppender({
    input: 'tail.0',
    tag,
    chunkBytes,
    filteredBytes: budget.sizeWithin(limit / 2),
    adaptiveBytes: { bytes: chunkBytes },
    flushMs,
    wantsPlaces,
    buffers: account,
    clock,
    nextIdentity: () => `run:${n++}`,
    accept: (chunk, ack) => {
      sealed.push({ chunk, ack, text: chunk.entries().toString('latin1') })
      chunk.reroutedBytes = chunk.size * rerouted
      if (growth === 1) return
      const start = chunk.start
      const grown = account.force(start + chunk.size * growth)
      chunk.replace(grown, start, start + chunk.size * growth, chunk.count)
    },
    skippedBytes: (bytes) => passed.push(bytes),
  })
  return { appender, clock, account, budget, sealed, skipped: passed }
}

export function write(appender: ChunkAppender, text: string, inputBytes = text.length): boolean {
  if (!appender.reserve(text.length)) return false
  appender.end += appender.buf.write(text, appender.end, 'latin1')
  appender.addRecords(1, inputBytes)
  return true
}
