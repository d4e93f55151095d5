import { builtin } from '../../../bench/parser-of.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Input } from '../../../src/core/plugin.ts'
import type { Clock } from '../../../src/core/services.ts'
import { matchTag } from '../../../src/core/tag.ts'
import type { Assembly } from '../../../src/engine/assembly.ts'
import type { InputStage } from '../../../src/engine/input-stage.ts'
import { atEnd } from '../tmp.ts'
import { until, within } from '../until.ts'
import { assemble } from './assembled.ts'
import type { AnyInputSpec } from './input-context.ts'
import { planOf } from './plan.ts'
import { Records } from './records.ts'

type Texts = Record<string, string>

export interface EngineRun {
  assembly: Assembly
  input: Input
  stage: InputStage
  /** First of `outputs`. */
  output: Records
  outputs: Records[]
  logged: string[]
  /** The fields of these lines. */
  fields: (Record<string, unknown> | undefined)[]
  /** Port that it listens on; 0 for a Unix socket. */
  port: number
  counter(name: string, reason?: string): number
  /** First half of a stop: reading ends. */
  stopReading(): Promise<void>
  /** Second half of a stop: flushes are aborted, what has not settled is abandoned, connections are closed. */
  close(): Promise<void>
}

export interface ListeningOptions {
  service?: Texts
  /** Options that every input has. */
  common?: Texts
  /** Number of outputs, each of which gets all records; default 1. */
  outputs?: number
  outputCommon?: Texts
  clock?: Clock
  tag?: string
  isBuffered?: boolean
  /** Pattern of tags that a filter takes for the identity of a source. */
  identityTags?: string
}

/** Runs an input that listens, on loopback, with the real engine, in this process. Its parsers are the built-in ones. */
export async function runListening(
  spec: AnyInputSpec,
  options: Record<string, string | string[]>,
  more: ListeningOptions,
): Promise<EngineRun> {
  const outputs = Array.from({ length: more.outputs ?? 1 }, () => new Records())
  const plan = planOf({
    inputs: [
      {
        name: `${spec.name}.0`,
        create: (ctx) =>
          spec.create(parseOptions(spec.options, { port: '0', ...options }) as never, {
            ...ctx,
            ...(more.tag === undefined ? {} : { tag: more.tag }),
            ...(more.isBuffered === undefined ? {} : { isBuffered: more.isBuffered }),
            parser: (name) => builtin(name, { time_keep: 'on' }),
            isIdentity: (tag) => more.identityTags !== undefined && matchTag(more.identityTags, tag),
          }),
        common: more.common ?? {},
        counters: spec.counters ?? {},
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
  const [output] = outputs
  if (running === undefined || output === undefined) throw new Error('there is no input or no output')
  const { input, stage, counters } = running
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
      await within(assembly.closeInputs(), 120_000, 'the input to close')
    })()
    return closed
  }
  atEnd(close)
  const port = Number(PORT.exec(line() ?? '')?.[1] ?? 0)
  const counter = (name: string, reason?: string): number => counters.get(name, reason)
  const { lines, fields } = logged
  return { assembly, input, stage, output, outputs, logged: lines, fields, port, counter, stopReading, close }
}

const PORT = /:(\d+)(?:,|$| )/
