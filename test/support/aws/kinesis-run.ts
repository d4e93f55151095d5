import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputContext, OutputSpec } from '../../../src/core/plugin.ts'
import { KinesisApi, type Split } from '../doubles/kinesis.ts'
import { type DoubleInit, StoreDouble } from '../doubles/store-double.ts'
import { OutputBench } from '../http-output/output-bench.ts'
import { atEnd } from '../tmp.ts'
import { until } from '../until.ts'

/** An output to Kinesis or Firehose behind the queue of the engine, and the double that it sends to. */
export interface KinesisRun {
  double: StoreDouble<KinesisApi>
  bench: OutputBench
  /** Waits until everything has a fate, while the time of the engine goes on. */
  drained(): Promise<void>
}

export async function startKinesis(
  spec: OutputSpec,
  texts: Record<string, string>,
  init: DoubleInit = {},
  split?: Split,
): Promise<KinesisRun> {
  const double = await StoreDouble.start(new KinesisApi(split), init)
  const bench = benchOf(spec, { region: 'eu-west-1', endpoint: double.url, ...texts })
  await bench.output.start?.()
  return {
    double,
    bench,
    drained: async () => {
      const isEmpty = (): boolean => {
        if (!bench.queue.empty) bench.clock.advance(1000)
        return bench.queue.empty
      }
      await until(isEmpty, { what: () => JSON.stringify(bench.logged.lines.slice(-3)) })
    },
  }
}

export function benchOf(spec: OutputSpec, texts: Record<string, string>): OutputBench {
  const options = parseOptions(spec.options, texts)
  const bench = new OutputBench((ctx: OutputContext) => spec.create(options as never, ctx))
  atEnd(() => bench.output.close())
  return bench
}
