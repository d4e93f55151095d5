import type { InputPlan, OutputPlan, ProcessorPlan } from '../../core/plan.ts'
import type { Trace, TrialStep } from './trace.ts'

/** Adds a step for each processor that a record has not passed because it does not meet the condition. */
export function addUnmetConditions(
  traces: readonly Trace[],
  input: InputPlan | undefined,
  outputs: readonly OutputPlan[],
): void {
  for (const trace of traces) {
    // What a filter sends on begins after it, and not with the processors of the input.
    if (trace.sentOn === undefined) add(trace, input?.processors ?? [], 0, isOfInput)
    for (const { name, processors = [] } of outputs) {
      const isOwn = ({ stage, ofOutput }: TrialStep): boolean => ofOutput === name || stage === name
      const first = trace.steps.findIndex(isOwn)
      if (first >= 0) add(trace, processors, first, isOwn, name)
    }
  }
}

function isOfInput({ ofOutput }: TrialStep): boolean {
  return ofOutput === undefined
}

/** Adds the steps that are missing between those of `processors`; `first` is the place of the first. */
function add(
  { record, steps }: Trace,
  processors: readonly ProcessorPlan[],
  first: number,
  isOwn: (step: TrialStep) => boolean,
  ofOutput?: string,
): void {
  let at = first
  for (const { name: stage, condition } of processors) {
    const found = steps.findIndex((step, i) => i >= at && step.stage === stage && isOwn(step))
    if (found >= 0) {
      at = found + 1
      if (steps[found]?.records.length === 0) return
    } else if (condition === undefined) return
    else {
      const records = steps[at - 1]?.records ?? [record]
      steps.splice(at, 0, {
        stage,
        effect: 'skipped',
        records,
        ...(ofOutput === undefined ? {} : { ofOutput }),
      })
      at++
    }
  }
}
