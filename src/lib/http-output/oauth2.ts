import { ShipperError } from '../../core/error.ts'
import { escapeControls } from '../../core/escape-controls.ts'
import { maskTexts } from '../../core/mask-texts.ts'
import type { OutputContext } from '../../core/plugin.ts'
import { HttpClient } from '../http/client.ts'
import { proxyFor } from '../http/proxy.ts'
import { readTlsClient, type TlsClient } from '../net/tls-client.ts'
import type { Authorizer, FailedAnswer } from './api.ts'
import { clientAssertion } from './client-assertion.ts'
import type { OAuth2Options } from './oauth2-options.ts'
import type { HttpConnectionOptions } from './options.ts'

const MAX_ANSWER_BYTES = 262_144
/** Time for which a token is used whose answer does not say how long it is valid. */
const DEFAULT_TTL_S = 300
const MAX_WORDS = 200
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export interface TokenOptions extends OAuth2Options, HttpConnectionOptions {
  proxy?: string | undefined
}

interface Token {
  readonly header: string
  readonly renewAtMs: number
}

/**
 * Returns who fetches tokens for the requests of an output; undefined when it needs none. Asks for nothing before the first request.
 * Throws E_CONFIG_BAD_VALUE.
 */
export function oauth2AuthorizerOf(options: TokenOptions, ctx: OutputContext): Authorizer | undefined {
  if (!options.oauth2Enable) return undefined
  const { oauth2TokenUrl, oauth2ClientId, oauth2AuthMethod, oauth2JwtKeyFile } = options
  const missing =
    oauth2TokenUrl === undefined
      ? 'oauth2.token_url'
      : oauth2ClientId === undefined
        ? 'oauth2.client_id'
        : oauth2AuthMethod === 'private_key_jwt' && oauth2JwtKeyFile === undefined
          ? 'oauth2.jwt_key_file'
          : undefined
  if (missing !== undefined)
    throw new ShipperError('E_CONFIG_BAD_VALUE', `oauth2.enable needs ${missing}`, {
      option: 'oauth2.enable',
      hint: `set ${missing}`,
    })
  return new OAuth2Authorizer(options, ctx)
}

/** Fetches tokens by the client credentials grant, and renews them before they expire, or once when one is refused. */
class OAuth2Authorizer implements Authorizer {
  readonly #options: TokenOptions
  readonly #ctx: OutputContext
  readonly #url: URL
  #client: HttpClient | undefined
  #tls: TlsClient | undefined
  #token: Token | undefined
  /** The request for a token that is under way: all that need one wait for it. */
  #fetching: Promise<Token> | undefined

  constructor(options: TokenOptions, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#url = new URL(options.oauth2TokenUrl as string)
  }

  async headers(_: unknown, signal: AbortSignal): Promise<Record<string, string>> {
    const token = this.#token
    if (token !== undefined && this.#ctx.clock.nowMs() < token.renewAtMs)
      return { authorization: token.header }
    this.#fetching ??= this.#fetch(signal).finally(() => {
      this.#fetching = undefined
    })
    this.#token = await this.#fetching
    return { authorization: this.#token.header }
  }

  refused({ status }: FailedAnswer, added: Record<string, string>): boolean {
    if (status !== 401) return false
    // Another request may have renewed it.
    if (this.#token?.header === added.authorization) this.#token = undefined
    return true
  }

  async close(): Promise<void> {
    await this.#client?.close()
  }

  async #fetch(signal: AbortSignal): Promise<Token> {
    const { oauth2RefreshSkewSeconds: skew, oauth2Timeout, httpResponseTimeout } = this.#options
    const limitMs = oauth2Timeout || httpResponseTimeout
    const { body, headers } = this.#request()
    this.#client ??= this.#createClient()
    const askedMs = this.#ctx.clock.nowMs()
    const response = await this.#client.send({
      ...{ method: 'POST', path: `${this.#url.pathname}${this.#url.search}`, headers, signal },
      body: Buffer.from(body),
      ...{
        headTimeoutMs: limitMs,
        bodyTimeoutMs: limitMs,
        totalTimeoutMs: limitMs,
        maxBodyBytes: MAX_ANSWER_BYTES,
      },
    })
    const pieces: Buffer[] = []
    try {
      for await (const piece of response.body) pieces.push(piece)
    } finally {
      response.discard()
    }
    const answer = parse(Buffer.concat(pieces).toString())
    const { access_token: text, expires_in: ttl } = answer
    if (response.status !== 200 || typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text))
      throw this.#refused(response.status, answer)
    const ttlS = Number(ttl) > 0 ? Number(ttl) : DEFAULT_TTL_S
    // One that is valid for less than the skew is used for half of its time.
    return { header: `Bearer ${text}`, renewAtMs: askedMs + Math.max(ttlS - skew, ttlS / 2) * 1000 }
  }

  #request(): { body: string; headers: Record<string, string> } {
    const o = this.#options
    const id = o.oauth2ClientId as string
    const form = new URLSearchParams({ grant_type: 'client_credentials' })
    if (o.oauth2Scope !== undefined) form.set('scope', o.oauth2Scope)
    if (o.oauth2Audience !== undefined) form.set('audience', o.oauth2Audience)
    if (o.oauth2Resource !== undefined) form.set('resource', o.oauth2Resource)
    const headers: Record<string, string> = {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      'user-agent': o.oauth2UserAgent ?? `shipper/${this.#ctx.agent.version}`,
    }
    if (o.oauth2AuthMethod === 'basic') {
      // RFC 6749, 2.3.1: both are encoded as in a form before they are joined.
      const login = `${formText(id)}:${formText(o.oauth2ClientSecret ?? '')}`
      headers.authorization = `Basic ${Buffer.from(login).toString('base64')}`
    } else {
      form.set('client_id', id)
      if (o.oauth2AuthMethod === 'post') form.set('client_secret', o.oauth2ClientSecret ?? '')
      else {
        form.set('client_assertion_type', ASSERTION_TYPE)
        form.set('client_assertion', clientAssertion(o, this.#ctx.clock.nowMs()))
      }
    }
    return { body: form.toString(), headers }
  }

  #createClient(): HttpClient {
    const { netConnectTimeout, oauth2ConnectTimeout, netProxyEnvIgnore, proxy } = this.#options
    this.#tls = readTlsClient(
      { ...this.#options, tls: this.#url.protocol === 'https:', tlsVhost: undefined },
      this.#ctx,
    )
    return new HttpClient({
      origin: this.#url.origin,
      ...(this.#tls === undefined
        ? {}
        : { tls: (host: string) => (this.#tls as TlsClient).connectionOptions(host) }),
      connectTimeoutMs: oauth2ConnectTimeout || netConnectTimeout,
      keepAlive: false,
      proxy: proxyFor(this.#url, { proxy, ignoreEnvironment: netProxyEnvIgnore }),
    })
  }

  #refused(status: number, { error, error_description: description }: Record<string, unknown>): ShipperError {
    const said = [error, description].filter((each) => typeof each === 'string').join(': ')
    const shown = maskTexts(this.#ctx.secrets ?? [])(said).slice(0, MAX_WORDS)
    const words = said === '' ? '' : ` ${escapeControls(shown)}`
    return new ShipperError('E_PEER_AUTH', `${this.#url.origin}: no token: ${status}${words}`, {
      ...{ retryable: true, scope: 'peer' },
      hint: 'check oauth2.token_url, oauth2.client_id and the secret or key; records wait, and none is lost',
    })
  }
}

function formText(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2)
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    // Its text may have the token.
    return { error: 'the answer is not JSON' }
  }
}
