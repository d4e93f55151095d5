import { lstatSync, unlinkSync } from 'node:fs'
import type { connect, Socket } from 'bun'
import { loadLibc } from '../fs/libc.ts'
import { checkSocketPath } from './server-options.ts'
import { isBound, setSocketMode } from './unix-socket.ts'

const AF_UNIX = 1
/** SOCK_DGRAM, with SOCK_NONBLOCK and SOCK_CLOEXEC. */
const DATAGRAMS = 2 | 0o4000 | 0o2000000
const SOL_SOCKET = 1
const SO_RCVBUF = 8
/** Lets recv return the length of the datagram, also when it is longer than the buffer. */
const MSG_TRUNC = 0x20
const SHUT_RD = 0
const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLLIN = 1
/** struct epoll_event, which has a gap on some machines. */
const EPOLL_EVENT_BYTES = 16
const ADDRESS_BYTES = 110

/** Functions of the C library that make a socket of datagrams: no module of the runtime does. */
async function loadSockets() {
  return await loadLibc({
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
    recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
    shutdown: { args: ['i32', 'i32'], returns: 'i32' },
    epoll_create1: { args: ['i32'], returns: 'i32' },
    epoll_ctl: { args: ['i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
    dup: { args: ['i32'], returns: 'i32' },
    close: { args: ['i32'], returns: 'i32' },
  })
}
type Sockets = NonNullable<Awaited<ReturnType<typeof loadSockets>>>

/**
 * Socket at a path that receives datagrams of any size. The runtime has none; given the descriptor of one, a connection of it would read
 * at most 512 KB of a datagram and drop the rest, without a word. So datagrams are received by the C library, and the runtime tells when
 * there are some: see `readable`.
 */
export class UnixDatagramSocket {
  readonly #sockets: Sockets
  readonly #fd: number
  /** An instance of epoll that watches the socket. */
  readonly #epoll: number
  readonly #connect: typeof connect
  #connection: Socket | undefined

  private constructor(sockets: Sockets, connectTo: typeof connect, fd: number, epoll: number) {
    this.#connect = connectTo
    this.#sockets = sockets
    this.#fd = fd
    this.#epoll = epoll
  }

  /**
   * Opens a socket; `mode` are its permissions, octal. A socket that nobody listens on is removed first. Undefined where the C library
   * cannot be called; throws an error with the reason.
   */
  static async open(
    path: string,
    mode: string,
    receiveBufferSize: number,
  ): Promise<UnixDatagramSocket | undefined> {
    const sockets = await loadSockets()
    if (sockets === undefined) return undefined
    const { connect } = await import('bun')
    const address = addressOf(path)
    removeStale(sockets, path, address)
    const fd = sockets.socket(AF_UNIX, DATAGRAMS, 0)
    const epoll = sockets.epoll_create1(EPOLL_CLOEXEC)
    const socket = new UnixDatagramSocket(sockets, connect, fd, epoll)
    const event = Buffer.alloc(EPOLL_EVENT_BYTES)
    event.writeUInt32LE(EPOLLIN)
    if (fd < 0 || epoll < 0 || sockets.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event) !== 0) {
      socket.close()
      throw new Error('the system gave no socket')
    }
    if (sockets.bind(fd, address, address.length) !== 0) {
      socket.close()
      throw new Error('the system refused the path')
    }
    sockets.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Int32Array.of(receiveBufferSize), 4)
    setSocketMode(path, mode)
    return socket
  }

  /**
   * Receives a datagram; returns its length, and -1 when there is none. Of one that is longer than `buf` the rest is lost. After
   * `shutdown` the result is 0 when there is none.
   */
  receive(buf: Buffer): number {
    return this.#sockets.recv(this.#fd, buf, buf.length, MSG_TRUNC)
  }

  /**
   * Resolves when a datagram is waiting, or on `wake`. A connection of the runtime gets the descriptor of the epoll instance, which becomes
   * readable with the socket. To read from it is an error: the connection closes, and nothing is lost. `node:net` could do the same
   * at twice the cost.
   */
  readable(): Promise<void> {
    return new Promise((resolve) => {
      this.#connect({
        // The types do not have a descriptor here.
        ...({ fd: this.#sockets.dup(this.#epoll) } as unknown as { unix: string }),
        socket: {
          open: (connection) => {
            this.#connection = connection
          },
          data() {},
          error() {},
          close: () => resolve(),
        },
      }).catch(() => resolve())
    })
  }

  /** Ends the wait for a datagram. */
  wake(): void {
    this.#connection?.terminate()
  }

  /** Lets no further datagram arrive: its sender gets an error. Those that have arrived can be received. */
  shutdown(): void {
    this.#sockets.shutdown(this.#fd, SHUT_RD)
  }

  close(): void {
    this.wake()
    for (const fd of [this.#epoll, this.#fd]) if (fd >= 0) this.#sockets.close(fd)
  }
}

/** Encodes struct sockaddr_un. */
function addressOf(path: string): Buffer {
  const bytes = Buffer.from(path)
  if (checkSocketPath(path) !== undefined)
    throw new Error(`the path is too long: it has ${bytes.length} bytes`)
  const address = Buffer.alloc(ADDRESS_BYTES)
  address.writeUInt16LE(AF_UNIX, 0)
  bytes.copy(address, 2)
  return address.subarray(0, 2 + bytes.length + 1)
}

/** Removes a socket to which nobody listens; anything else at the path stays. */
function removeStale(sockets: Sockets, path: string, address: Buffer): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const fd = sockets.socket(AF_UNIX, DATAGRAMS, 0)
  const isInUse = sockets.connect(fd, address, address.length) === 0
  sockets.close(fd)
  if (!isInUse && !isBound(path)) unlinkSync(path)
}
