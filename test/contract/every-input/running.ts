import { readdirSync, readlinkSync } from 'node:fs'
import type { OptionTable } from '../../../src/core/options/option.ts'
import type { InputSpec, Outcome } from '../../../src/core/plugin.ts'
import { registry } from '../../../src/registry.ts'
import { until } from '../../support/until.ts'
import { type AnySpec, InputBench } from './bench.ts'
import type { InputCase, Source, Texts } from './source.ts'

export const OUTCOMES: readonly Outcome[] = [
  'delivered',
  'stored',
  'filtered',
  'dead_letter',
  'dropped',
  'aborted',
]

/** Outcomes after which the source may forget the records. A sender keeps what was dropped: it has the only copy. */
export const SAFE: readonly Outcome[] = ['delivered', 'stored', 'filtered', 'dead_letter']

export async function specOf({ input }: InputCase): Promise<AnySpec> {
  return (await registry.find('input', input)) as InputSpec<OptionTable>
}

export interface Running {
  spec: AnySpec
  source: Source
  bench: InputBench
}

/** Runs the input with a source of its own. */
export async function started(inputCase: InputCase, texts?: Texts, limit?: number): Promise<Running> {
  const spec = await specOf(inputCase)
  const source = await inputCase.open(texts)
  return { spec, source, bench: await again(spec, source, limit) }
}

export async function again(spec: AnySpec, source: Source, limit?: number): Promise<InputBench> {
  const bench = new InputBench(spec, source, limit).start()
  await source.ready?.(bench)
  return bench
}

export function numbersOf({ bench, source }: Pick<Running, 'bench' | 'source'>): number[] {
  const numbers = bench.made.map(({ record }) => source.numberOf?.(record) ?? Number.NaN)
  return numbers.sort((a, b) => a - b)
}

/** Gives three records from each of these numbers on, each time in a chunk of its own. */
export async function inChunks({ bench, source }: Running, firsts: readonly number[]): Promise<void> {
  for (const n of firsts) {
    await source.give(n, n + 3, bench)
    await bench.has(n + 3)
  }
}

/** Waits until the record with this number was made. */
export async function includes(bench: InputBench, source: Source, number: number): Promise<void> {
  await bench.until(() => {
    bench.stage.sealAll()
    return numbersOf({ bench, source }).includes(number)
  }, `record ${number}`)
}

/** Settles chunks as they come until the condition is true. */
export async function settleUntil({ bench, source }: Running, condition: () => boolean): Promise<void> {
  await bench.until(() => {
    bench.stage.sealAll()
    bench.settleAll('delivered')
    source.resend?.()
    return condition()
  }, 'all records')
}

const HANDLE = /^(socket|pipe|anon_inode:\[?inotify)|shipper-/

/** Sockets, pipes, watches and files in temporary folders that this process has open; those of one name are numbered. */
export function handles(): string[] {
  const counts = new Map<string, number>()
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      if (!HANDLE.test(target)) return []
      const count = (counts.get(target) ?? 0) + 1
      counts.set(target, count)
      return [`${target} ${count}`]
    } catch {
      // The descriptor of the folder itself.
      return []
    }
  })
}

/** Waits until only these are open. */
export async function expectHandles(before: readonly string[]): Promise<void> {
  const more = (): string[] => handles().filter((handle) => !before.includes(handle))
  await until(() => more().length === 0, { what: () => `the end of ${more()}` })
}

/** Waits until the input has given all memory back: a read of a pipe that is pending keeps its buffer until it ends. */
export async function expectNoMemory({ account }: InputBench): Promise<void> {
  await until(() => account.used === 0, { what: () => `the end of ${account.used} bytes` })
}
