import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Authority } from '../certs.ts'
import { atEnd } from '../tmp.ts'
import type { PodObject } from './pods.ts'
import { expiredEvent, listOf, statusBody, Watch } from './watch.ts'

export type Verb = 'list' | 'watch' | 'get' | 'namespace' | 'kubelet'

export interface ApiRequest {
  verb: Verb | 'other'
  path: string
  query: URLSearchParams
  token: string | undefined
  status: number
}

export interface Change {
  version: number
  before: PodObject | undefined
  after: PodObject | undefined
}

export interface ApiOptions {
  tls?: boolean
  /** Names in the certificate; a name other than the host's shows whether host names are verified. */
  names?: string[]
  /** Accepted bearer tokens; without any, every request is accepted. */
  tokens?: string[]
}

const POD = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)$/
const NAMESPACE = /^\/api\/v1\/namespaces\/([^/]+)$/

/**
 * An API server for pods that answers as a real one was observed to: lists with a resourceVersion, watches as chunked
 * JSON objects, a 410 as an ERROR within a 200, bookmarks that carry only a version, 401 and 403 with a Status. Tests
 * inject failures by `forbidden`, `delayMs`, `pieceBytes`, `cutAfter`, `failures`, `compact` and `down`.
 */
export class KubeApi {
  readonly requests: ApiRequest[] = []
  readonly tokens: Set<string>
  readonly forbidden = new Set<Verb>()
  readonly namespaces = new Map<string, { labels?: object; annotations?: object }>()
  authority: Authority | undefined
  port = 0
  /** Delay before each response. */
  delayMs = 0
  /** Size in bytes of the separate writes that a body is sent in; 0: one write. */
  pieceBytes = 0
  /** Number of bytes after which a watch is cut off, in the middle of an object; 0: never. */
  cutAfter = 0
  /** Responses to the next requests, instead of the regular ones. */
  readonly failures: { status: number; retryAfter?: number | string }[] = []
  readonly #pods = new Map<string, PodObject>()
  readonly #history: Change[] = []
  readonly #watches = new Set<Watch>()
  readonly #options: ApiOptions
  #oldest = 100
  #version = 100
  #server: Server | undefined

  private constructor(options: ApiOptions) {
    this.#options = options
    this.tokens = new Set(options.tokens ?? [])
    if (options.tls) this.authority = new Authority()
  }

  static async start(options: ApiOptions = {}): Promise<KubeApi> {
    const api = new KubeApi(options)
    await api.up()
    atEnd(() => api.down())
    return api
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`
  }

  get version(): string {
    return String(this.#version)
  }

  get watching(): number {
    return this.#watches.size
  }

  count(verb: Verb): number {
    return this.requests.filter((r) => r.verb === verb).length
  }

  /** Starts listening, on the same port as before. */
  async up(): Promise<void> {
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      this.#answer(request, response).catch(() => response.destroy())
    }
    const names = this.#options.names ?? ['127.0.0.1', 'localhost']
    const server =
      this.authority === undefined
        ? createHttp(answer)
        : createHttps(this.authority.issue('kube-apiserver', names), answer)
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, '127.0.0.1', resolve)
    })
    this.port = (server.address() as AddressInfo).port
  }

  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    this.cutWatches()
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  create(pod: PodObject): PodObject {
    return this.#put(pod)
  }

  modify(namespace: string, name: string, change: (pod: PodObject) => void): PodObject {
    const pod = structuredClone(this.#pods.get(`${namespace}/${name}`) as PodObject)
    change(pod)
    return this.#put(pod)
  }

  delete(namespace: string, name: string): void {
    const before = this.#pods.get(`${namespace}/${name}`)
    if (before === undefined) throw new Error(`no pod ${namespace}/${name}`)
    this.#pods.delete(`${namespace}/${name}`)
    this.#notify({ version: ++this.#version, before, after: undefined })
  }

  /** Advances the version as changes of other objects do, which a watch of pods does not see. */
  advanceVersion(versions: number): void {
    this.#version += versions
  }

  /** Drops the history: a watch from an older version is answered with 410. */
  compact(): void {
    this.#history.length = 0
    this.#oldest = this.#version
  }

  bookmark(): void {
    for (const watch of this.#watches) watch.bookmark(this.version)
  }

  /** Ends the open watches properly, as a server may at any time. */
  endWatches(): void {
    for (const watch of this.#watches) watch.end()
  }

  cutWatches(): void {
    for (const watch of this.#watches) watch.cut()
  }

  /** Sends a 410 in the open watches. */
  expireWatches(): void {
    for (const watch of this.#watches) watch.fail(expiredEvent(this.#oldest, this.#version))
  }

  #put(pod: PodObject): PodObject {
    const key = `${pod.metadata.namespace}/${pod.metadata.name}`
    const before = this.#pods.get(key)
    const after = structuredClone(pod)
    after.metadata.resourceVersion = String(++this.#version)
    this.#pods.set(key, after)
    this.#notify({ version: this.#version, before, after })
    return after
  }

  #notify(change: Change): void {
    this.#history.push(change)
    for (const watch of this.#watches) watch.notify(change)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://host')
    const token = request.headers.authorization?.replace('Bearer ', '')
    const verb = verbOf(url)
    const entry: ApiRequest = { verb, path: url.pathname, query: url.searchParams, token, status: 200 }
    this.requests.push(entry)
    response.once('close', () => {
      entry.status = response.statusCode
    })
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs))
    const failure = this.failures.shift()
    if (failure !== undefined) {
      if (failure.retryAfter !== undefined) response.setHeader('retry-after', String(failure.retryAfter))
      this.#status(response, failure.status, 'InternalError', 'requested by the test')
      return
    }
    if (this.tokens.size > 0 && !this.tokens.has(token ?? '')) {
      this.#status(response, 401, 'Unauthorized', 'Unauthorized')
      return
    }
    if (verb !== 'other' && this.forbidden.has(verb)) {
      this.#status(response, 403, 'Forbidden', `cannot ${verb} resource "pods" in API group ""`)
      return
    }
    this.#serve(verb, url, response)
  }

  #serve(verb: ApiRequest['verb'], url: URL, response: ServerResponse): void {
    if (verb === 'watch') this.#watch(url.searchParams, response)
    else if (verb === 'list' || verb === 'kubelet') this.#list(url.searchParams, response)
    else if (verb === 'get') this.#get(url, response)
    else this.#namespace(url, response)
  }

  #namespace(url: URL, response: ServerResponse): void {
    const name = NAMESPACE.exec(url.pathname)?.[1] ?? ''
    const found = this.namespaces.get(name)
    if (found === undefined) this.#status(response, 404, 'NotFound', `namespaces "${name}" not found`)
    else this.#send(response, 200, { kind: 'Namespace', apiVersion: 'v1', metadata: { name, ...found } })
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const node = nodeOf(query)
    const items = [...this.#pods.values()].filter((p) => node === undefined || p.spec.nodeName === node)
    this.#send(response, 200, listOf(items, this.version))
  }

  #get(url: URL, response: ServerResponse): void {
    const [, namespace, name] = POD.exec(url.pathname) ?? []
    const pod = this.#pods.get(`${namespace}/${name}`)
    if (pod === undefined) this.#status(response, 404, 'NotFound', `pods "${name}" not found`)
    else this.#send(response, 200, { kind: 'Pod', apiVersion: 'v1', ...pod })
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const watch = new Watch(response, {
      node: nodeOf(query),
      bookmarks: query.get('allowWatchBookmarks') === 'true',
      timeoutMs: Number(query.get('timeoutSeconds') ?? 1800) * 1000,
      pieceBytes: this.pieceBytes,
      cutAfter: this.cutAfter,
      version: () => this.version,
    })
    this.#watches.add(watch)
    response.once('close', () => this.#watches.delete(watch))
    const from = Number(query.get('resourceVersion') ?? 0)
    if (from === 0) {
      for (const after of this.#pods.values())
        watch.notify({ version: this.#version, before: undefined, after })
    } else if (from < this.#oldest) watch.fail(expiredEvent(from, this.#oldest))
    else for (const change of this.#history) if (change.version > from) watch.notify(change)
  }

  #status(response: ServerResponse, code: number, reason: string, message: string): void {
    this.#send(response, code, statusBody(code, reason, message))
  }

  #send(response: ServerResponse, code: number, body: object): void {
    response.writeHead(code, { 'content-type': 'application/json' })
    const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
    const step = this.pieceBytes || bytes.length
    for (let at = 0; at < bytes.length; at += step) response.write(bytes.subarray(at, at + step))
    response.end()
  }
}

function verbOf(url: URL): ApiRequest['verb'] {
  if (url.pathname === '/api/v1/pods') return url.searchParams.get('watch') === 'true' ? 'watch' : 'list'
  if (url.pathname === '/pods') return 'kubelet'
  if (POD.test(url.pathname)) return 'get'
  return NAMESPACE.test(url.pathname) ? 'namespace' : 'other'
}

function nodeOf(query: URLSearchParams): string | undefined {
  return query.get('fieldSelector')?.replace('spec.nodeName=', '')
}
