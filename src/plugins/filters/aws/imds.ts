import { ShipperError } from '../../../core/error.ts'
import { HttpClient } from '../../../lib/net/http-client.ts'
import { requestText } from '../../../lib/net/http-text.ts'

/** Address of the instance metadata service, the same on every instance. */
const ENDPOINT = 'http://169.254.169.254'
/** Variable of the environment that names another one, as in the SDKs of AWS. */
export const ENDPOINT_VARIABLE = 'AWS_EC2_METADATA_SERVICE_ENDPOINT'

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

const HOP_HINT =
  'in a container the answer to the request for a token gets lost while the hop limit of the instance is 1: raise it with `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`, or set Imds_Version v1'

/** A client of the EC2 instance metadata service. */
export class Imds {
  readonly #http: HttpClient
  readonly #basePath: string
  readonly #usesTokens: boolean
  readonly #onRequest: () => void
  #token: string | undefined

  /** `onRequest` is called for each request. Throws E_CONFIG_BAD_VALUE when the endpoint is no URL. */
  constructor(version: 'v1' | 'v2', endpoint: string | undefined, onRequest: () => void) {
    const url = endpointUrl(endpoint ?? ENDPOINT)
    this.#http = new HttpClient({ origin: url.origin, verify: true, verifyHost: true })
    this.#basePath = url.pathname.replace(TRAILING_SLASHES, '')
    this.#usesTokens = version === 'v2'
    this.#onRequest = onRequest
  }

  /** Resolves with the text at a path; undefined: there is none (404). A token that has expired is replaced once. */
  async get(path: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#usesTokens) this.#token ??= await this.#newToken(signal)
    let response = await this.#request('GET', path, this.#tokenHeader(), signal)
    if (response.status === UNAUTHORIZED && this.#usesTokens) {
      this.#token = await this.#newToken(signal)
      response = await this.#request('GET', path, this.#tokenHeader(), signal)
    }
    if (response.status === NOT_FOUND) return undefined
    if (response.status !== 200) throw refused('GET', path, response.status)
    return response.text
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  #tokenHeader(): Record<string, string> {
    return this.#token === undefined ? {} : { [TOKEN_HEADER]: this.#token }
  }

  async #newToken(signal: AbortSignal): Promise<string> {
    this.#token = undefined
    const headers = { [`${TOKEN_HEADER}-ttl-seconds`]: TOKEN_SECONDS, 'content-length': '0' }
    const { status, text } = await this.#request('PUT', TOKEN_PATH, headers, signal)
    if (status !== 200) throw refused('PUT', TOKEN_PATH, status)
    if (text.length > MAX_TOKEN_CHARS || !TOKEN_FORM.test(text))
      throw new ShipperError('E_PEER_PROTOCOL', `PUT ${TOKEN_PATH}: the answer is no token`, {
        retryable: true,
      })
    return text
  }

  async #request(
    method: 'GET' | 'PUT',
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }> {
    this.#onRequest()
    const limits = { signal, timeoutMs: ANSWER_TIMEOUT_MS, maxBodyBytes: MAX_ANSWER_BYTES }
    try {
      return await requestText(this.#http, { method, path: this.#basePath + path, headers, ...limits })
    } catch (error) {
      if (method !== 'PUT' || !(error instanceof ShipperError)) throw error
      throw new ShipperError(error.code, error.message, { retryable: true, hint: HOP_HINT, cause: error })
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
