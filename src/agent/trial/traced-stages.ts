import type { Chunk, Origin } from '../../core/chunk.ts'
import type { FilterPlan, OrderedRouting, OutputPlan, Plan, ProcessorPlan } from '../../core/plan.ts'
import type { Deferral, Filter, FilterContext, FilterSpec, Output, OutputSpec } from '../../core/plugin.ts'
import { recordsOf, type Tracer, type TrialRecord, type TrialStep, wayOf } from './trace.ts'

/** What filters are given instead of what they would ask other machines for, by the name of the plugin. */
export type Given = Readonly<Record<string, Record<string, unknown>>>

/**
 * Returns the plan with its filters and outputs replaced by ones that record what passes: filters do what they do, an output
 * only takes note. A stage that is in several places of the plan is replaced by one.
 */
export function tracedPlan(plan: Plan, tracer: Tracer, given: Given): Plan {
  const filters = new Map<FilterPlan, FilterPlan>()
  const outputs = new Map<OutputPlan, OutputPlan>()
  const filter = <F extends FilterPlan>(stage: F, ofOutput?: string): F => {
    const known = filters.get(stage)
    if (known !== undefined) return known as F
    const place = { stage: stage.name, ...(ofOutput === undefined ? {} : { ofOutput }) }
    const traced = { ...stage, spec: tracedFilter(stage.spec, place, tracer, given) }
    filters.set(stage, traced)
    return traced
  }
  const processors = (stages: readonly ProcessorPlan[] | undefined, ofOutput?: string) =>
    stages === undefined ? {} : { processors: stages.map((one) => filter(one, ofOutput)) }
  const output = (stage: OutputPlan): OutputPlan => {
    const known = outputs.get(stage)
    if (known !== undefined) return known
    const traced = {
      ...stage,
      spec: recordingOutput(stage, tracer),
      ...processors(stage.processors, stage.name),
    }
    outputs.set(stage, traced)
    return traced
  }
  return {
    ...plan,
    inputs: plan.inputs.map((input) => ({ ...input, ...processors(input.processors) })),
    filters: plan.filters.map((one) => filter(one)),
    outputs: plan.outputs.map(output),
    ...(plan.routing === undefined ? {} : { routing: tracedRouting(plan.routing, filter, output) }),
  }
}

function tracedRouting(
  { labels }: OrderedRouting,
  filter: (stage: FilterPlan) => FilterPlan,
  output: (stage: OutputPlan) => OutputPlan,
): OrderedRouting {
  return {
    labels: new Map(
      [...labels].map(([label, steps]) => [
        label,
        steps.map((step) => ({
          ...step,
          ...(step.filter === undefined ? {} : { filter: filter(step.filter) }),
          ...(step.targets === undefined
            ? {}
            : {
                targets: step.targets.map((target) =>
                  'output' in target ? { ...target, output: output(target.output) } : target,
                ),
              }),
        })),
      ]),
    ),
  }
}

/** Name of a stage, and of the output that it belongs to. */
type Place = Pick<TrialStep, 'stage' | 'ofOutput'>

function tracedFilter(spec: FilterSpec, place: Place, tracer: Tracer, given: Given): FilterSpec {
  return {
    ...spec,
    create(options, ctx) {
      const asked = spec.trial?.asks(options)
      const instead = given[spec.name]
      const isTrial = spec.trial !== undefined && (asked !== undefined || instead !== undefined)
      let traced: TracedFilter | undefined
      const emit: FilterContext['emit'] = (records, buffers, ack, label) => {
        const { buf, start, end, tag } = records
        const emitted = recordsOf({ buf, start, end, id: '' } as Chunk)
        const origin =
          (label === undefined ? undefined : traced?.diverted(emitted, label)) ??
          (emitted[0] === undefined ? undefined : tracer.begin(place.stage, tag, emitted[0], label ?? true))
        ctx.emit(origin === undefined ? records : { ...records, origins: [origin] }, buffers, ack, label)
      }
      const reject: FilterContext['reject'] = (chunk, start, end, reason) => {
        traced?.gaveUp(reason.message)
        ctx.reject(chunk, start, end, reason)
      }
      const reroute: FilterContext['reroute'] = (records, buffers, ack, label) => {
        const { buf, start, end, tag } = records
        const moved = recordsOf({ buf, start, end, id: '' } as Chunk)
        const to = label === undefined ? `tag ${tag}` : `tag ${tag}, ${label}`
        const newWay = wayOf([...(records.rewrites ?? []), place.stage])
        const origin = traced?.diverted(moved, to, newWay)
        ctx.reroute(origin === undefined ? records : { ...records, origins: [origin] }, buffers, ack, label)
      }
      const filterCtx = { ...ctx, emit, reject, reroute }
      const filter = isTrial
        ? (spec.trial as NonNullable<FilterSpec['trial']>).create(options, filterCtx, instead)
        : spec.create(options, filterCtx)
      const note =
        instead !== undefined ? `${asked ?? spec.name} given` : isTrial ? `without ${asked}` : undefined
      traced = new TracedFilter(filter, place, tracer, note)
      return traced
    },
  }
}

/** A chunk that a filter is changing. */
interface CurrentChunk {
  chunk: Chunk
  before: readonly TrialRecord[]
  /** True when its records went to a label. */
  isDiverted: boolean
  /** Why the filter has given a record of it up. */
  failure: string | undefined
}

class TracedFilter implements Filter {
  readonly #filter: Filter
  readonly #place: Place
  readonly #tracer: Tracer
  readonly #note: Pick<TrialStep, 'note'>
  #current: CurrentChunk | undefined

  constructor(filter: Filter, place: Place, tracer: Tracer, note: string | undefined) {
    this.#filter = filter
    this.#place = place
    this.#tracer = tracer
    this.#note = note === undefined ? {} : { note }
  }

  async start(): Promise<void> {
    await this.#filter.start?.()
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    const before = recordsOf(chunk)
    const current: CurrentChunk = { chunk, before, isDiverted: false, failure: undefined }
    this.#current = current
    let isHeld = false
    try {
      this.#filter.apply(chunk, {
        buffers: deferral.buffers,
        defer: () => {
          isHeld = true
          return deferral.defer()
        },
        onSettled: (ack) => deferral.onSettled(ack),
      })
    } finally {
      this.#current = undefined
    }
    const records = recordsOf(chunk)
    // A record of which a copy was sent on goes on as it was.
    if (current.isDiverted && records.length === 0) return
    if (current.failure !== undefined) {
      this.#tracer.add(chunk, { ...this.#place, effect: 'failed', records, note: current.failure })
      return
    }
    const isSame = JSON.stringify(records) === JSON.stringify(before)
    const effect = records.length === 0 ? (isHeld ? 'held' : 'dropped') : isSame ? 'unchanged' : 'changed'
    this.#tracer.add(chunk, { ...this.#place, effect, records, ...this.#note })
  }

  /**
   * Adds to the trace of the current chunk that its records went to a label, and returns the origin by which what follows
   * belongs to that trace. Returns undefined when other records are sent, such as those that the filter has held.
   */
  diverted(records: TrialRecord[], label: string, newWay?: string): Origin | undefined {
    const current = this.#current
    if (current === undefined || JSON.stringify(records) !== JSON.stringify(current.before)) return undefined
    current.isDiverted = true
    const way = newWay === undefined ? {} : { newWay }
    this.#tracer.add(current.chunk, { ...this.#place, effect: 'sent', records, note: label, ...way })
    return this.#tracer.originOf(current.chunk)
  }

  /** Notes that the filter gives up a record of the current chunk. */
  gaveUp(reason: string): void {
    if (this.#current !== undefined) this.#current.failure = reason
  }

  async close(): Promise<void> {
    await this.#filter.close?.()
  }
}

/** Returns a spec whose output takes note of what it gets, and sends it nowhere. */
function recordingOutput({ spec, name, options }: OutputPlan, tracer: Tracer): OutputSpec {
  const refusal = spec.refusal?.(options as never)
  return {
    ...spec,
    inFlight: 1,
    create: (): Output => ({
      flush(chunk) {
        const note = refusal?.(chunk)
        const records = recordsOf(chunk)
        if (note === undefined) tracer.add(chunk, { stage: name, effect: 'output', records })
        else tracer.add(chunk, { stage: name, effect: 'refused', records, note })
        return Promise.resolve()
      },
      close: () => Promise.resolve(),
    }),
  }
}
