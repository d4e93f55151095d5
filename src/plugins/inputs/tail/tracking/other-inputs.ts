/** Questions that inputs answer each other. */
interface Follower {
  matches(path: string): boolean
}

/** Running tail inputs of each agent, as tests run several agents in one process. */
const followers = new WeakMap<object, Set<Follower>>()

/**
 * The other tail inputs of the agent. A file that one of them follows is never a rotated file of this input,
 * whatever its name.
 */
export class OtherInputs {
  readonly #all: Set<Follower>
  readonly #self: Follower

  /** `agent`: any object that all inputs of the agent share. */
  constructor(agent: object, self: Follower) {
    this.#all = followers.get(agent) ?? new Set()
    followers.set(agent, this.#all)
    this.#self = self
    this.#all.add(self)
  }

  /** True when another input follows the path. */
  follow(path: string): boolean {
    for (const other of this.#all) if (other !== this.#self && other.matches(path)) return true
    return false
  }

  close(): void {
    this.#all.delete(this.#self)
  }
}
