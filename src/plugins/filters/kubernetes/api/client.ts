import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Counters } from '../../../../core/services.ts'
import { type HttpAnswer, HttpClient } from '../../../../lib/net/http-client.ts'
import { JsonStream } from './json-stream.ts'
import type { Token } from './token.ts'

interface ClientOptions {
  /** `https://host:port`, perhaps with a path in front of `/api`. */
  url: string
  caFile: string
  caPath: string | undefined
  verify: boolean
  verifyHost: boolean
  serverName: string | undefined
  token: Token
  userAgent: string
  /** Largest object. */
  limitBytes: number
  counters: Counters
}

/** An answer that is not 200. */
export class ApiError extends ShipperError {
  readonly status: number
  /** What the server asks to wait, 0 when it does not. */
  readonly retryAfterMs: number

  constructor(status: number, message: string, retryAfterMs = 0) {
    super(status === 401 || status === 403 ? 'E_KUBE_FORBIDDEN' : 'E_KUBE_API', message, { retryable: true })
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** What is found in the body of an answer. */
export interface Found {
  object(value: unknown, depth: number): void
  tooLarge(head: string, bytes: number): void
}

const HEAD_TIMEOUT_MS = 30_000
const BODY_TIMEOUT_MS = 30_000
const CERTIFICATE_FILE = /\.(?:crt|pem)$/
const SLASHES = /\/+$/
const ERROR_BYTES = 16_384

/** Asks the API server, or a kubelet, and cuts what it answers into objects. */
export class KubeClient {
  readonly #o: ClientOptions
  readonly #base: string
  readonly #origin: string
  #http: HttpClient | undefined
  #ca: string | undefined

  constructor(options: ClientOptions) {
    this.#o = options
    const url = new URL(options.url)
    this.#origin = url.origin
    this.#base = url.pathname.replace(SLASHES, '')
  }

  /**
   * Gets `path` and reads it to its end: objects at the depths `from` to `to` are handed on one by one. Rejects with an
   * ApiError for any status but 200, and with what the connection or the JSON suffers.
   */
  async read(
    path: string,
    depths: { from: number; to: number },
    found: Found,
    options: { signal: AbortSignal; idleMs?: number; opened?: () => void },
  ): Promise<void> {
    const answer = await this.#open(path, options.signal, options.idleMs ?? BODY_TIMEOUT_MS)
    options.opened?.()
    const objects = new JsonStream({
      ...depths,
      limitBytes: this.#o.limitBytes || Number.POSITIVE_INFINITY,
      found: (text, depth) => found.object(JSON.parse(text), depth),
      tooLarge: (head, bytes) => found.tooLarge(head, bytes),
    })
    try {
      for await (const piece of answer.body) objects.push(piece)
    } catch (cause) {
      answer.drop()
      throw this.#failure(cause)
    }
    if (!objects.complete) throw new ShipperError('E_KUBE_API', `${path} was cut off`, { retryable: true })
  }

  async close(): Promise<void> {
    await this.#http?.close()
  }

  /** A 401 may be of a token that was replaced since: it is read again, and one that is new is tried at once. */
  async #open(path: string, signal: AbortSignal, idleMs: number): Promise<HttpAnswer> {
    let answer = await this.#send(path, signal, idleMs)
    if (answer.status === 401 && (await this.#o.token.renew())) {
      answer.drop()
      answer = await this.#send(path, signal, idleMs)
    }
    if (answer.status === 200) return answer
    throw await refusal(answer, path)
  }

  async #send(path: string, signal: AbortSignal, bodyTimeoutMs: number): Promise<HttpAnswer> {
    const token = await this.#o.token.read()
    const headers = {
      accept: 'application/json',
      'user-agent': this.#o.userAgent,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    this.#o.counters.add('api_requests')
    const request = {
      path: this.#base + path,
      headers,
      signal,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      bodyTimeoutMs,
    }
    try {
      return await this.#connection().get(request)
    } catch (cause) {
      throw this.#failure(cause)
    }
  }

  /** A new one when the authorities have changed since. */
  #connection(): HttpClient {
    const ca = this.#origin.startsWith('https:') ? this.#authorities() : undefined
    if (this.#http !== undefined && ca === this.#ca) return this.#http
    void this.#http?.close().catch(() => {})
    this.#ca = ca
    const { verify, verifyHost, serverName } = this.#o
    this.#http = new HttpClient({ origin: this.#origin, ca, verify, verifyHost, serverName })
    return this.#http
  }

  #authorities(): string | undefined {
    const { caFile, caPath } = this.#o
    const folder = caPath === undefined ? [] : namesIn(caPath).map((name) => join(caPath, name))
    const found = [caFile, ...folder].map(textOf).filter((text) => text !== undefined)
    return found.length === 0 ? undefined : found.join('\n')
  }

  #failure(cause: unknown): Error {
    if (cause instanceof ShipperError) return cause
    const code = (cause as { code?: unknown } | null)?.code
    const text = messageOf(cause) || String(code ?? 'no connection')
    return new ShipperError('E_KUBE_API', `${this.#origin}: ${text}`, { retryable: true, cause })
  }
}

async function refusal(answer: HttpAnswer, path: string): Promise<ApiError> {
  const seconds = Number(answer.header('retry-after') ?? 0)
  const said = await messageIn(answer)
  const [plain] = path.split('?')
  const text = `GET ${plain} was answered with ${answer.status}${said === '' ? '' : `: ${said}`}`
  return new ApiError(answer.status, text, Number.isFinite(seconds) ? seconds * 1000 : 0)
}

/** The message of a Status, as far as one comes. */
async function messageIn(answer: HttpAnswer): Promise<string> {
  let text = ''
  try {
    for await (const piece of answer.body) {
      text += piece.toString()
      if (text.length > ERROR_BYTES) break
    }
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? message.slice(0, 300) : ''
  } catch {
    // A proxy's page, or nothing: the status says enough.
    return ''
  } finally {
    answer.drop()
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => CERTIFICATE_FILE.test(name))
      .sort()
  } catch {
    return []
  }
}

/** Outside of a cluster the default files are not there: the authorities of the system are then those that count. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return undefined
  }
}
