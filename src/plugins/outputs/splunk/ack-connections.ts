import type { Connections, HttpSender } from '../../../lib/http-output/api.ts'

/** Connections for events and acknowledgement queries. */
export class AckConnections implements Connections {
  /** Called when a request gets no answer. */
  onLost: (() => void) | undefined
  readonly #connections: Connections
  #sender: HttpSender | undefined

  constructor(connections: Connections) {
    this.#connections = connections
  }

  get origin(): string {
    return this.#connections.origin
  }

  get responseTimeoutMs(): number {
    return this.#connections.responseTimeoutMs
  }

  get readTimeoutMs(): number {
    return this.#connections.readTimeoutMs
  }

  get maxRequests(): number | undefined {
    return this.#connections.maxRequests
  }

  get secrets(): readonly string[] {
    return this.#connections.secrets ?? []
  }

  get closedHint(): string | undefined {
    return this.#connections.closedHint
  }

  start(): void {
    this.#connections.start()
  }

  /** Returns the same sender at each call. */
  createSender(): HttpSender {
    if (this.#sender !== undefined) return this.#sender
    const sender = this.#connections.createSender()
    this.#sender = {
      send: async (request) => {
        try {
          return await sender.send(request)
        } catch (error) {
          this.onLost?.()
          throw error
        }
      },
      close: () => sender.close(),
    }
    return this.#sender
  }
}
