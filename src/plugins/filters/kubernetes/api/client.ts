import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Counters } from '../../../../core/services.ts'
import { HttpClient, type HttpResponse } from '../../../../lib/net/http-client.ts'
import { JsonStream } from './json-stream.ts'
import type { BearerToken } from './token.ts'

export interface KubeClientOptions {
  /** `https://host:port`, perhaps with a path in front of `/api`. */
  url: string
  caFile: string
  caPath: string | undefined
  verify: boolean
  verifyHost: boolean
  serverName: string | undefined
  token: BearerToken
  userAgent: string
  /** Largest object. */
  maxObjectBytes: number
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
export interface ObjectHandler {
  onObject(value: unknown, depth: number): void
  onOversize(head: string, bytes: number): void
}

const HEAD_TIMEOUT_MS = 30_000
const BODY_TIMEOUT_MS = 30_000
const CERTIFICATE_FILE = /\.(?:crt|pem)$/
const TRAILING_SLASHES = /\/+$/
const MAX_ERROR_BODY_CHARS = 16_384

/** Asks the API server, or a kubelet, and cuts what it answers into objects. */
export class KubeClient {
  readonly #o: KubeClientOptions
  readonly #basePath: string
  readonly #origin: string
  #http: HttpClient | undefined
  #ca: string | undefined

  constructor(options: KubeClientOptions) {
    this.#o = options
    const url = new URL(options.url)
    this.#origin = url.origin
    this.#basePath = url.pathname.replace(TRAILING_SLASHES, '')
  }

  /**
   * Gets `path` and reads it to its end: objects at the depths `from` to `to` are handed on one by one. Rejects with an
   * ApiError for any status but 200, and with what the connection or the JSON suffers.
   */
  async read(
    path: string,
    depths: { minDepth: number; maxDepth: number },
    found: ObjectHandler,
    options: { signal: AbortSignal; idleMs?: number; opened?: () => void },
  ): Promise<void> {
    const answer = await this.#open(path, options.signal, options.idleMs ?? BODY_TIMEOUT_MS)
    options.opened?.()
    const objects = new JsonStream({
      ...depths,
      maxObjectBytes: this.#o.maxObjectBytes || Number.POSITIVE_INFINITY,
      onObject: (text, depth) => found.onObject(JSON.parse(text), depth),
      onOversize: (head, bytes) => found.onOversize(head, bytes),
    })
    try {
      for await (const piece of answer.body) objects.push(piece)
    } catch (cause) {
      answer.discard()
      throw this.#toShipperError(cause)
    }
    if (!objects.isComplete) throw new ShipperError('E_KUBE_API', `${path} was cut off`, { retryable: true })
  }

  async close(): Promise<void> {
    await this.#http?.close()
  }

  /** A 401 may be of a token that was replaced since: it is read again, and one that is new is tried at once. */
  async #open(path: string, signal: AbortSignal, idleMs: number): Promise<HttpResponse> {
    let answer = await this.#send(path, signal, idleMs)
    if (answer.status === 401 && (await this.#o.token.reload())) {
      answer.discard()
      answer = await this.#send(path, signal, idleMs)
    }
    if (answer.status === 200) return answer
    throw await errorOfResponse(answer, path)
  }

  async #send(path: string, signal: AbortSignal, bodyTimeoutMs: number): Promise<HttpResponse> {
    const token = await this.#o.token.read()
    const headers = {
      accept: 'application/json',
      'user-agent': this.#o.userAgent,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    this.#o.counters.add('api_requests')
    const request = {
      path: this.#basePath + path,
      headers,
      signal,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      bodyTimeoutMs,
    }
    try {
      return await this.#httpClient().get(request)
    } catch (cause) {
      throw this.#toShipperError(cause)
    }
  }

  /** A new one when the authorities have changed since. */
  #httpClient(): HttpClient {
    const ca = this.#origin.startsWith('https:') ? this.#caCertificates() : undefined
    if (this.#http !== undefined && ca === this.#ca) return this.#http
    void this.#http?.close().catch(() => {})
    this.#ca = ca
    const { verify, verifyHost, serverName } = this.#o
    this.#http = new HttpClient({ origin: this.#origin, ca, verify, verifyHost, serverName })
    return this.#http
  }

  #caCertificates(): string | undefined {
    const { caFile, caPath } = this.#o
    const folder = caPath === undefined ? [] : certificateNames(caPath).map((name) => join(caPath, name))
    const found = [caFile, ...folder].map(readIfPresent).filter((text) => text !== undefined)
    return found.length === 0 ? undefined : found.join('\n')
  }

  #toShipperError(cause: unknown): Error {
    if (cause instanceof ShipperError) return cause
    const code = (cause as { code?: unknown } | null)?.code
    const text = messageOf(cause) || String(code ?? 'no connection')
    return new ShipperError('E_KUBE_API', `${this.#origin}: ${text}`, { retryable: true, cause })
  }
}

async function errorOfResponse(answer: HttpResponse, path: string): Promise<ApiError> {
  const seconds = Number(answer.header('retry-after') ?? 0)
  const said = await statusMessage(answer)
  const [plain] = path.split('?')
  const text = `GET ${plain} was answered with ${answer.status}${said === '' ? '' : `: ${said}`}`
  return new ApiError(answer.status, text, Number.isFinite(seconds) ? seconds * 1000 : 0)
}

/** The message of a Status, as far as one comes. */
async function statusMessage(answer: HttpResponse): Promise<string> {
  let text = ''
  try {
    for await (const piece of answer.body) {
      text += piece.toString()
      if (text.length > MAX_ERROR_BODY_CHARS) break
    }
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? message.slice(0, 300) : ''
  } catch {
    // A proxy's page, or nothing: the status says enough.
    return ''
  } finally {
    answer.discard()
  }
}

function certificateNames(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => CERTIFICATE_FILE.test(name))
      .sort()
  } catch {
    return []
  }
}

/** Outside of a cluster the default files are not there: the authorities of the system are then those that count. */
function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return undefined
  }
}
