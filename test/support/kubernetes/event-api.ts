import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { atEnd } from '../tmp.ts'
import { expiredEvent, statusBody } from './watch.ts'

export interface EventObject {
  metadata: { name: string; namespace: string; resourceVersion?: string; [key: string]: unknown }
  [key: string]: unknown
}

type Change = { version: bigint; type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: EventObject }

const PATH = /^\/api\/v1\/(?:namespaces\/([^/]+)\/)?events$/

/**
 * An API server for events that answers as a real one (1.36) was observed to: a list in the order of namespace
 * and name, its items without kind, parts by `limit` and `continue`, watches with chunked objects, a 410 as an
 * ERROR within a 200. Tests inject failures by `answers`, `cutAfter` and `compact`.
 */
export class EventApi {
  readonly requests: URL[] = []
  readonly tokens: (string | undefined)[] = []
  /** Answers the next requests instead of the server; a number: with this status; undefined: as usual. */
  readonly answers: (number | ((response: ServerResponse) => void) | undefined)[] = []
  /** Number of bytes after which the next response is cut off; 0: never. */
  cutAfter = 0
  /** Accepted token; undefined: any. */
  token: string | undefined
  port = 0
  readonly #events = new Map<string, EventObject>()
  #changes: Change[] = []
  #version = 100n
  #oldest = 100n
  readonly #watches = new Map<ServerResponse, string | undefined>()
  #server: Server | undefined

  static async start(): Promise<EventApi> {
    const api = new EventApi()
    await api.up()
    atEnd(() => api.down())
    return api
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get version(): bigint {
    return this.#version
  }

  get watching(): number {
    return this.#watches.size
  }

  count(verb: 'list' | 'watch'): number {
    return this.requests.filter((url) => url.searchParams.has('watch') === (verb === 'watch')).length
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response))
    this.#server = server
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve))
    this.port = (server.address() as AddressInfo).port
  }

  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  /** Creates the event, or changes it if it exists. */
  put(name: string, fields: object = {}, namespace = 'default'): EventObject {
    const key = `${namespace}/${name}`
    const type = this.#events.has(key) ? 'MODIFIED' : 'ADDED'
    const version = ++this.#version
    const time = new Date(Date.UTC(2026, 10, 21, 6)).toISOString().replace('.000Z', 'Z')
    const object = {
      metadata: {
        name,
        namespace,
        uid: `uid-${name}`,
        resourceVersion: String(version),
        creationTimestamp: time,
      },
      reason: 'Started',
      firstTimestamp: time,
      lastTimestamp: time,
      eventTime: null,
      ...fields,
    }
    this.#events.set(key, object)
    this.#notify({ version, type, object })
    return object
  }

  delete(name: string, namespace = 'default'): void {
    const object = this.#events.get(`${namespace}/${name}`) as EventObject
    this.#events.delete(`${namespace}/${name}`)
    const version = ++this.#version
    const metadata = { ...object.metadata, resourceVersion: String(version) }
    this.#notify({ version, type: 'DELETED', object: { ...object, metadata } })
  }

  /** Sets the version that the state has; before any event. */
  startAt(version: bigint): void {
    this.#version = this.#oldest = version
  }

  /** Drops the history: a watch from an older version is answered with 410. */
  compact(): void {
    this.#changes = []
    this.#oldest = this.#version
  }

  /** Goes back to an older version with these events, as after a restore from a backup. */
  restore(version: number | bigint, keep: (name: string) => boolean): void {
    this.#version = BigInt(version)
    for (const [key, { metadata }] of this.#events) if (!keep(metadata.name)) this.#events.delete(key)
    this.compact()
    this.cut()
  }

  bookmark(): void {
    const object = { kind: 'Event', apiVersion: 'v1', metadata: { resourceVersion: String(this.#version) } }
    for (const response of this.#watches.keys()) this.#write(response, { type: 'BOOKMARK', object })
  }

  end(): void {
    for (const response of this.#watches.keys()) response.end()
  }

  cut(): void {
    for (const response of this.#watches.keys()) response.destroy()
  }

  #notify(change: Change): void {
    this.#changes.push(change)
    for (const [response, namespace] of this.#watches) this.#send(response, namespace, change)
  }

  #send(response: ServerResponse, namespace: string | undefined, { type, object }: Change): void {
    if (namespace !== undefined && object.metadata.namespace !== namespace) return
    this.#write(response, { type, object: { kind: 'Event', apiVersion: 'v1', ...object } })
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://host')
    this.requests.push(url)
    const token = request.headers.authorization?.replace('Bearer ', '')
    this.tokens.push(token)
    const answer = this.answers.shift()
    const found = PATH.exec(url.pathname)
    if (typeof answer === 'function') answer(response)
    else if (answer !== undefined) this.#status(response, answer, 'requested by the test')
    else if (this.token !== undefined && token !== this.token) this.#status(response, 401, 'Unauthorized')
    else if (found === null) this.#status(response, 404, 'not found')
    else if (url.searchParams.has('watch')) this.#watch(url.searchParams, response, found[1])
    else this.#list(url.searchParams, response, found[1])
  }

  #list(query: URLSearchParams, response: ServerResponse, namespace: string | undefined): void {
    const [version = String(this.#version), after = ''] = query.get('continue')?.split(' ') ?? []
    if (BigInt(version) < this.#oldest) {
      this.#status(response, 410, 'The provided continue parameter is too old')
      return
    }
    const all = [...this.#events.entries()]
      .filter(
        ([key, { metadata }]) => key > after && (namespace ?? metadata.namespace) === metadata.namespace,
      )
      .filter(([, { metadata }]) => isUpTo(metadata.resourceVersion, BigInt(version)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const limit = Number(query.get('limit') ?? 0) || all.length
    const part = all.slice(0, limit)
    const next = part.length < all.length ? { continue: `${version} ${part.at(-1)?.[0]}` } : {}
    response.writeHead(200, { 'content-type': 'application/json' })
    this.#write(response, {
      kind: 'EventList',
      apiVersion: 'v1',
      metadata: { resourceVersion: version, ...next },
      items: part.map(([, object]) => object),
    })
    response.end()
  }

  #watch(query: URLSearchParams, response: ServerResponse, namespace: string | undefined): void {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const from = BigInt(query.get('resourceVersion') ?? '0')
    if (from < this.#oldest) {
      this.#write(response, expiredEvent(from, this.#oldest))
      response.end()
      return
    }
    this.#watches.set(response, namespace)
    response.once('close', () => this.#watches.delete(response))
    for (const change of this.#changes) if (change.version > from) this.#send(response, namespace, change)
  }

  #write(response: ServerResponse, body: object): void {
    const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
    if (this.cutAfter === 0 || bytes.length <= this.cutAfter) {
      response.write(bytes)
      return
    }
    response.write(bytes.subarray(0, this.cutAfter), () => response.destroy())
    this.cutAfter = 0
  }

  #status(response: ServerResponse, code: number, message: string): void {
    response.writeHead(code, { 'content-type': 'application/json' })
    response.end(JSON.stringify(statusBody(code, 'Failure', message)))
  }
}

/** True for a version up to this one, and for one that a test has made up. */
function isUpTo(version: unknown, last: bigint): boolean {
  return !/^\d+$/.test(String(version)) || BigInt(String(version)) <= last
}
