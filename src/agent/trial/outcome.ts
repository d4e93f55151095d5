import type { Trace, TrialRecord, TrialStep } from './trace.ts'

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
    return recordsLeft(record, steps)
  })
  return { records, outputs: [...outputs], refusals }
}

/** Returns what filters have left of a record: under its own tag, then under each tag that a filter has given to a copy. */
function recordsLeft(record: TrialRecord, steps: readonly TrialStep[]): TrialRecord[] {
  const byWay = new Map<string | undefined, readonly TrialRecord[]>([[undefined, [record]]])
  for (const { effect, ofOutput, records, way, newWay } of steps) {
    if (effect === 'output' || effect === 'refused' || ofOutput !== undefined) continue
    // A record that is kept as well has a further step there.
    byWay.set(way, newWay === undefined ? records : [])
    if (newWay !== undefined) byWay.set(newWay, records)
  }
  return [...byWay.values()].flat()
}
