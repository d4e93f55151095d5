import type { Lane } from './lane.ts'

/**
 * The lanes of one output that may send. Turns go round the inputs, and round the lanes of each: an input that makes a tag of
 * every file or message takes the turns of its own lanes only.
 */
export class LaneTurns {
  /** Lanes by input, the next turn first. No entry is empty. */
  readonly #inputs = new Map<string, Set<Lane>>()

  /** Adds a lane behind those of its input, unless it has a turn already. */
  add(lane: Lane): void {
    const lanes = this.#inputs.get(lane.input)
    if (lanes === undefined) this.#inputs.set(lane.input, new Set([lane]))
    else lanes.add(lane)
  }

  /** Takes the next lane out; undefined when there is none. */
  take(): Lane | undefined {
    for (const [input, lanes] of this.#inputs) {
      this.#inputs.delete(input)
      for (const lane of lanes) {
        lanes.delete(lane)
        if (lanes.size > 0) this.#inputs.set(input, lanes)
        return lane
      }
    }
    return undefined
  }

  clear(): void {
    this.#inputs.clear()
  }
}
