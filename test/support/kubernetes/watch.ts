import type { ServerResponse } from 'node:http'
import type { Change } from './api-server.ts'
import type { PodObject } from './pods.ts'

export interface ServerWatchOptions {
  node: string | undefined
  bookmarks: boolean
  timeoutMs: number
  pieceBytes: number
  cutAfter: number
  version: () => string
}

/** An open watch that sends each change as a line `{"type": ..., "object": ...}`. */
export class Watch {
  readonly #response: ServerResponse
  readonly #options: ServerWatchOptions
  readonly #timer: ReturnType<typeof setTimeout>
  #sent = 0

  constructor(response: ServerResponse, options: ServerWatchOptions) {
    this.#response = response
    this.#options = options
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    this.#timer = setTimeout(() => {
      this.bookmark(options.version())
      this.end()
    }, options.timeoutMs)
    response.once('close', () => clearTimeout(this.#timer))
  }

  /** Sends the change as seen by a watch of one node: a pod bound to the node is added, one that leaves is deleted. */
  notify({ before, after, version }: Change): void {
    const was = before !== undefined && this.#isOnNode(before)
    const is = after !== undefined && this.#isOnNode(after)
    if (is) this.#event(was ? 'MODIFIED' : 'ADDED', after as PodObject)
    else if (was) {
      const last = structuredClone(before as PodObject)
      last.metadata.resourceVersion = String(version)
      this.#event('DELETED', last)
    }
  }

  bookmark(resourceVersion: string): void {
    if (!this.#options.bookmarks) return
    const object = {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { resourceVersion, creationTimestamp: null },
      spec: { containers: null },
      status: {},
    }
    this.#write({ type: 'BOOKMARK', object })
  }

  fail(event: object): void {
    this.#write(event)
    this.end()
  }

  end(): void {
    this.#response.end()
  }

  cut(): void {
    this.#response.destroy()
  }

  #isOnNode(pod: PodObject): boolean {
    return this.#options.node === undefined || pod.spec.nodeName === this.#options.node
  }

  #event(type: string, pod: PodObject): void {
    this.#write({ type, object: { kind: 'Pod', apiVersion: 'v1', ...pod } })
  }

  #write(event: object): void {
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`)
    const { cutAfter, pieceBytes } = this.#options
    const left = cutAfter > 0 ? cutAfter - this.#sent : bytes.length
    const step = pieceBytes || bytes.length
    for (let at = 0; at < Math.min(left, bytes.length); at += step) {
      this.#response.write(bytes.subarray(at, Math.min(at + step, left)))
    }
    this.#sent += bytes.length
    if (left < bytes.length) setImmediate(() => this.cut())
  }
}

/** Returns a PodList; its items have neither kind nor apiVersion, as in a real list. */
export function listOf(items: PodObject[], resourceVersion: string): object {
  return { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion }, items }
}

export function statusBody(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }
}

/** Returns the event of an expired watch, as a real server was observed to send it in a 200. */
export function expiredEvent(from: number | bigint, oldest: number | bigint): object {
  return {
    type: 'ERROR',
    object: statusBody(410, 'Expired', `too old resource version: ${from} (${oldest})`),
  }
}
