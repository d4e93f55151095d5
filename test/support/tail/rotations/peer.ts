import { decodeMulti } from '@msgpack/msgpack'
import { type Arrival, acknowledge, type ForwardPeer, forwardPeer } from '../../forward/peer.ts'

/**
 * Counts what arrived from the logs of a table, by the tag of the input and the line. Only acknowledged lines
 * count.
 */
export class TablePeer {
  acking = true
  /** Number of acknowledged arrivals of each line. */
  readonly counts = new Map<string, number>()
  /** Lines that arrived, acknowledged or not. */
  readonly arrived = new Set<string>()
  /** Number of different lines that arrived, without those of the clock. */
  lines = 0
  readonly #peer: ForwardPeer

  private constructor(peer: ForwardPeer) {
    this.#peer = peer
    peer.answer = (arrival, socket) => {
      this.#take(arrival)
      if (this.acking) acknowledge(arrival, socket)
    }
  }

  static async start(): Promise<TablePeer> {
    return new TablePeer(await forwardPeer())
  }

  get port(): number {
    return this.#peer.port
  }

  get connected(): boolean {
    return this.#peer.sockets.size > 0
  }

  count(tag: string, line: string): number {
    return this.counts.get(`${tag} ${line}`) ?? 0
  }

  /** Returns the lines beginning with `start` that arrived with the tag. */
  linesOf(tag: string, start: string): string[] {
    const from = `${tag} ${start}`
    return [...this.counts.keys()]
      .filter((key) => key.startsWith(from))
      .map((key) => key.slice(tag.length + 1))
  }

  #take({ tag, entries }: Arrival): void {
    for (const entry of decodeMulti(entries)) {
      const [, { log }] = entry as [unknown, { log: string }]
      // The key is the number of a line, or its complete text if it should not have arrived.
      const key = `${tag} ${NUMBERED.exec(log)?.[0] ?? log}`
      if (tag !== CLOCK_TAG && !this.arrived.has(key)) this.lines++
      this.arrived.add(key)
      if (this.acking) this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
    }
  }
}

/** Tag of the lines that drive the waits of a table. */
export const CLOCK_TAG = 'clock'

const NUMBERED = /^\d+\/\d+(?= )/
