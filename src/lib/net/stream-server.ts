import type { AddressInfo, Server, Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { messageOf } from '../../core/error.ts'
import type { InputContext } from '../../core/plugin.ts'
import { openFileLimit } from '../fs/open-file-limit.ts'
import { newRunId } from '../plugin/run-id.ts'
import { Admission } from './admission.ts'
import { formatAddress } from './connect.ts'
import type { Cause, Occupant } from './giving-way.ts'
import { HANDSHAKE_REASONS, isClientHello, TLS_OFF } from './handshake-failure.ts'
import { LISTEN_OPTIONS, listenError, listening, listenOn } from './listen.ts'
import { HIGH_WATER_BYTES } from './paused-socket.ts'
import { Handshakes, logFailure } from './tls-handshakes.ts'
import { removeStaleSocket, setSocketMode, socketError } from './unix-socket.ts'

/** Part of the limit of open files that connections may take: files, outputs and the database need the rest. */
const MAX_DESCRIPTOR_SHARE = 0.25
/** Time for the peers to take the last bytes. */
const CLOSE_MS = 500
/** Connections at most, where Max_Connections is 0. */
const MAX_CONNECTIONS = 65_536
/**
 * Connections that wait for a place at most; with few descriptors half as many as may have one. The runtime accepts all that come
 * while it accepts, which are thousands on a busy machine, before it reads the first.
 */
const MAX_WAITING = 4096
/** Connections that the kernel completes before they are accepted. The runtime takes no other number. */
const BACKLOG = 512

/** Counters of an input that accepts connections. */
export const CONNECTION_COUNTERS = {
  connections: 'connections accepted',
  waiting_connections:
    'connections that had to wait before they were read, because of Max_Connections or the limit of open files',
  refused_connections: 'connections closed without having been read, because too many waited already',
  evicted_connections: 'connections closed for one that waited, because they were idle or did not go on',
  failed_handshakes: { help: 'TLS handshakes that failed', reasons: HANDSHAKE_REASONS },
} as const

/** One connection of a server. */
export interface ServerConnection extends Occupant {
  /** Begins to read. */
  start(): void
  /** Ends the connection, as soon as what is written has been sent. */
  close(): void
  destroy(): void
  /** Ends it in favor of another one; `destroy` if it is left out. What has arrived of a message is kept, or refused. */
  evict?(): void
}

/** Where a server listens. */
export type ListenAt =
  | { host: string; port: number }
  /** `option` has the path. */
  | { path: string; mode: string | undefined; option: string }

interface StreamServerOptions<C> {
  ctx: Pick<InputContext, 'agent' | 'clock' | 'counters' | 'log'>
  /** Value of Max_Connections; 0: as many as descriptors allow, up to MAX_CONNECTIONS. */
  maxConnections: number
  /** Limit of open files of the process; left out: it is looked up. */
  openFiles?: number
  /** Connections that may wait for a place, for tests. */
  maxWaiting?: number
  /** Reads what the configuration has for TLS; undefined: plain connections. */
  tls?: () => TlsOptions | undefined
  /** Returns a connection; `id` is unique among all of this agent. */
  create(socket: Socket, id: string): C
}

/** Accepts connections on a TCP port or a Unix stream socket, up to a limit; beyond it they wait, see `Admission`. */
export class StreamServer<C extends ServerConnection> {
  readonly connections = new Set<C>()
  readonly #options: StreamServerOptions<C>
  /** Max_Connections, or less with few descriptors. */
  readonly #maxConnections: number
  readonly #admission: Admission
  #handshakes: Handshakes | undefined
  #server: Server | undefined
  #accepted = 0
  readonly #runId = newRunId()
  #pausesNext = false
  #isStopped = false
  #allClosed: (() => void) | undefined

  constructor(options: StreamServerOptions<C>) {
    this.#options = options
    const openFiles = options.openFiles ?? openFileLimit()
    const share = Math.max(1, Math.floor(openFiles * MAX_DESCRIPTOR_SHARE))
    this.#maxConnections = Math.min(options.maxConnections || MAX_CONNECTIONS, share)
    const mayWait = Math.max(share - this.#maxConnections, Math.ceil(share / 2))
    this.#admission = new Admission({
      ctx: options.ctx,
      maxConnections: this.#maxConnections,
      maxWaiting: Math.min(options.maxWaiting ?? MAX_WAITING, mayWait),
      create: (socket) => this.#handshakes?.create(socket) ?? this.#create(socket),
      start: (occupant) => this.#start(occupant),
      close: (occupant, cause) => this.#giveWay(occupant, cause),
    })
  }

  /** Number of connections that wait for a place, and are not read. */
  get waiting(): number {
    return this.#admission.waiting
  }

  /** Listens, and logs where. Rejects with E_LISTEN. */
  async listen(at: ListenAt): Promise<void> {
    const { ctx, maxConnections } = this.#options
    const tls = this.#options.tls?.()
    if (tls !== undefined)
      this.#handshakes = await Handshakes.open({
        ctx,
        tls,
        done: (socket, handshake) => {
          const connection = this.#create(socket)
          this.#admission.replace(handshake, connection)
          connection.start()
        },
        failed: (handshake) => this.#admission.release(handshake),
      })
    const { createServer } = await import('node:net')
    const server = createServer(
      { allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER_BYTES },
      (socket) => this.#accept(socket),
    )
    this.#server = server
    await bind(server, at)
    server.on('error', (error) => ctx.log.warn(`cannot accept connections: ${messageOf(error)}`))
    ctx.log.info(`listening on ${addressText(server)}`)
    if (this.#maxConnections < maxConnections)
      ctx.log.warn(
        `at most ${this.#maxConnections} connections, and not Max_Connections (${maxConnections}): they may take a quarter of the descriptors of the process`,
        { hint: 'raise the limit of open files (LimitNOFILE, ulimit -n), or lower Max_Connections' },
      )
  }

  /** Accepts no more connections. Those that wait for a place are read, too. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#server?.close()
    this.#admission.stop(this.#handshakes === undefined)
    this.#handshakes?.stop()
  }

  /** To be called when a connection has ended. */
  closed(connection: C): void {
    this.connections.delete(connection)
    this.#admission.release(connection)
    if (this.connections.size === 0) this.#allClosed?.()
  }

  /** Closes all connections, and resolves when they have ended. */
  async close(): Promise<void> {
    this.stop()
    if (this.connections.size === 0) return
    const closed = new Promise<void>((resolve) => {
      this.#allClosed = resolve
    })
    for (const connection of this.connections) connection.close()
    const { clock } = this.#options.ctx
    const timer = clock.after(CLOSE_MS, () => {
      for (const connection of this.connections) connection.destroy()
    })
    await closed
    clock.cancel(timer)
  }

  #accept(socket: Socket): void {
    if (this.#isStopped) {
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    this.#admission.arrived(socket)
    this.#pauseNext(this.#admission.isFull)
  }

  /** Has the next connection not read at all, as it has to wait. The runtimes look at this for each one; the types do not have it. */
  #pauseNext(pauseOnConnect: boolean): void {
    if (pauseOnConnect === this.#pausesNext) return
    this.#pausesNext = pauseOnConnect
    Object.assign(this.#server as Server, { pauseOnConnect })
  }

  #create(socket: Socket): C {
    const { ctx, create } = this.#options
    ctx.counters.add('connections')
    const connection = create(socket, `${this.#runId}:${this.#accepted++}`)
    this.connections.add(connection)
    if (this.#handshakes === undefined) {
      socket.once('data', (first: Buffer) => this.#checkFirst(first, socket, connection))
      // A connection that has waited is paused; `start` may pause it again.
      socket.resume()
    }
    return connection
  }

  #start(occupant: Occupant): void {
    if (this.#handshakes === undefined) (occupant as C).start()
    else this.#handshakes.start(occupant)
  }

  /** Closes a connection whose peer sends TLS where there is none: both sides would wait for each other, or read nonsense. */
  #checkFirst(bytes: Buffer, socket: Socket, connection: C): void {
    if (!isClientHello(bytes)) return
    const peer =
      socket.remoteAddress === undefined
        ? 'a local peer'
        : formatAddress(socket.remoteAddress, socket.remotePort ?? 0)
    logFailure(this.#options.ctx, peer, TLS_OFF)
    connection.destroy()
  }

  #giveWay(occupant: Occupant, cause: Cause): void {
    if (cause === 'handshake') {
      this.#handshakes?.giveWay(occupant)
      return
    }
    const connection = occupant as C
    if (connection.evict === undefined) connection.destroy()
    else connection.evict()
  }
}

/** Begins to listen. Rejects with E_LISTEN. */
async function bind(server: Server, at: ListenAt): Promise<void> {
  if ('path' in at) {
    try {
      await removeStaleSocket(at.path)
      await listening(server, { path: at.path })
      setSocketMode(at.path, at.mode)
    } catch (error) {
      throw socketError(at.path, at.option, error)
    }
    return
  }
  const { host, port } = at
  try {
    await listenOn(server, host, port, (to, address, number) =>
      listening(to, { host: address, port: number, backlog: BACKLOG }),
    )
  } catch (error) {
    throw listenError(formatAddress(host, port), error, LISTEN_OPTIONS)
  }
}

function addressText(server: Server): string {
  const at = server.address() as AddressInfo | string | null
  return typeof at === 'string' || at === null ? String(at) : formatAddress(at.address, at.port)
}
