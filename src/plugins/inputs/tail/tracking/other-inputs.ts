/** What this input asks of the others. */
interface Follower {
  matches(path: string): boolean
}

/** The running tail inputs, by the agent that they are part of: a process may run several agents in tests. */
const followers = new WeakMap<object, Set<Follower>>()

/** The other tail inputs of the agent: a file that one of them follows is no rotated file of this one, whatever its name. */
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
