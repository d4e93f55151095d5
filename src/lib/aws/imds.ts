import { ShipperError } from '../../core/error.ts'
import { HttpError } from '../http/http-error.ts'
import type { Send, ShortAnswer } from './send.ts'

/** Address of the instance metadata service, the same on every instance. */
const ENDPOINT = 'http://169.254.169.254'
const ENDPOINT_IPV6 = 'http://[fd00:ec2::254]'
/** Variable of the environment that names another one, as in the SDKs of AWS. */
const ENDPOINT_VARIABLE = 'AWS_EC2_METADATA_SERVICE_ENDPOINT'
/** Variable of the environment that forbids requests, as in the SDKs of AWS. */
export const DISABLED_VARIABLE = 'AWS_EC2_METADATA_DISABLED'
const ENDPOINT_MODE_VARIABLE = 'AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE'

const TOKEN_PATH = '/latest/api/token'
const TOKEN_HEADER = 'x-aws-ec2-metadata-token'
const TOKEN_SECONDS = '21600'
/** Time for one answer, as in fluent-bit. The service is on the machine itself. */
const ANSWER_TIMEOUT_MS = 1000
/** Maximum size of one answer: the identity document has 1 KB, the list of tags 6.4 KB. */
const MAX_ANSWER_BYTES = 65_536
const MAX_TOKEN_CHARS = 1024
/** Characters that a header may have. */
const TOKEN_FORM = /^[\x21-\x7e]+$/
const UNAUTHORIZED = 401
const NOT_FOUND = 404
/** Answers of a service of version 1 to a request for a token. */
const WITHOUT_TOKENS = [404, 405]

const HOP_HINT =
  'from a container, the metadata service cannot be reached while the hop limit of the instance is 1: raise it with `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`'

interface ImdsOptions {
  /** `any`: with a token, unless the service knows none. */
  version: 'v1' | 'v2' | 'any'
  /** `imdsEndpoint` of the environment. */
  endpoint: string
  send: Send
  /** Called for each request. */
  onRequest?: () => void
  /** What may be done besides when the request for a token gets no answer, as a clause. */
  orElse?: string
}

/** Returns true when the environment forbids requests to the service. */
export function isImdsDisabled(env: NodeJS.ProcessEnv): boolean {
  return env[DISABLED_VARIABLE]?.toLowerCase() === 'true'
}

/** Returns the address of the service that the environment names, or the usual one. */
export function imdsEndpoint(env: NodeJS.ProcessEnv): string {
  const isIpv6 = env[ENDPOINT_MODE_VARIABLE]?.toLowerCase() === 'ipv6'
  return env[ENDPOINT_VARIABLE] || (isIpv6 ? ENDPOINT_IPV6 : ENDPOINT)
}

/** A client of the EC2 instance metadata service. */
export class Imds {
  readonly #options: ImdsOptions
  readonly #origin: string
  readonly #basePath: string
  #usesTokens: boolean
  #token: string | undefined

  /** Throws E_CONFIG_BAD_VALUE when the endpoint is not a URL. */
  constructor(options: ImdsOptions) {
    const url = endpointUrl(options.endpoint)
    this.#options = options
    this.#origin = url.origin
    this.#basePath = url.pathname.replace(TRAILING_SLASHES, '')
    this.#usesTokens = options.version !== 'v1'
  }

  /** Resolves with the text at a path; undefined: there is none (404). A token that has expired is replaced once. */
  async get(path: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#usesTokens) this.#token ??= await this.#newToken(signal)
    let answer = await this.#request('GET', path, this.#tokenHeader(), signal)
    if (answer.status === UNAUTHORIZED && this.#usesTokens) {
      this.#token = await this.#newToken(signal)
      answer = await this.#request('GET', path, this.#tokenHeader(), signal)
    }
    if (answer.status === NOT_FOUND) return undefined
    if (answer.status !== 200) throw refused('GET', path, answer.status)
    return answer.text
  }

  #tokenHeader(): Record<string, string> {
    return this.#token === undefined ? {} : { [TOKEN_HEADER]: this.#token }
  }

  async #newToken(signal: AbortSignal): Promise<string | undefined> {
    this.#token = undefined
    const headers = { [`${TOKEN_HEADER}-ttl-seconds`]: TOKEN_SECONDS }
    const { status, text } = await this.#request('PUT', TOKEN_PATH, headers, signal)
    if (this.#options.version === 'any' && WITHOUT_TOKENS.includes(status)) {
      this.#usesTokens = false
      return undefined
    }
    if (status !== 200) throw refused('PUT', TOKEN_PATH, status)
    if (text.length > MAX_TOKEN_CHARS || !TOKEN_FORM.test(text))
      throw new ShipperError('E_PEER_PROTOCOL', `PUT ${TOKEN_PATH}: the answer is not a token`, {
        retryable: true,
      })
    return text
  }

  async #request(
    method: 'GET' | 'PUT',
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ShortAnswer> {
    const { send, onRequest, orElse } = this.#options
    onRequest?.()
    const limits = { signal, timeoutMs: ANSWER_TIMEOUT_MS, maxBodyBytes: MAX_ANSWER_BYTES }
    try {
      return await send({ origin: this.#origin, method, path: this.#basePath + path, headers, ...limits })
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      const hint = orElse === undefined ? HOP_HINT : `${HOP_HINT}, ${orElse}`
      throw new ShipperError('E_PEER_UNREACHABLE', `${method} ${path}: ${error.reason}`, {
        ...{ retryable: true, cause: error },
        ...(method === 'PUT' ? { hint } : {}),
      })
    }
  }
}

const TRAILING_SLASHES = /\/+$/

function endpointUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new ShipperError('E_CONFIG_BAD_VALUE', `${ENDPOINT_VARIABLE} is not a URL: "${text}"`, {
    hint: `unset it, or set it to a URL such as ${ENDPOINT}`,
  })
}

function refused(method: string, path: string, status: number): ShipperError {
  const message = `${method} ${path} failed with status ${status}`
  const hint = status === 403 ? 'turn on instance metadata for the instance (HttpEndpoint)' : undefined
  return new ShipperError('E_PEER_PROTOCOL', message, { retryable: true, ...(hint && { hint }) })
}
