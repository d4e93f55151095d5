import { connect, type Socket } from 'node:net'
import { decodeMulti, decodeMultiStream } from '@msgpack/msgpack'
import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Input, Output, OutputContext } from '../../../src/core/plugin.ts'
import type { Clock } from '../../../src/core/services.ts'
import { matchTag } from '../../../src/core/tag.ts'
import type { Assembly } from '../../../src/engine/assembly.ts'
import { spec } from '../../../src/plugins/inputs/forward/index.ts'
import { assemble } from '../engine/assembled.ts'
import { planOf } from '../engine/plan.ts'
import { atEnd } from '../tmp.ts'
import { until, within } from '../until.ts'

type Texts = Record<string, string>

/** An output that keeps its records; while `blocked`, flushes wait, and fail at the end of the run. */
export class Records implements Output {
  readonly records: { tag: string; time: unknown; record: unknown }[] = []
  readonly chunks: { tag: string; id: string; bytes: Buffer }[] = []
  blocked = false
  /** Chunks of these tags are refused, as by a destination that does not take them. */
  refused: RegExp | undefined
  /** Error of every flush. */
  failure: Error | undefined
  #waiting: (() => void)[] = []
  #signal: AbortSignal | undefined

  readonly create = (ctx: OutputContext): this => {
    this.#signal = ctx.signal
    return this
  }

  async flush(chunk: Chunk): Promise<void> {
    if (this.refused?.test(chunk.tag))
      throw new ShipperError('E_OUTPUT_WRITE', `cannot write ${chunk.tag}`, { retryable: true })
    if (this.failure !== undefined) throw this.failure
    if (this.blocked) {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve)
        this.#signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
      })
    }
    const bytes = Buffer.from(chunk.entries())
    this.chunks.push({ tag: chunk.tag, id: chunk.id, bytes })
    for (const entry of decodeMulti(bytes)) {
      const [time, record] = entry as [unknown, unknown]
      this.records.push({ tag: chunk.tag, time, record })
    }
  }

  get waiting(): number {
    return this.#waiting.length
  }

  open(): void {
    this.blocked = false
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  async close(): Promise<void> {}
}

export interface ForwardRun {
  assembly: Assembly
  input: Input
  outputs: Records[]
  logged: string[]
  /** Port of a TCP listener. */
  port: number
  counter(name: string): number
  /** First half of a stop: reading ends. */
  stopReading(): Promise<void>
  /** Second half of a stop: flushes are aborted, unsettled messages are abandoned, connections are closed. */
  close(): Promise<void>
}

/** Runs the input with the real engine, in this process. */
export async function forwardIn(
  options: Texts = {},
  more: {
    service?: Texts
    common?: Texts
    outputs?: number
    outputCommon?: Texts
    clock?: Clock
    /** Pattern of tags that a filter takes for the identity of a source. */
    identityTags?: string
  } = {},
): Promise<ForwardRun> {
  const outputs = Array.from({ length: more.outputs ?? 1 }, () => new Records())
  const plan = planOf({
    inputs: [
      {
        name: 'forward.0',
        create: (ctx) =>
          spec.create(parseOptions(spec.options, { port: '0', ...options }), {
            ...ctx,
            isIdentity: (tag) => more.identityTags !== undefined && matchTag(more.identityTags, tag),
          }),
        common: more.common ?? {},
      },
    ],
    outputs: outputs.map((output, i) => ({
      name: `records.${i}`,
      create: output.create,
      common: more.outputCommon ?? {},
    })),
    // No test may depend on Flush.
    service: { flush: '1000', ...more.service },
  })
  const { assembly, logged, stop } = assemble(plan, more.clock)
  await assembly.start()
  const [running] = assembly.inputs
  if (running === undefined) throw new Error('there is no input')
  const { input, counters } = running
  const ended = new AbortController()
  const run = input.run(ended.signal)
  const failed = run.then(() => undefined)
  failed.catch(() => {})
  const line = () => logged.lines.find((text) => text.includes('listening on'))
  await Promise.race([until(line, { what: 'the listener' }), failed])
  const stopReading = async (): Promise<void> => {
    ended.abort()
    await within(run, 120_000, 'the input to stop')
  }
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= (async () => {
      await stopReading()
      stop.abort()
      assembly.stop()
      await within(assembly.closeInputs(), 20_000, 'the input to close')
    })()
    return closed
  }
  atEnd(close)
  const port = Number(PORT.exec(line() ?? '')?.[1] ?? 0)
  const counter = (name: string): number => counters.get(name)
  return { assembly, input, outputs, logged: logged.lines, port, counter, stopReading, close }
}

const PORT = /:(\d+)$/

/** A peer on a plain socket: the test decides what it sends; it keeps the acknowledgements that it receives. */
export class Client {
  readonly acks: unknown[] = []
  ended = false
  closed = false
  readonly socket: Socket

  constructor(at: number | string) {
    this.socket =
      typeof at === 'number' ? connect({ port: at, host: '127.0.0.1', allowHalfOpen: true }) : connect(at)
    this.socket.on('error', () => {})
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    void this.#read()
    atEnd(() => void this.socket.destroy())
  }

  send(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts))
  }

  async #read(): Promise<void> {
    try {
      for await (const map of decodeMultiStream(this.socket)) this.acks.push((map as { ack: unknown }).ack)
    } catch {
      // The connection was cut: the bytes before that count.
    }
  }
}
