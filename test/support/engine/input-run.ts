import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { decode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Input, InputContext } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { EventTime } from '../../../src/lib/records/event-time.ts'
import { atEnd } from '../tmp.ts'
import { within } from '../until.ts'
import { type Bench, bench } from './appender-bench.ts'
import { listLog, turn } from './chunks.ts'
import { type AnyInputSpec, inputContext } from './input-context.ts'

export interface MadeRecord {
  /** `seconds.nanoseconds` */
  time: string
  record: Record<string, unknown>
}

/** Runs an input on its own, with a manual clock and the real appender and budget. */
export class InputRun {
  readonly bench: Bench
  readonly input: Input
  readonly log: string[]
  readonly #fields: readonly (Record<string, unknown> | undefined)[]
  readonly counters: CounterMap
  finished = false
  /** Exit status with which the input has finished. */
  status: number | undefined
  readonly #stop = new AbortController()
  readonly #run: Promise<void>

  /** `services`: what the engine offers besides, or instead. */
  constructor(
    spec: AnyInputSpec,
    texts: Record<string, string>,
    limit = 10_000_000,
    services: Partial<InputContext> = {},
  ) {
    this.bench = bench({ limit, flushMs: 1e9 })
    const { appender, account, clock } = this.bench
    const { lines, fields, log } = listLog()
    this.log = lines
    this.#fields = fields
    this.counters = new CounterMap(spec.counters)
    const ctx = inputContext({
      clock,
      log,
      counters: this.counters,
      buffers: account,
      appender: () => appender,
      sealAll: () => appender.seal(),
      waitForMemory: (signal: AbortSignal) => account.waitForMemory(signal),
      finished: (_incomplete?: string, status = 0) => {
        this.finished = true
        this.status = status
      },
      ...services,
    })
    const options = parseOptions(spec.options, texts)
    this.input = spec.create(options as never, ctx)
    this.#run = this.input.run(this.#stop.signal)
    // Its error is that of `end`.
    this.#run.catch(() => {})
  }

  /** The hints of the lines of the log that have one. */
  get hints(): string[] {
    return this.#fields.flatMap((fields) => (typeof fields?.hint === 'string' ? [fields.hint] : []))
  }

  /** Advances the clock in steps and lets promises run after each. */
  async pass(ms: number, stepMs = 10): Promise<void> {
    for (let done = 0; done < ms; done += stepMs) {
      this.bench.clock.advance(stepMs)
      await turn()
    }
  }

  /** Returns the records made so far and acknowledges their chunks, as a peer would; the last one first when `isReversed`. */
  takeRecords(isReversed = false): MadeRecord[] {
    this.bench.appender.seal()
    const sealed = this.bench.sealed.splice(0)
    if (isReversed) sealed.reverse()
    return sealed.flatMap(({ chunk, ack }) => {
      const records: MadeRecord[] = []
      const time = new EventTime()
      const { buf, start, end } = chunk
      for (let at = start; at < end; at = skip(buf, at, end)) {
        time.read(buf, at)
        const record = decode(
          buf.subarray(skip(buf, at + 1, end), skip(buf, at, end)),
        ) as MadeRecord['record']
        records.push({ time: time.seconds(), record })
      }
      chunk.release()
      ack('delivered')
      return records
    })
  }

  /** Gives the signal to stop, and waits until the input has ended: it may still make records of what it has. */
  async end(): Promise<void> {
    this.#stop.abort()
    await within(this.#run, 120_000, 'the input to end after its signal')
  }

  /** Stops the input, which must end at once: without waiting for a timer. */
  async stop(): Promise<void> {
    await this.end()
    this.bench.appender.abandon()
    await this.input.close()
  }
}

/** Returns the records that an input makes within `ms`; throws when its stop leaves a timer. */
export async function recordsWithin(
  spec: AnyInputSpec,
  texts: Record<string, string>,
  ms = 1000,
): Promise<MadeRecord[]> {
  const run = new InputRun(spec, texts)
  await run.pass(ms, 100)
  const records = run.takeRecords()
  await run.stop()
  if (run.bench.clock.waiting > 0) throw new Error('a timer is left after the stop')
  return records
}

/** Starts a child process that sleeps; `end` kills it. */
export async function sleeper(): Promise<{ pid: string; end(): Promise<void> }> {
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  atEnd(end)
  return { pid: String(child.pid), end }
}
