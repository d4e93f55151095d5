import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { decode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Input, InputContext, InputSpec } from '../../../src/core/plugin.ts'
import { EventTime } from '../../../src/lib/records/event-time.ts'
import { atEnd } from '../tmp.ts'
import { within } from '../until.ts'
import { type Bench, bench } from './appender-bench.ts'
import { listLog, turn } from './chunks.ts'

export interface MadeRecord {
  /** `seconds.nanoseconds` */
  time: string
  record: Record<string, unknown>
}

/** A spec with any options. */
type AnySpec = Omit<InputSpec, 'create'> & { create(options: never, ctx: InputContext): Input }

/** Runs an input on its own, with a manual clock and the real appender and budget. */
export class InputRun {
  readonly bench: Bench
  readonly input: Input
  readonly log: string[]
  finished = false
  readonly #stop = new AbortController()
  readonly #run: Promise<void>

  constructor(spec: AnySpec, texts: Record<string, string>, limit = 10_000_000) {
    this.bench = bench({ limit, flushMs: 1e9 })
    const { appender, account, clock } = this.bench
    const { lines, log } = listLog()
    this.log = lines
    const ctx = {
      name: 'in.0',
      tag: 't',
      flushMs: 1e9,
      clock,
      log,
      buffers: account,
      appender: () => appender,
      sealAll: () => appender.seal(),
      waitForMemory: (signal: AbortSignal) => account.waitForMemory(signal),
      finished: () => {
        this.finished = true
      },
    }
    const options = parseOptions(spec.options, texts)
    this.input = spec.create(options as never, ctx as unknown as InputContext)
    this.#run = this.input.run(this.#stop.signal)
  }

  /** Advances the clock in steps and lets promises run after each. */
  async pass(ms: number, stepMs = 10): Promise<void> {
    for (let done = 0; done < ms; done += stepMs) {
      this.bench.clock.advance(stepMs)
      await turn()
    }
  }

  /** Returns the records made so far and acknowledges their chunks, as a peer would. */
  takeRecords(): MadeRecord[] {
    this.bench.appender.seal()
    return this.bench.sealed.splice(0).flatMap(({ chunk, ack }) => {
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

  /** Stops the input, which must end at once: without waiting for a timer. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await within(this.#run, 120_000, 'the input to end after its signal')
    this.bench.appender.abandon()
    await this.input.close()
  }
}

/** Returns the records that an input makes within `ms`; throws when its stop leaves a timer. */
export async function recordsWithin(
  spec: AnySpec,
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
