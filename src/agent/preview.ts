import { messageOf } from '../core/error.ts'
import type { InputPlan, Plan } from '../core/plan.ts'
import type { InputPreview } from '../core/plugin.ts'
import type { Logger } from '../core/services.ts'
import { systemClock } from '../engine/clock.ts'
import { CounterMap } from '../engine/counters.ts'
import { openCopy } from '../store/open-copy.ts'

/** An input with what it would read; `failure` says why that is not known. */
export interface PreviewedInput {
  input: InputPlan
  preview: InputPreview | undefined
  failure?: string
  /** Warnings of the input about what it found. */
  warnings: string[]
}

/** Finds out what the inputs of a plan would read if they started now; nothing is started or written. */
export async function previewInputs({ inputs }: Plan, maxSources: number): Promise<PreviewedInput[]> {
  const previews: PreviewedInput[] = []
  // One after the other: two inputs may share a database.
  for (const input of inputs) previews.push(await previewInput(input, maxSources))
  return previews
}

async function previewInput(input: InputPlan, maxSources: number): Promise<PreviewedInput> {
  const warnings: string[] = []
  const warn = (message: string): void => void warnings.push(message)
  const log: Logger = { error: warn, warn, info() {}, debug() {} }
  const { spec, options, name, tag, common } = input
  try {
    const preview = await spec.preview?.(options as never, {
      name,
      log,
      counters: new CounterMap(spec.counters),
      clock: systemClock,
      tag,
      configuredTag: common.tag,
      maxSources,
      openOffsets: (path, database) => openCopy(path, database, { log }),
    })
    return { input, preview, warnings }
  } catch (error) {
    return { input, preview: undefined, failure: messageOf(error), warnings }
  }
}
