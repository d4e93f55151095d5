import type { Lane } from './lane.ts'

/**
 * The lanes of one output that may send. Turns alternate between failing lanes and the others, so that the others do not wait
 * for all failing ones, however many these are. Within each they go round the inputs, and round the lanes of each: an
 * input that makes a tag of every file or message takes the turns of its own lanes only.
 */
export class LaneTurns {
  readonly #others = new Turns()
  readonly #failing = new Turns()
  #wasFailing = false

  /** Adds a lane behind those of its input, unless it has a turn already. */
  add(lane: Lane): void {
    if (lane.failing) this.#failing.add(lane)
    else this.#others.add(lane)
  }

  /** Takes the next lane out; undefined when there is none. It may have become unable to send. */
  take(): Lane | undefined {
    const failing = this.#wasFailing ? undefined : this.#failing.take()
    this.#wasFailing = failing !== undefined
    return failing ?? this.#others.take() ?? this.#failing.take()
  }

  clear(): void {
    this.#others.clear()
    this.#failing.clear()
  }
}

class Turns {
  /** Lanes by input, the next turn first. No entry is empty. */
  readonly #inputs = new Map<string, Set<Lane>>()

  add(lane: Lane): void {
    const lanes = this.#inputs.get(lane.input)
    if (lanes === undefined) this.#inputs.set(lane.input, new Set([lane]))
    else lanes.add(lane)
  }

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
