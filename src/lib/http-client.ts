import type { Dispatcher, Pool } from 'undici'

/** HTTP over TLS or without, to one origin; undici is loaded with the first request. */
export interface HttpOptions {
  /** `https://host:port` */
  origin: string
  /** PEM of the authorities that are trusted; undefined: those of the system. */
  ca?: string | undefined
  /** False: any certificate is taken. */
  verify: boolean
  /** False: the certificate may be for another name. */
  verifyHost: boolean
  /** The name that is asked for and checked, instead of the host's. */
  serverName?: string | undefined
}

export interface HttpRequest {
  path: string
  headers: Record<string, string>
  signal: AbortSignal
  /** Longest wait for the head of the answer, and between two pieces of its body. */
  headTimeoutMs: number
  bodyTimeoutMs: number
}

export interface HttpAnswer {
  status: number
  header(name: string): string | undefined
  /** The pieces of the body as they come; throws when it is cut off, too slow or aborted. To be read, or let go. */
  body: AsyncIterable<Buffer>
  /** Lets go of a body that is not wanted. */
  drop(): void
}

const CONNECT_TIMEOUT_MS = 10_000
/** One is taken by an answer that does not end. */
const CONNECTIONS = 4

let send: typeof import('undici/lib/api/api-request.js').default

export class HttpClient {
  readonly #options: HttpOptions
  #pool: Promise<Pool> | undefined

  constructor(options: HttpOptions) {
    this.#options = options
  }

  async get(request: HttpRequest): Promise<HttpAnswer> {
    this.#pool ??= makePool(this.#options)
    const pool = await this.#pool
    const answer = await send.call(pool, {
      method: 'GET',
      path: request.path,
      headers: request.headers,
      signal: request.signal,
      headersTimeout: request.headTimeoutMs,
      bodyTimeout: request.bodyTimeoutMs,
    })
    return {
      status: answer.statusCode,
      header: (name) => headerOf(answer, name),
      body: answer.body,
      drop: () => {
        // What its end would report is of no interest any more.
        answer.body.on('error', () => {})
        answer.body.destroy()
      },
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    const pool = this.#pool
    this.#pool = undefined
    await (await pool)?.destroy()
  }
}

function headerOf(answer: Dispatcher.ResponseData, name: string): string | undefined {
  const value = answer.headers[name]
  return Array.isArray(value) ? value[0] : value
}

async function makePool(o: HttpOptions): Promise<Pool> {
  // By its files: bun answers the bare name with a stand-in of its own that lacks pools, and all of undici (fetch, mocks,
  // caches) takes 8 MB more than these.
  const [{ default: Pool }, { default: request }] = await Promise.all([
    import('undici/lib/dispatcher/pool.js'),
    import('undici/lib/api/api-request.js'),
  ])
  send = request
  return new Pool(o.origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    connect: {
      timeout: CONNECT_TIMEOUT_MS,
      rejectUnauthorized: o.verify,
      ...(o.ca === undefined ? {} : { ca: o.ca }),
      ...(o.serverName === undefined ? {} : { servername: o.serverName }),
      ...(o.verifyHost ? {} : { checkServerIdentity: () => undefined }),
    },
  })
}
