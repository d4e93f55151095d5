import { connect } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { RawServer } from './raw-server.ts'

interface ProxyOptions {
  /** `user:password` that requests must have. */
  credentials?: string
  /** Status with which CONNECT is refused. */
  refuse?: number
  tls?: TlsOptions
}

/** A proxy on loopback for CONNECT and for requests with a whole URL. */
export class TestProxy {
  readonly #server: RawServer
  /** Heads of all requests. */
  readonly heads: string[]

  private constructor(server: RawServer, heads: string[]) {
    this.#server = server
    this.heads = heads
  }

  static async start({ credentials, refuse, tls }: ProxyOptions = {}): Promise<TestProxy> {
    const heads: string[] = []
    const needed =
      credentials && `proxy-authorization: basic ${Buffer.from(credentials).toString('base64')}`.toLowerCase()
    const server = await RawServer.start(
      async (peer) => {
        const head = await peer.head()
        heads.push(head)
        if (needed !== undefined && !head.toLowerCase().includes(needed))
          return peer.end(
            'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 2\r\n\r\nno',
          )
        if (refuse !== undefined) return peer.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`)
        const [method = '', url = ''] = head.split(' ')
        const target = new URL(method === 'CONNECT' ? `http://${url}` : url)
        const upstream = connect(Number(target.port), target.hostname)
        upstream.on('error', () => peer.socket.destroy())
        peer.socket.removeAllListeners('data')
        if (method === 'CONNECT') peer.send('HTTP/1.1 200 Connection Established\r\n\r\n')
        else upstream.write(`${head.replace(url, target.pathname + target.search)}\r\n\r\n`, 'latin1')
        upstream.write(peer.waiting())
        peer.socket.pipe(upstream).pipe(peer.socket)
        peer.socket.on('close', () => upstream.destroy())
      },
      tls === undefined ? {} : { tls },
    )
    return new TestProxy(server, heads)
  }

  get port(): number {
    return this.#server.port
  }

  close(): void {
    this.#server.close()
  }
}
