import type { Socket } from 'node:net'
import { AddressCounts } from './address-counts.ts'

/** A connection that has no place yet. It is not read: what it has sent stays in the kernel. */
export interface Waiting {
  readonly socket: Socket
  readonly address: string
  /** Position in the order of arrival. */
  readonly number: number
}

/** Connections that wait for a place, in the order of their arrival. */
export class WaitingRoom {
  readonly #size: number
  readonly #counts = new AddressCounts()
  readonly #queues = new Map<string, Waiting[]>()
  #arrived = 0

  /** `size` is the number of connections that may wait. */
  constructor(size: number) {
    this.#size = size
  }

  get length(): number {
    return this.#counts.total
  }

  get size(): number {
    return this.#size
  }

  /** Returns how many wait that are of other addresses. */
  lengthWithout(address: string | undefined): number {
    return this.length - (address === undefined ? 0 : this.#counts.of(address))
  }

  add(socket: Socket, address: string): Waiting {
    const waiting = { socket, address, number: this.#arrived++ }
    const queue = this.#queues.get(address)
    if (queue === undefined) this.#queues.set(address, [waiting])
    else queue.push(waiting)
    this.#counts.add(address)
    return waiting
  }

  /** Removes and returns the one that came first, of another address than `dominant` if one waits. */
  next(dominant: string | undefined): Waiting | undefined {
    let first: Waiting | undefined
    for (const [address, [waiting]] of this.#queues) {
      if (waiting === undefined || (address === dominant && this.#queues.size > 1)) continue
      if (first === undefined || waiting.number < first.number) first = waiting
    }
    if (first !== undefined) this.remove(first)
    return first
  }

  /**
   * Removes and returns the last one of the address of which most wait, for one of `address`; undefined when as many of that wait
   * itself.
   */
  lastOfMost(address: string): Waiting | undefined {
    let most: Waiting[] = []
    for (const queue of this.#queues.values()) if (queue.length > most.length) most = queue
    const last = most.at(-1)
    if (last === undefined || most.length <= this.#counts.of(address) + 1) return undefined
    this.remove(last)
    return last
  }

  /** Forgets one that waits, or does not wait any more. */
  remove(waiting: Waiting): void {
    const queue = this.#queues.get(waiting.address)
    const at = queue?.indexOf(waiting) ?? -1
    if (queue === undefined || at < 0) return
    queue.splice(at, 1)
    if (queue.length === 0) this.#queues.delete(waiting.address)
    this.#counts.remove(waiting.address)
  }
}
