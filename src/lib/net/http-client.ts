import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { RequestOptions as SecureOptions } from 'node:https'

/** HTTP over TLS or without, to one origin; the runtime's client is loaded with the first request. */
interface HttpOptions {
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

interface HttpRequest {
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

/**
 * A connection for each request: they are few, and one that a server closes while it waits for the next is no concern.
 * Not undici: its parser alone takes 20 MB and 70 ms to compile. docs/adr/0010-http-client.md
 */
export class HttpClient {
  readonly #url: URL
  readonly #options: SecureOptions
  readonly #open = new Set<ClientRequest>()

  constructor(o: HttpOptions) {
    this.#url = new URL(o.origin)
    const { protocol, hostname, port } = this.#url
    this.#options = {
      protocol,
      hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
      ...(port === '' ? {} : { port }),
      agent: false,
      rejectUnauthorized: o.verify,
      ...(o.ca === undefined ? {} : { ca: o.ca }),
      ...(o.serverName === undefined ? {} : { servername: o.serverName }),
      ...(o.verifyHost ? {} : { checkServerIdentity: () => undefined }),
    }
  }

  async get(request: HttpRequest): Promise<HttpAnswer> {
    const { path, headers, signal } = request
    const made = await this.#request({ ...this.#options, path, headers, signal })
    const answer = await this.#head(made, request.headTimeoutMs)
    return {
      status: answer.statusCode ?? 0,
      header: (name) => {
        const value = answer.headers[name]
        return Array.isArray(value) ? value[0] : value
      },
      body: piecesOf(answer, request.bodyTimeoutMs),
      drop: () => {
        // What its end would report is of no interest any more.
        answer.on('error', () => {})
        made.destroy()
      },
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    for (const made of this.#open) made.destroy()
  }

  async #request(options: RequestOptions): Promise<ClientRequest> {
    const secure = this.#url.protocol === 'https:'
    const { request } = secure ? await import('node:https') : await import('node:http')
    const made = request(options)
    this.#open.add(made)
    made.once('close', () => this.#open.delete(made))
    return made
  }

  #head(made: ClientRequest, limitMs: number): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => made.destroy(new Error(`no answer in ${limitMs} ms`)), limitMs)
      made.once('response', (answer: IncomingMessage) => {
        clearTimeout(timer)
        resolve(answer)
      })
      // Stays for the life of the request: behind the head, its body reports what happened.
      made.on('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      made.end()
    })
  }
}

async function* piecesOf(answer: IncomingMessage, silenceMs: number): AsyncGenerator<Buffer> {
  const timer = setTimeout(() => answer.destroy(new Error(`silent for ${silenceMs} ms`)), silenceMs)
  try {
    for await (const piece of answer) {
      timer.refresh()
      yield piece as Buffer
    }
    if (!answer.complete) throw new Error('the connection was closed before the end of the answer')
  } finally {
    clearTimeout(timer)
  }
}
