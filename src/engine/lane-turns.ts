import { Fifo } from './fifo.ts'
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
  /** Inputs with lanes that have a turn, the next one first. */
  readonly #turns = new Fifo<InputLanes>()
  /** Lanes of every input that has had some: there are as many as the configuration has inputs. */
  readonly #inputs = new Map<string, InputLanes>()

  add(lane: Lane): void {
    let lanes = this.#inputs.get(lane.input)
    if (lanes === undefined) {
      lanes = { order: new Fifo(), members: new Set() }
      this.#inputs.set(lane.input, lanes)
    }
    if (lanes.members.has(lane)) return
    if (lanes.members.size === 0) this.#turns.push(lanes)
    lanes.members.add(lane)
    lanes.order.push(lane)
  }

  take(): Lane | undefined {
    const lanes = this.#turns.take()
    const lane = lanes?.order.take()
    if (lanes === undefined || lane === undefined) return undefined
    lanes.members.delete(lane)
    if (lanes.members.size > 0) this.#turns.push(lanes)
    return lane
  }

  clear(): void {
    this.#turns.clear()
    this.#inputs.clear()
  }
}

/** The lanes of one input that have a turn. */
interface InputLanes {
  /** The next turn first. */
  readonly order: Fifo<Lane>
  readonly members: Set<Lane>
}
