import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../../../src/core/options/common.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { SERVICE_OPTIONS } from '../../../src/core/options/service.ts'
import type { FilterPlan, InputPlan, OutputPlan, Plan, ProcessorPlan } from '../../../src/core/plan.ts'
import {
  defineFilter,
  defineInput,
  defineOutput,
  type Filter,
  type FilterContext,
  type Input,
  type InputContext,
  type Output,
  type OutputContext,
} from '../../../src/core/plugin.ts'
import type { CounterTable } from '../../../src/core/services.ts'

const about = { summary: '', description: '', options: {}, example: '' }
const location = { file: 'test.conf' }
const optionLocations = new Map()

/** Options as a user writes them, by name in the tables. */
type Texts = Record<string, string>

type InputRoutes = Pick<InputPlan, 'processors' | 'routes' | 'label'>
type InputPart = {
  name: string
  create: (ctx: InputContext) => Input
  common?: Texts
  counters?: CounterTable
}
type FilterPart = { name: string; create: (ctx: FilterContext) => Filter; common?: Texts }

/** Returns the plan of a filter, or of a processor. */
export function filterPlanOf({ name, create, common = {} }: FilterPart): FilterPlan {
  const spec = defineFilter({ ...about, kind: 'filter', name: 'sift', create: (_, ctx) => create(ctx) })
  const matched = parseOptions(FILTER_OPTIONS, { match: '*', ...common })
  return { spec, name, options: {}, common: matched, location, optionLocations }
}

/** Builds a plan of a test's plugins: each stage consists of a `create` and common options. */
export function planOf(parts: {
  inputs: (InputRoutes & InputPart)[]
  outputs?: {
    name: string
    create: (ctx: OutputContext) => Output
    common?: Texts
    inFlight?: number
    processors?: ProcessorPlan[]
  }[]
  filters?: FilterPart[]
  parsers?: Plan['parsers']
  service?: Texts
  warnings?: string[]
}): Plan {
  return {
    service: parseOptions(SERVICE_OPTIONS, parts.service ?? {}),
    inputs: parts.inputs.map(({ name, create, common = {}, counters = {}, ...routes }): InputPlan => {
      const made = (_: unknown, ctx: InputContext): Input => create(ctx)
      const spec = defineInput({ ...about, kind: 'input', name: 'lines', counters, create: made })
      return {
        spec,
        name,
        tag: (common.tag as string | undefined) ?? name,
        options: {},
        common: parseOptions(INPUT_OPTIONS, common),
        location,
        optionLocations,
        ...routes,
      }
    }),
    filters: (parts.filters ?? []).map(filterPlanOf),
    outputs: (parts.outputs ?? []).map(({ name, create, common = {}, inFlight = 4, ...more }): OutputPlan => {
      const made = (_: unknown, ctx: OutputContext): Output => create(ctx)
      const spec = defineOutput({ ...about, kind: 'output', name: 'keep', inFlight, create: made })
      const matched = parseOptions(OUTPUT_OPTIONS, { match: '*', ...common })
      return { spec, name, options: {}, common: matched, location, optionLocations, ...more }
    }),
    multilines: [],
    parsers: parts.parsers ?? [],
    warnings: parts.warnings ?? [],
  }
}

type Line = { tag?: string; text: string }
export type Records = Iterable<Line> | AsyncIterable<Line>

/** An input that writes texts as records, each to the appender of its tag, and waits for memory like any input. */
export class Lines implements Input {
  readonly finite: boolean
  closed = 0
  written = 0
  running = false
  /** Argument for `finished`. */
  incomplete: string | undefined
  readonly #ctx: InputContext
  readonly #records: Records

  constructor(ctx: InputContext, records: Records, finite = true) {
    this.#ctx = ctx
    this.#records = records
    this.finite = finite
  }

  async run(signal: AbortSignal): Promise<void> {
    this.running = true
    for await (const { tag = this.#ctx.tag, text } of this.#records) {
      while (!signal.aborted && !this.#write(tag, text)) {
        this.#ctx.sealAll()
        await this.#ctx.waitForMemory(signal)
      }
      if (signal.aborted) break
      this.written++
    }
    if (this.finite) {
      this.#ctx.sealAll()
      this.#ctx.finished(this.incomplete)
    } else if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    }
    this.running = false
  }

  async close(): Promise<void> {
    this.closed++
  }

  #write(tag: string, text: string): boolean {
    const out = this.#ctx.appender(tag)
    if (!out.reserve(text.length)) return false
    out.end += out.buf.write(text, out.end, 'latin1')
    out.addRecords(1, text.length)
    return true
  }
}
