import { ShipperError } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import { HttpClient } from '../http/client.ts'
import { type HttpProxy, proxyFor } from '../http/proxy.ts'
import { checkProxyTls, readProxyTls } from '../http/proxy-tls.ts'
import { familyOf } from '../net/client-options.ts'
import { formatAddress } from '../net/connect.ts'
import { checkTlsClient, readTlsClient, type TlsClient } from '../net/tls-client.ts'
import type { Connections, HttpSender } from './api.ts'
import type { HttpConnectionOptions } from './options.ts'

/** A server, with the options of connections to it. */
export interface ServerOptions extends HttpConnectionOptions {
  host: string
  port: number
  proxy?: string | undefined
  /** How TLS is turned on, as a clause. Default: by the option `tls`. */
  tlsHint?: string
}

/** Connections of one output to its server. */
export class HttpConnections implements Connections {
  /** `https://host:port` */
  readonly origin: string
  readonly secrets: readonly string[]
  readonly #options: ServerOptions
  readonly #ctx: OutputContext
  #tls: TlsClient | undefined
  #proxy: HttpProxy | undefined

  /**
   * `secrets`: those of the requests beside those of the options of the output. Throws E_CONFIG_BAD_VALUE for files of TLS that
   * cannot be used, so that a check finds what a start would.
   */
  constructor(options: ServerOptions, ctx: OutputContext, secrets: readonly string[] = []) {
    const { host, port, tls } = options
    this.secrets = secrets
    this.#options = options
    this.#ctx = ctx
    this.origin = `${tls ? 'https' : 'http'}://${formatAddress(host, port)}`
    if (!URL.canParse(this.origin))
      throw new ShipperError('E_CONFIG_BAD_VALUE', `${host} is not a host name or address`, {
        option: 'host',
        hint: 'write a name, an IPv4 address, or an IPv6 address without a zone',
      })
    checkTlsClient(options)
    if (this.#proxyOf()?.isSecure) checkProxyTls(options)
  }

  /** Reads the files of TLS and the proxy of the environment; throws what an operator has to fix. */
  start(): void {
    this.#proxy = this.#proxyOf()
    this.#tls = readTlsClient(this.#options, this.#ctx)
  }

  #proxyOf(): HttpProxy | undefined {
    const { proxy, netProxyEnvIgnore: ignoreEnvironment } = this.#options
    return proxyFor(new URL(this.origin), { proxy, ignoreEnvironment })
  }

  get responseTimeoutMs(): number {
    return this.#options.httpResponseTimeout
  }

  get readTimeoutMs(): number {
    const { httpResponseTimeout, httpReadIdleTimeout, netIoTimeout } = this.#options
    return httpReadIdleTimeout || netIoTimeout || httpResponseTimeout
  }

  get closedHint(): string | undefined {
    const { tls, tlsCrtFile, tlsHint = 'set tls on' } = this.#options
    if (!tls) return `the port may expect TLS; if so, ${tlsHint}`
    if (tlsCrtFile !== undefined) return undefined
    return 'the server may require a client certificate; if so, set tls.crt_file and tls.key_file'
  }

  get maxRequests(): number | undefined {
    return this.#options.netMaxWorkerConnections || undefined
  }

  createSender(): HttpSender {
    const o = this.#options
    const proxy = this.#proxy
    return new HttpClient({
      origin: this.origin,
      ...(this.#tls === undefined
        ? {}
        : { tls: (host: string) => (this.#tls as TlsClient).connectionOptions(host) }),
      connectTimeoutMs: o.netConnectTimeout,
      keepAlive: o.netKeepalive,
      idleTimeoutMs: o.netKeepaliveIdleTimeout,
      maxRequestsPerConnection: o.netKeepaliveMaxRecycle,
      tcpKeepAliveMs: o.netTcpKeepalive ? Math.max(0, o.netTcpKeepaliveTime) * 1000 : undefined,
      proxy,
      ...(proxy?.isSecure ? { proxyTls: readProxyTls(o, this.#ctx) } : {}),
      localAddress: o.netSourceAddress,
      family: familyOf(o),
    })
  }
}
