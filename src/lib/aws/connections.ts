import type { OptionsOf } from '../../core/options/option.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type { Connections, HttpSender } from '../http-output/api.ts'
import { HttpConnections } from '../http-output/connect.ts'
import { HTTP_CONNECTION_OPTIONS } from '../http-output/options.ts'
import { tlsByUrl, warnOfTls, withUrlTls } from '../http-output/url-tls.ts'
import { AwsAuthorizer } from './authorizer.ts'
import type { ChainOptions } from './credentials-chain.ts'
import type { AwsEndpoint } from './regions.ts'
import type { Send } from './send.ts'
import { type AwsSigner, createSigner } from './signer.ts'

/** Options of connections to a service of AWS: TLS unless it is turned off. */
export const AWS_CONNECTION_OPTIONS = withUrlTls(HTTP_CONNECTION_OPTIONS, 'endpoint')

type AwsConnectionOptions = OptionsOf<typeof AWS_CONNECTION_OPTIONS> & { proxy?: string | undefined }

interface AwsTarget {
  /** Name in signatures. */
  readonly service: string
  readonly endpoint: AwsEndpoint
  readonly chain: ChainOptions
}

/** Returns the connections of an output to a service, and the authorizer that signs its requests. Throws E_CONFIG_BAD_VALUE. */
export function connectTo(
  { service, endpoint, chain }: AwsTarget,
  options: AwsConnectionOptions,
  ctx: OutputContext,
): { connections: HttpConnections; authorizer: AwsAuthorizer; signer: AwsSigner } {
  const { host, port, isSecure } = endpoint
  warnOfTls(options.tls, isSecure, 'endpoint', ctx.log)
  const server = { ...options, host, port, tls: isSecure, tlsHint: tlsByUrl('endpoint') }
  const connections = new HttpConnections(server, ctx)
  const signer = createSigner(
    {
      ...{ service, endpoint, chain },
      tls: server,
      proxy: { proxy: options.proxy, ignoreEnvironment: options.netProxyEnvIgnore },
    },
    ctx,
  )
  return { connections, authorizer: new AwsAuthorizer(signer), signer }
}

/** Short requests over connections to the same server as those of an output, which are made for the first of them. */
export class ShortRequests {
  readonly #connections: Connections
  #sender: HttpSender | undefined

  constructor(connections: Connections) {
    this.#connections = connections
  }

  readonly send: Send = async ({ headers, body = '', timeoutMs, maxBodyBytes, method, path, signal }) => {
    this.#sender ??= this.#connections.createSender()
    const response = await this.#sender.send({
      ...{ method, path, signal, body: [Buffer.from(body)] },
      ...{ headers, headTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs, answerTimeoutMs: timeoutMs },
      // A longer one is cut here.
      maxBodyBytes: Number.POSITIVE_INFINITY,
    })
    try {
      const pieces: Buffer[] = []
      let left = maxBodyBytes
      for await (const piece of response.body) {
        pieces.push(piece.subarray(0, left))
        left -= piece.length
        if (left <= 0) break
      }
      const text = Buffer.concat(pieces).toString()
      return { status: response.status, text, header: (name) => response.header(name) }
    } finally {
      response.discard()
    }
  }

  async close(): Promise<void> {
    const sender = this.#sender
    this.#sender = undefined
    await sender?.close()
  }
}
