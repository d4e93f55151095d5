import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { messageOf, ShipperError } from '../../core/error.ts'
import type { Counters } from '../../core/services.ts'
import { FsFailure, isMissing, readRegular } from '../fs/file-system.ts'
import { HttpClient, type HttpResponse } from '../http/client.ts'
import { HttpError } from '../http/http-error.ts'
import { refusalMessage } from '../http/text.ts'
import { parseRetryAfter } from './backoff.ts'
import { JsonStream } from './json-stream.ts'
import { Pace } from './pace.ts'
import type { BearerToken } from './token.ts'

/** Thrown by a handler that cannot take more now: the request ends, and `read` rejects with it. */
export class Postponed extends Error {}

/** What the user of the client can do about its failures. */
export interface KubeHints {
  /** No connection, an error of the server, or a response that is cut off. */
  unreachable: string
  /** 401. */
  unauthorized: string
  /** 403. */
  forbidden: string
}

interface KubeClientOptions {
  /** Base URL `https://host:port`, optionally with a path in front of `/api`. */
  url: string
  caFile: string
  caPath: string | undefined
  verify: boolean
  verifyHost: boolean
  serverName: string | undefined
  token: BearerToken
  userAgent: string
  /** Maximum size of one JSON object in bytes; 0: MAX_OBJECT_BYTES. */
  maxObjectBytes: number
  hints: KubeHints
  counters: Counters
}

/** A response with a status other than 200. */
export class ApiError extends ShipperError {
  readonly status: number
  /** Wait requested by the server (Retry-After) in milliseconds, 0 without one. */
  readonly retryAfterMs: number

  constructor(status: number, message: string, retryAfterMs = 0, hint?: string) {
    super(status === 401 || status === 403 ? 'E_KUBE_FORBIDDEN' : 'E_KUBE_API', message, {
      retryable: true,
      ...(hint === undefined ? {} : { hint }),
    })
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** Receives the JSON objects of a response body. */
export interface ObjectHandler {
  onObject(value: unknown, depth: number): void
  /** Called instead of `onObject` for an object larger than the limit, with its first bytes and its size. */
  onOversize(head: string, bytes: number): void
}

/** Receives the JSON objects of a response body as text. */
export interface TextHandler extends Pick<ObjectHandler, 'onOversize'> {
  /** The text is valid during the call. */
  onText(text: Buffer, depth: number): void
  /** Called after each piece of the body. The next one is read when the promise resolves; undefined: at once. */
  whenReady?(): Promise<void> | undefined
}

/** Times and limits of one request. */
interface ReadOptions {
  signal: AbortSignal
  /** Maximum silence within the body. */
  idleMs?: number
  /** Maximum time for the whole body; 0: none, for a watch that the server need not end. */
  totalMs?: number
  /** Maximum number of objects in the body; no limit by default. */
  maxObjects?: number
  onOpen?: () => void
}

const HEAD_TIMEOUT_MS = 30_000
const BODY_TIMEOUT_MS = 30_000
const TOTAL_TIMEOUT_MS = 120_000
const MAX_OBJECT_BYTES = 64_000_000
/** Maximum size of a body that has a number of objects: 5,000 pods of 100 KB. A watch has no end, and no such limit. */
const MAX_BODY_BYTES = 512_000_000
const CERTIFICATE_FILE = /\.(?:crt|pem)$/
const TRAILING_SLASHES = /\/+$/

/** A client of the API server or a kubelet that splits responses into JSON objects. */
export class KubeClient {
  readonly #options: KubeClientOptions
  readonly #token: BearerToken
  readonly #counters: Counters
  readonly #basePath: string
  readonly #origin: string
  readonly #pace = new Pace()
  readonly #http: HttpClient

  constructor(options: KubeClientOptions) {
    this.#options = options
    this.#token = options.token
    this.#counters = options.counters
    const url = new URL(options.url)
    this.#origin = url.origin
    this.#basePath = url.pathname.replace(TRAILING_SLASHES, '')
    this.#http = new HttpClient({ origin: url.origin, tls: () => this.#tls() })
  }

  /**
   * Requests `path` and passes the objects at the given depths of the body to `handler` one by one. Rejects with an
   * ApiError for any status but 200, and with E_KUBE_API when the connection fails or the body is not valid JSON.
   */
  async read(
    path: string,
    depths: { minDepth: number; maxDepth: number },
    handler: ObjectHandler | TextHandler,
    options: ReadOptions,
  ): Promise<void> {
    const response = await this.#open(path, options)
    options.onOpen?.()
    const { maxObjects = Number.POSITIVE_INFINITY } = options
    const whenReady = 'whenReady' in handler ? handler.whenReady : undefined
    let count = 0
    const objects = new JsonStream({
      ...depths,
      maxObjectBytes: this.#options.maxObjectBytes || MAX_OBJECT_BYTES,
      onObject: (text, depth) => {
        if (++count > maxObjects) throw tooMany(path, maxObjects)
        if ('onText' in handler) handler.onText(text, depth)
        else handler.onObject(JSON.parse(text.toString()), depth)
      },
      onOversize: (head, bytes) => {
        if (++count > maxObjects) throw tooMany(path, maxObjects)
        handler.onOversize(head, bytes)
      },
    })
    try {
      for await (const piece of response.body) {
        const startMs = performance.now()
        objects.push(piece)
        const pause = this.#pace.take(piece.length, startMs)
        if (pause !== undefined) await pause
        const ready = whenReady?.call(handler)
        if (ready !== undefined) await ready
      }
    } catch (cause) {
      response.discard()
      throw this.#toShipperError(cause)
    }
    if (!objects.isComplete)
      throw new ShipperError('E_KUBE_API', `the response to GET ${path} was cut off`, {
        retryable: true,
        hint: this.#options.hints.unreachable,
      })
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  /**
   * Resolves with a 200 response. After a 401 the token is read again; if it has changed, the request is repeated once.
   */
  async #open(path: string, options: ReadOptions): Promise<HttpResponse> {
    let response = await this.#send(path, options)
    if (response.status === 401 && (await this.#token.reload())) {
      response.discard()
      response = await this.#send(path, options)
    }
    if (response.status === 200) return response
    throw await errorOfResponse(response, path, this.#hintOf(response.status))
  }

  /** Returns what to do about a status other than 200. */
  #hintOf(status: number): string {
    const { hints, token } = this.#options
    if (status !== 401 && status !== 403) return hints.unreachable
    if (token.missing !== undefined)
      return `no token was sent: Kube_Token_File ${token.missing} does not exist`
    return status === 401 ? hints.unauthorized : hints.forbidden
  }

  async #send(path: string, options: ReadOptions): Promise<HttpResponse> {
    const token = await this.#token.read()
    const headers = {
      accept: 'application/json',
      'user-agent': this.#options.userAgent,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    this.#counters.add('api_requests')
    const request = {
      path: this.#basePath + path,
      headers,
      signal: options.signal,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      bodyTimeoutMs: options.idleMs ?? BODY_TIMEOUT_MS,
      ...(options.totalMs === 0 ? {} : { totalTimeoutMs: options.totalMs ?? TOTAL_TIMEOUT_MS }),
      ...(options.maxObjects === undefined ? {} : { maxBodyBytes: MAX_BODY_BYTES }),
    }
    try {
      return await this.#http.send(request)
    } catch (cause) {
      throw this.#toShipperError(cause)
    }
  }

  /** Returns the TLS options of a new connection, with the CA certificates that are on disk now. */
  #tls(): ConnectionOptions {
    const { verify, verifyHost, serverName } = this.#options
    const ca = this.#caCertificates()
    return {
      rejectUnauthorized: verify,
      ...(ca === undefined ? {} : { ca }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(verifyHost ? {} : { checkServerIdentity: () => undefined }),
    }
  }

  #caCertificates(): string | undefined {
    const { caFile, caPath } = this.#options
    const more = caPath === undefined ? [] : certificateNames(caPath).map((name) => join(caPath, name))
    const texts = [caFile, ...more].map(readIfPresent).filter((text) => text !== undefined)
    return texts.length === 0 ? undefined : texts.join('\n')
  }

  #toShipperError(cause: unknown): Error {
    if (cause instanceof Postponed) return cause
    if (cause instanceof ShipperError && !(cause instanceof HttpError)) return cause
    // What failed before a connection was asked for, such as the file of the CA certificates, has words of its own.
    if (cause instanceof HttpError && cause.cause instanceof ShipperError && cause.code === 'E_KUBE_API')
      return cause.cause
    const text = cause instanceof HttpError ? cause.reason : messageOf(cause)
    const hint = this.#options.hints.unreachable
    return new ShipperError('E_KUBE_API', `${this.#origin}: ${text}`, { retryable: true, cause, hint })
  }
}

async function errorOfResponse(response: HttpResponse, path: string, hint: string): Promise<ApiError> {
  const retryAfterMs = parseRetryAfter(response.header('retry-after'), Date.now())
  const reason = await refusalMessage(response)
  const [pathname] = path.split('?')
  const text = `GET ${pathname} failed with status ${response.status}${reason === '' ? '' : `: ${reason}`}`
  return new ApiError(response.status, text, retryAfterMs, hint)
}

function tooMany(path: string, max: number): ShipperError {
  const [pathname] = path.split('?')
  return new ShipperError('E_PEER_PROTOCOL', `the response to GET ${pathname} has more than ${max} objects`, {
    retryable: true,
    hint: 'check that Kube_URL is an API server and that the node name is right',
  })
}

function certificateNames(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => CERTIFICATE_FILE.test(name))
      .sort()
  } catch {
    return []
  }
}

/** Maximum size of a file with CA certificates: more than all authorities of a system together. */
const MAX_CA_BYTES = 4_000_000

/**
 * Returns the file's text; undefined without the file. Outside a cluster the default files are missing and system CAs
 * apply. Throws E_KUBE_API for a file that is there and cannot be read: its certificates would be missed without a word.
 */
function readIfPresent(file: string): string | undefined {
  const content = readRegular(file, MAX_CA_BYTES)
  if (!(content instanceof FsFailure)) return content.toString('latin1')
  const { message } = content
  if (isMissing(content)) return undefined
  throw new ShipperError('E_KUBE_API', `cannot read CA certificates from ${file}: ${message}`, {
    retryable: true,
    hint: 'make Kube_CA_File, and what Kube_CA_Path contains, regular files that this user may read',
  })
}
