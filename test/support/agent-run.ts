import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { runAgent } from '../../src/agent/agent.ts'
import type { Chunk } from '../../src/core/chunk.ts'
import { ShipperError } from '../../src/core/error.ts'
import type { BufferPlan, Plan } from '../../src/core/plan.ts'
import type { InputContext, Output, OutputContext } from '../../src/core/plugin.ts'
import { Lines, planOf } from './engine/plan.ts'
import { permanent } from './engine/queue-bench.ts'
import { tmp } from './tmp.ts'
import { HANG_MS, within } from './until.ts'

const OPTIONS = { version: '1.2.3', plugins: { inputs: [], filters: [], outputs: [] } }

/** An output that accepts chunks, never answers, or refuses; a flush without an answer ends with the abort, as required. */
export class Peer implements Output {
  readonly texts: string[] = []
  mode: 'takes' | 'silent' | 'refuses' = 'takes'
  flushing = 0
  closed = 0
  #signal: AbortSignal | undefined

  readonly create = (ctx: OutputContext): this => {
    this.#signal = ctx.signal
    return this
  }

  async flush(chunk: Chunk): Promise<void> {
    if (this.mode === 'refuses') throw permanent()
    this.flushing++
    if (this.mode === 'silent') await this.#silence()
    this.flushing--
    this.texts.push(chunk.entries().toString('latin1'))
  }

  async close(): Promise<void> {
    this.closed++
  }

  #silence(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = setInterval(() => {
        if (this.mode === 'silent' && !this.#signal?.aborted) return
        clearInterval(look)
        if (this.mode === 'silent') reject(new ShipperError('E_PEER_CLOSED', 'stopped', { retryable: true }))
        else resolve()
      }, 2)
    })
  }
}

export interface Run {
  status: Promise<number>
  logged(): string
  inputs: Lines[]
}

type Parts = Omit<Parameters<typeof planOf>[0], 'inputs'> & {
  inputs: ((ctx: InputContext) => Lines)[]
  /** Folder of the buffer of all inputs. */
  buffer?: string
  /** `storage.backlog.flush_on_shutdown`. */
  flushesAtStop?: boolean
}

/** Runs the agent in this process with its log in a file. */
export function runWith(parts: Parts): Run {
  const file = join(tmp(), 'agent.log')
  const inputs: Lines[] = []
  const plan = planOf({
    ...parts,
    inputs: parts.inputs.map((make, i) => ({
      name: `in.${i}`,
      create: (ctx) => {
        const input = make(ctx)
        inputs.push(input)
        return input
      },
    })),
    service: { log_file: file, flush: '0.05', ...parts.service },
  })
  if (parts.buffer !== undefined) plan.buffer = bufferIn(parts.buffer, plan, parts.flushesAtStop)
  const status = within(runAgent(plan, OPTIONS), HANG_MS, 'the end of the agent').then((ended) => {
    if (typeof ended === 'number') return ended
    throw ended.problems[0]
  })
  return { status, inputs, logged: () => readFileSync(file, 'utf8') }
}

function bufferIn(folder: string, { inputs }: Plan, flushesAtStop = false): BufferPlan {
  const names = inputs.map(({ name }) => name)
  const limits = new Map<string, number>()
  return {
    folder,
    inputs: names,
    memoryBytes: 1_000_000,
    maxChunks: 128,
    deletesDamaged: false,
    flushesAtStop,
    limits,
  }
}

export const lines =
  (texts: string[], finite = true) =>
  (ctx: InputContext) =>
    new Lines(
      ctx,
      texts.map((text) => ({ text })),
      finite,
    )

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

export const term = (): boolean => process.kill(process.pid, 'SIGTERM')
