import type { Trace, TrialRecord } from './trace.ts'

/** What is left of a sample after the filters, in order, and the outputs that got records. */
export interface TrialOutcome {
  records: TrialRecord[]
  outputs: string[]
  /** What outputs would do with a record that they do not take, by their names. */
  refusals: ReadonlyMap<string, string>
}

/** Returns the outcome of a trial. Filters that belong to an output come after it. */
export function outcomeOf(traces: readonly Trace[]): TrialOutcome {
  const outputs = new Set<string>()
  const refusals = new Map<string, string>()
  const records = traces.flatMap(({ record, steps }) => {
    for (const { stage, effect, records, note = '' } of steps) {
      if (effect === 'output' && records.length > 0) outputs.add(stage)
      if (effect === 'refused') refusals.set(stage, note)
    }
    const last = steps.findLast(
      ({ effect, ofOutput }) => effect !== 'output' && effect !== 'refused' && ofOutput === undefined,
    )
    return last === undefined ? [record] : last.records
  })
  return { records, outputs: [...outputs], refusals }
}
