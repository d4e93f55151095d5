import type { PluginContext } from '../../core/plugin.ts'
import type { HttpClientOptions } from '../http/client.ts'
import type { ProxyChoice } from '../http/proxy.ts'
import { TlsClient, type TlsClientOptions } from '../net/tls-client.ts'
import { ClockOffset } from './clock-offset.ts'
import { CredentialsCache } from './credentials-cache.ts'
import { type ChainOptions, CredentialsChain } from './credentials-chain.ts'
import type { AwsError } from './error-answer.ts'
import type { AwsEndpoint } from './regions.ts'
import { httpSend } from './send.ts'
import { type Credentials, payloadHash, signatureHeaders } from './signature.ts'

interface SignerOptions {
  /** Name in signatures: `kinesis`, `firehose`, `logs`, `s3`, `es`, `aoss`. */
  service: string
  region: string
  endpoint: Pick<AwsEndpoint, 'hostHeader'>
  credentials: Pick<CredentialsCache, 'get' | 'refuse'>
  nowMs: () => number
}

interface UnsignedRequest {
  method: string
  /** Path and query as they are sent, percent-encoded. */
  path: string
  /** Names in lower case, without `host` and `content-length`, which the HTTP client sends. They are signed too. */
  headers: Readonly<Record<string, string>>
  body?: Buffer | readonly Buffer[] | undefined
  /** `payloadHash` of the body when it is known, or UNSIGNED_PAYLOAD; default: it is computed. */
  payloadHash?: string
}

/** Headers of a signed request, for HttpClient, and what is needed to judge an answer that refuses it. */
export interface SignedRequest {
  readonly headers: Record<string, string>
  readonly credentials: Credentials
  readonly timeMs: number
}

/** Signs the requests to one server, and corrects clock and credentials after refusals. */
export class AwsSigner {
  readonly #options: SignerOptions
  readonly #clock: ClockOffset

  constructor(options: SignerOptions) {
    this.#options = options
    this.#clock = new ClockOffset(options.nowMs)
  }

  /** Rejects with a retryable error of the scope `peer` while there are no credentials. */
  async sign({ method, path, headers, body, ...known }: UnsignedRequest): Promise<SignedRequest> {
    const { service, region, endpoint, credentials: cache } = this.#options
    const credentials = await cache.get()
    const timeMs = this.#clock.nowMs()
    const own: Record<string, string> = { host: endpoint.hostHeader }
    if (body !== undefined) own['content-length'] = String(lengthOf(body))
    const signature = signatureHeaders({
      ...{ method, path, service, region, credentials, timeMs },
      headers: { ...headers, ...own },
      payloadHash: known.payloadHash ?? payloadHash(body),
    })
    return { headers: { ...headers, ...signature }, credentials, timeMs }
  }

  /**
   * Judges an answer that refuses a request; `date` is its header. Returns true when the same request signed again may be accepted at
   * once, with other credentials or with the time of the server. To be followed once for each request: what then fails is an error.
   */
  mayPassAgain(signed: SignedRequest, error: AwsError, date: string | undefined): boolean {
    if (error.class === 'credentials') return this.#options.credentials.refuse(signed.credentials)
    return error.class === 'clock' && this.#clock.learn(date, signed.timeMs)
  }
}

function lengthOf(body: Buffer | readonly Buffer[]): number {
  return Buffer.isBuffer(body) ? body.length : body.reduce((sum, { length }) => sum + length, 0)
}

interface SignerSettings {
  service: string
  endpoint: AwsEndpoint
  chain: ChainOptions
  /** TLS of the output, whose certificates and verification also hold for STS. */
  tls?: TlsClientOptions
  proxy?: ProxyChoice
}

/** Returns the signer of an output. Asks for nothing before the first request; throws E_CONFIG_BAD_VALUE. */
export function createSigner(
  { service, endpoint, chain, tls, proxy }: SignerSettings,
  ctx: Pick<PluginContext, 'clock' | 'log' | 'agent'> & { signal: AbortSignal },
): AwsSigner {
  const nowMs = (): number => ctx.clock.nowMs()
  const { hostname } = ctx.agent
  const send = httpSend({ tls: tls && tlsOfOthers(tls, ctx), proxy })
  const loader = new CredentialsChain(chain, { env: process.env, send, nowMs, hostname })
  const credentials = new CredentialsCache(loader, ctx)
  return new AwsSigner({ service, region: chain.region, endpoint, credentials, nowMs })
}

/** Returns the TLS of connections to servers that the name in `tls.vhost` is not for. Files are read when it is needed. */
function tlsOfOthers(
  options: TlsClientOptions,
  ctx: Pick<PluginContext, 'clock' | 'log'>,
): NonNullable<HttpClientOptions['tls']> {
  let client: TlsClient | undefined
  return (host) => {
    client ??= new TlsClient({ ...options, tls: true, tlsVhost: undefined }, ctx.log, ctx.clock)
    return client.connectionOptions(host)
  }
}
