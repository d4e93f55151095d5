/** Types of what is used of undici by path: under bun the package's own name is a stand-in for the runtime's client. */
declare module 'undici/lib/dispatcher/pool.js' {
  import type { Socket } from 'node:net'

  interface Controller {
    readonly aborted: boolean
    readonly paused: boolean
    abort(reason: Error): void
    pause(): void
    resume(): void
  }
  interface Handler {
    onRequestStart(controller: Controller, context: unknown): void
    onBodySent?(piece: Uint8Array): void
    onRequestSent?(): void
    onRequestUpgrade?(controller: Controller, status: number, headers: Headers, socket: Socket): void
    onResponseStart?(controller: Controller, status: number, headers: Headers, statusText?: string): void
    onResponseData?(controller: Controller, piece: Buffer): void
    onResponseEnd?(controller: Controller, trailers: Headers): void
    onResponseError(controller: Controller | null, error: Error): void
  }
  type Headers = Record<string, string | string[] | undefined>
  interface Dispatch {
    path: string
    method: string
    headers: string[]
    body: Uint8Array | AsyncIterable<Uint8Array> | null
    reset: boolean | null
    headersTimeout: 0
    bodyTimeout: 0
    [hook: symbol]: (cancel: (reason: Error) => void) => void
  }
  interface ConnectTarget {
    hostname: string
    port: string
    protocol: string
    servername: string | null
  }
  interface PoolOptions {
    connect(target: ConnectTarget, done: (error: Error | null, socket?: Socket) => void): void
    connections: number | null
    pipelining: 1
    allowH2: false
    maxHeaderSize: number
    keepAliveTimeout: number
    keepAliveMaxTimeout: number
    maxRequestsPerClient?: number
  }
  export default class Pool {
    constructor(origin: string, options: PoolOptions)
    dispatch(options: Dispatch, handler: Handler): boolean
    destroy(reason?: Error): Promise<void>
  }
  export type { Controller, Dispatch, Handler, Headers, PoolOptions }
}

declare module 'undici/lib/core/symbols.js' {
  const symbols: {
    /** Option of a dispatch: a function that is given the means to take the request out of the queue. */
    readonly kQueuedAbort: symbol
  }
  export default symbols
}
