import type { OutputSpec } from '../../../src/core/plugin.ts'
import { spec } from '../../../src/plugins/outputs/cloudwatch-logs.ts'
import { CloudwatchApi, type CloudwatchEvent } from '../doubles/cloudwatch.ts'
import { type DoubleInit, StoreDouble } from '../doubles/store-double.ts'
import { ManualClock } from '../engine/manual-clock.ts'
import type { OutputBench } from '../http-output/output-bench.ts'
import { until } from '../until.ts'
import { benchOf } from './kinesis-run.ts'

/** Time of the clock of a bench at its start, which the double has, too. */
export const NOW_MS = new ManualClock().nowMs()

/** The output behind the queue of the engine, and the double that it sends to. */
export interface CloudwatchRun {
  double: StoreDouble<CloudwatchApi>
  bench: OutputBench
  /** Sends a chunk of records; their times: `timeOf`, or one millisecond apart. */
  push(records: object[], tag?: string, timeOf?: (index: number) => number): void
  /** Waits until everything has a fate, while the time of the engine goes on. */
  drained(): Promise<void>
  /** The operations so far, without repetitions of one after the other. */
  operations(): string[]
  events(name?: string): CloudwatchEvent[]
}

export const NAMES = { log_group_name: 'g', log_stream_name: 's' }

/** `existing`: the group is there. */
export async function startCloudwatch(
  texts: Record<string, string> = {},
  init: DoubleInit = {},
  { existing = true, api = new CloudwatchApi(), plugin = spec as unknown as OutputSpec } = {},
): Promise<CloudwatchRun> {
  if (existing) api.groups.set('g', {})
  const double = await StoreDouble.start(api, { skewMs: NOW_MS - Date.now(), ...init })
  const names = 'log_stream_prefix' in texts ? { log_group_name: 'g' } : NAMES
  const options = { region: 'eu-west-1', endpoint: double.url, ...names, ...texts }
  const bench = benchOf(plugin, options)
  await bench.output.start?.()
  return {
    double,
    bench,
    push: (records, tag = 'app', timeOf = (i) => NOW_MS + i) => void bench.push(records, tag, timeOf),
    drained: async () => {
      const isEmpty = (): boolean => {
        if (!bench.queue.empty) bench.clock.advance(1000)
        return bench.queue.empty
      }
      await until(isEmpty, { what: () => JSON.stringify(bench.logged.lines.slice(-3)) })
    },
    operations: () => {
      const all = double.requests.map(({ header }) => (header('x-amz-target') ?? '').split('.')[1] ?? '')
      return all.filter((operation, i) => operation !== all[i - 1])
    },
    events: (name = 'g s') => api.streams.get(name) ?? [],
  }
}
