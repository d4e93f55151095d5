import { stopped } from '../net/stopped.ts'

interface Lane {
  waiting: number
  /** Ends with the last of those that wait. */
  turn: Promise<unknown>
  /** A failure: whoever was called before it is known fails with it, or it would overtake. */
  failure: unknown
  failures: number
}

/**
 * Prepares several at once and sends them in the order of the calls, for each lane on its own. When one fails, those
 * that were called after it in its lane fail too, until their callers can have seen it.
 */
export class OrderedSender {
  readonly #lanes = new Map<string, Lane>()

  /** `discard` gets what was prepared and is not sent. */
  async run<P, S>(
    key: string,
    prepare: () => Promise<P>,
    send: (prepared: P) => S,
    discard: (prepared: P) => void,
  ): Promise<S> {
    const lane = this.#lane(key)
    if (lane.failure !== undefined) throw lane.failure
    const failures = lane.failures
    lane.waiting++
    const prepared = prepare()
    // Its rejection is met below, but perhaps after a long wait for the turn.
    prepared.catch(() => {})
    const sent = lane.turn.then(async () => {
      const ready = await prepared.catch((error: unknown) => {
        this.#failed(key, lane, error)
        throw error
      })
      if (failures === lane.failures) return send(ready)
      discard(ready)
      throw lane.failure ?? stopped()
    })
    lane.turn = sent.then(
      () => {},
      () => {},
    )
    try {
      return await sent
    } finally {
      lane.waiting--
      this.#drop(key, lane)
    }
  }

  #lane(key: string): Lane {
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { waiting: 0, turn: Promise.resolve(), failure: undefined, failures: 0 }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #failed(key: string, lane: Lane, error: unknown): void {
    lane.failures++
    lane.failure = error
    setImmediate(() => {
      lane.failure = undefined
      this.#drop(key, lane)
    })
  }

  #drop(key: string, lane: Lane): void {
    if (lane.waiting === 0 && lane.failure === undefined) this.#lanes.delete(key)
  }
}
