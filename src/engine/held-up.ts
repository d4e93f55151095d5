import type { Logger } from '../core/services.ts'
import type { OutputStage } from './path.ts'
import { isPaused, type RunningInput, type RunningOutput } from './stages.ts'

/** Reports that are remembered, so that each outage is reported once per output that waits. */
const MAX_REPORTED = 1000

/**
 * Says that an output that works gets nothing because of another one that is down: a line is read once and sent to both,
 * so reading stops when the memory limit is full of lines that one of them does not take.
 */
export class HeldUp {
  readonly #log: Logger
  readonly #outputsOf: (input: string, tag: string) => readonly OutputStage[]
  readonly #reported = new Set<string>()

  /** `outputsOf` returns the outputs of the chunks of an input with a tag. */
  constructor(log: Logger, outputsOf: (input: string, tag: string) => readonly OutputStage[]) {
    this.#log = log
    this.#outputsOf = outputsOf
  }

  /** Called when an input begins to wait for memory, and at each attempt and age of an outage. */
  check(inputs: readonly RunningInput[], outputs: readonly RunningOutput[]): void {
    for (const down of outputs) {
      if (down.queue.down === undefined) continue
      const paused = inputs.filter((input) => !input.stage.isBuffered && isPaused(input))
      if (paused.length === 0) return
      for (const other of outputs)
        if (other !== down && other.queue.down === undefined && this.#shareChunks(down, other, paused))
          this.#report(down, other, paused)
    }
  }

  #report(down: RunningOutput, other: RunningOutput, paused: RunningInput[]): void {
    const key = `${down.queue.down?.sinceMs}\0${down.name}\0${other.name}`
    if (this.#reported.has(key)) return
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear()
    this.#reported.add(key)
    const names = paused.map(({ name }) => name).join(', ')
    this.#log.warn(
      `${other.name} waits for ${down.name}: ${names} reads nothing more until ${down.name} takes what both get`,
      {
        hint: 'nothing is lost; to let it go on, keep what waits on disk (storage.type filesystem), or give each output an input of its own with its own DB: see docs/DELIVERY.md, "One output is down"',
      },
    )
  }

  /** Returns true when chunks that wait for the one output went to the other one too. */
  #shareChunks(down: RunningOutput, other: RunningOutput, paused: readonly RunningInput[]): boolean {
    for (const tag of down.queue.tags())
      for (const { name, stage } of paused)
        if (stage.hasTag(tag)) {
          const outputs = this.#outputsOf(name, tag)
          if ([down, other].every(({ queue }) => outputs.some((output) => output.queue === queue)))
            return true
        }
    return false
  }
}
