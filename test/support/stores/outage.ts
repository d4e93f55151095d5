import { expect } from 'bun:test'
import { join } from 'node:path'
import type { Fault } from '../doubles/plan.ts'
import type { StoreApi, StoreDouble } from '../doubles/store-double.ts'
import { peakBytes } from '../shipping.ts'
import { tmp } from '../tmp.ts'
import { HANG_MS, until, untilReaches } from '../until.ts'
import { agentTo, writeRecords } from './scenario.ts'

export interface OutageInit {
  /** A lean double. */
  double: StoreDouble<StoreApi>
  /** Options of the output, `name` and the port of the double among them. */
  output: Record<string, string | number>
  /** `down`: connections are refused; else what becomes of every request. */
  how: 'down' | Fault
  seconds: number
  /** Numbers written in the course of the outage, many times what may be in memory; a quarter of it before, an eighth after it. */
  batch: number
}

/** Highest resident memory of the agent so far, in bytes, at some moments of an outage. */
export interface Peaks {
  /** When the store had everything that was written before. */
  before: number
  /** When a quarter of the outage was over, by which memory is as full as it may be, and a half. */
  quarter: number
  half: number
  end: number
  /** When the store had everything again. */
  caughtUp: number
}

const MEMORY_LIMIT = 8_000_000
/** Of the resident memory, in which chunks, requests and garbage are; less than what is written during an outage. */
const MAX_GROWTH = 64_000_000

/** Parts of a batch that are written one after the other. */
const PARTS = 200

/**
 * A store is away for a while although records keep coming, and returns: all arrive, in order, and the agent's memory has not
 * grown by more than its limit. Returns what became of the records, and the memory.
 */
export async function outage({ double, output, how, seconds, batch }: OutageInit) {
  const dir = tmp()
  const path = join(dir, 'a.log')
  let written = 0
  const write = (count: number): void => {
    writeRecords(path, written, written + count)
    written += count
  }
  write(batch / 4)
  const agent = agentTo({ dir, output, service: { memory_limit: MEMORY_LIMIT, chunk_size: 1_000_000 } })
  const what = (): string => `${output.name} ${how}: ${agent.stderr.slice(-3000)}`
  const arrive = (): Promise<void> =>
    untilReaches(written, () => double.ledger.settled, { everyMs: 50, what })
  await arrive()
  const before = peakBytes(agent)
  if (how === 'down') await double.down()
  else double.plan.always(how)
  const { quarter, half } = await writeDuring({ seconds, batch, what, write, peak: () => peakBytes(agent) })
  await until(() => how === 'down' || (double.plan.injected[how] ?? 0) > 0, { what })
  const end = peakBytes(agent)
  expect(double.ledger.settled).toBeLessThan(written)
  if (how === 'down') await double.up()
  else double.plan.always()
  write(batch / 8)
  await arrive()
  const caughtUp = peakBytes(agent)
  expect(caughtUp - before).toBeLessThan(MAX_GROWTH)
  await agent.stop()
  expect(double.bad).toEqual([])
  const peaks: Peaks = { before, quarter, half, end, caughtUp }
  return { ...double.ledger.report(written), peaks }
}

interface Writing extends Pick<OutageInit, 'seconds' | 'batch'> {
  what: () => string
  write: (count: number) => void
  peak: () => number
}

/** Writes a batch, part by part, in as many seconds. */
async function writeDuring(writing: Writing): Promise<Pick<Peaks, 'quarter' | 'half'>> {
  const { seconds, batch, what, write, peak } = writing
  const beganMs = performance.now()
  const limitMs = seconds * 1000 + HANG_MS
  const peaks = { quarter: 0, half: 0 }
  for (let part = 1; part <= PARTS; part++) {
    write(batch / PARTS)
    const endMs = beganMs + (seconds * 1000 * part) / PARTS
    await until(() => performance.now() >= endMs, { limitMs, everyMs: 20, what })
    if (part === PARTS / 4) peaks.quarter = peak()
    if (part === PARTS / 2) peaks.half = peak()
  }
  return peaks
}
