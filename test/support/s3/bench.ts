import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Chunk } from '../../../src/core/chunk.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Ack, LateDelivery, Outcome, Output, OutputContext } from '../../../src/core/plugin.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { spec } from '../../../src/plugins/outputs/s3/index.ts'
import { S3Api } from '../doubles/s3.ts'
import { type DoubleInit, StoreDouble } from '../doubles/store-double.ts'
import { chunkOf } from '../engine/chunk-of.ts'
import { listLog } from '../engine/chunks.ts'
import { outputContext } from '../engine/output-context.ts'
import { atEnd, tmp } from '../tmp.ts'

/** Waits between attempts are shorter by this factor. */
const SPEED = 20

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'a-secret' }

/** Sets the credentials until the end of the test. */
function setKeys(): void {
  for (const [name, value] of Object.entries(KEYS)) {
    const before = process.env[name]
    process.env[name] = value
    atEnd(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

export interface Bench {
  store: StoreDouble<S3Api>
  output: Output
  outcomes: Outcome[]
  failures: string[]
  hints: string[]
  rejected: number
  lines: string[]
  ends: number[]
  /** Called after each outcome, as the engine flushes the next chunk then. */
  settled: () => void
  close(): Promise<void>
  send(from: number, count: number, tag?: string): Promise<void>
}

/** Returns the only folder of state in `parent`. */
export function folderIn(parent: string): string {
  const folders = readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  if (folders.length !== 1) throw new Error(`${folders.length} folders`)
  return join(parent, (folders[0] as Dirent).name)
}

/** Where the output keeps its state. */
interface Place {
  name?: string
  stateFolder?: string
  takeLock?: OutputContext['takeLock']
  /** The store of an earlier output. */
  store?: StoreDouble<S3Api>
}

/** Returns an output with a store of its own, and what it has reported. */
export async function bench(
  texts: Record<string, string> = {},
  init: DoubleInit = {},
  by?: ReturnType<LateDelivery['readAgainBy']>,
  memoryBytes = 50_000_000,
  { name = 's3.0', stateFolder = tmp(), takeLock, store: known }: Place = {},
): Promise<Bench> {
  setKeys()
  const store = known ?? (await StoreDouble.start(new S3Api(), init))
  const outcomes: Outcome[] = []
  const logged = listLog()
  const controller = new AbortController()
  const b: Pick<Bench, 'failures' | 'hints' | 'rejected' | 'ends' | 'settled'> = {
    failures: [],
    hints: [],
    rejected: 0,
    ends: [],
    settled: () => {},
  }
  const ctx = outputContext({
    signal: controller.signal,
    clock: { ...systemClock, after: (ms, fn) => systemClock.after(ms / SPEED, fn) },
    log: logged.log,
    ...{ name, stateFolder, ...(takeLock && { takeLock }) },
    reject: () => {
      b.rejected++
    },
    late: {
      memoryBytes,
      takeOver: (): Ack => (outcome) => {
        outcomes.push(outcome)
        b.settled()
      },
      readAgainBy: () => by,
      settling: () => () => true,
      peerFailed: ({ message, hint }) => {
        b.failures.push(message)
        b.hints.push(hint)
      },
      endRun: (status) => void b.ends.push(status),
    },
  })
  const all = { bucket: 'b', endpoint: store.url, upload_timeout: '1', json_date_key: 'off', ...texts }
  const output = spec.create(parseOptions(spec.options, all) as never, ctx)
  await output.start?.()
  const close = async (): Promise<void> => {
    controller.abort()
    await output.close()
  }
  atEnd(close)
  const flush = async (chunk: Chunk): Promise<void> => {
    for (;;) {
      const error = await output.flush(chunk).then(
        () => undefined,
        (thrown) => thrown,
      )
      if (error === undefined) return
      if (error.retryable !== true) throw error
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const send = async (from: number, count: number, tag = 't'): Promise<void> => {
    const pad = 'x'.repeat(1000)
    const records = Array.from({ length: count }, (_, i) => ({ n: from + i, pad }))
    await flush(chunkOf(records, tag))
  }
  return Object.assign(b, { store, output, outcomes, lines: logged.lines, send, close })
}
