import type { Socket } from 'node:dgram'
import { isIP } from 'node:net'
import { messageOf, ShipperError, systemCode } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import { checkSource } from './client-options.ts'
import { formatAddress } from './connect.ts'
import { isNameFailure } from './connect-failure.ts'
import type { DatagramBatch } from './datagram-batch.ts'
import { stopped } from './stopped.ts'

interface DatagramPeer {
  readonly host: string
  readonly port: number
  /** Local address to send from. */
  readonly source: string | undefined
  /** The only family of addresses to send to; undefined: that of the source, or any. */
  readonly family: 4 | 6 | undefined
}

/** Time for which the first datagram waits for an ICMP error that the port is closed, after a start and after such an error. */
const REFUSAL_MS = 200
/** Time after which the name is resolved again. */
const NAME_MS = 30_000
/** Datagrams after which others get a turn, and answers of the network are seen. */
const TURN = 64
/** Turns of the loop after the last datagram. */
const LAST_TURNS = 3

/** Why sending has stopped, and at which datagram: those before it were taken by the kernel. */
interface DatagramFailure {
  readonly at: number
  /** True when the datagram is too large for the network or the system. */
  readonly isTooLarge: boolean
  readonly error: ShipperError
}

/**
 * Sends datagrams to a peer: each is sent when the kernel has taken it. The socket is connected, so that the kernel reports when
 * the port of the peer is closed (ECONNREFUSED, from ICMP): what was sent in the same call is then sent again, as it is not known
 * which datagrams were refused, and until a first one passes no other is sent. A name is resolved again after a failure, and
 * every 30 s.
 */
export class DatagramClient {
  readonly #peer: DatagramPeer
  readonly #name: string
  readonly #ctx: OutputContext
  #socket: Socket | undefined
  /** Address that the socket is connected to. */
  #address = ''
  #resolvedMs = 0
  /** Set when an ICMP error has reported a closed port. */
  #refusal: Error | undefined
  /** True until a datagram was not refused. */
  #isDoubtful = true
  /** Ends what is under way when the network answers or the agent stops. */
  #interrupt: (() => void) | undefined

  constructor(peer: DatagramPeer, ctx: OutputContext) {
    checkSource(peer.host, peer.source)
    this.#peer = peer
    this.#name = formatAddress(peer.host, peer.port)
    this.#ctx = ctx
    ctx.signal.addEventListener('abort', () => this.#interrupt?.(), { once: true })
  }

  /**
   * Sends the datagrams from `first` on; resolves with undefined when the kernel has taken all, or with the failure. Rejects with a
   * retryable ShipperError when none of them was sent. Not to be called before the last call has settled.
   */
  async send(batch: DatagramBatch, first: number): Promise<DatagramFailure | undefined> {
    const { signal } = this.#ctx
    if (signal.aborted) throw stopped()
    // The answers to datagrams of before come one by one, and must not be taken for those to others: another socket gets none of them.
    if (this.#refusal !== undefined) this.close()
    this.#refusal = undefined
    const socket = await this.#open()
    let at = first
    if (this.#isDoubtful && at < batch.count) {
      const failure = (await this.#transmit(socket, batch, at, at + 1)) ?? (await this.#waitForRefusal(at))
      if (failure !== undefined) return this.#failed(failure)
      this.#isDoubtful = false
      at++
    }
    while (at < batch.count) {
      const end = Math.min(batch.count, at + TURN)
      const failure = await this.#transmit(socket, batch, at, end)
      if (failure?.isTooLarge) return failure
      if (failure === undefined) await this.#waitForAnswers(end === batch.count)
      // Which of the datagrams were refused is not known.
      if (this.#refusal !== undefined) return this.#failed({ ...this.#refused(), at: first })
      if (failure !== undefined) return this.#failed(failure)
      at = end
    }
    return undefined
  }

  /** Waits for turns of the loop, in which the answers of the network arrive: that of this machine in the second one. */
  async #waitForAnswers(isEnd: boolean): Promise<void> {
    for (let i = 0; i < (isEnd ? LAST_TURNS : 1); i++) await new Promise((resolve) => setImmediate(resolve))
    if (this.#ctx.signal.aborted) throw stopped()
  }

  close(): void {
    this.#socket?.close()
    this.#socket = undefined
  }

  #failed(failure: DatagramFailure): DatagramFailure {
    if (failure.isTooLarge) return failure
    this.#isDoubtful = true
    // The name may have another address by now.
    this.#resolvedMs = 0
    return failure
  }

  /** Returns the socket, connected to the present address of the peer. */
  async #open(): Promise<Socket> {
    const { clock, log } = this.#ctx
    const { host, port } = this.#peer
    if (this.#socket !== undefined && (isIP(host) !== 0 || clock.nowMs() - this.#resolvedMs < NAME_MS))
      return this.#socket
    const found = await this.#resolve()
    this.#resolvedMs = clock.nowMs()
    if (this.#socket !== undefined && found.address === this.#address) return this.#socket
    this.close()
    const { createSocket } = await import('node:dgram')
    const socket = createSocket(found.family === 6 ? 'udp6' : 'udp4')
    socket.on('error', (error) => {
      if (this.#socket === socket) this.#answered(error)
    })
    try {
      await this.#connect(socket, found.address)
    } catch (error) {
      socket.close()
      throw this.#error(error)
    }
    this.#socket = socket
    this.#address = found.address
    this.#isDoubtful = true
    log.debug(
      `sending to ${this.#name}${found.address === host ? '' : ` (${formatAddress(found.address, port)})`}`,
    )
    return socket
  }

  async #resolve(): Promise<{ address: string; family: number }> {
    const { host, source, family } = this.#peer
    const own = isIP(host)
    if (own !== 0) return { address: host, family: own }
    const { lookup } = await import('node:dns/promises')
    try {
      return await lookup(host, { family: family ?? isIP(source ?? '') })
    } catch (error) {
      // Where it was before is more likely than nowhere.
      if (this.#socket !== undefined && !this.#isDoubtful)
        return { address: this.#address, family: isIP(this.#address) }
      throw this.#error(error)
    }
  }

  #connect(socket: Socket, address: string): Promise<void> {
    const { port, source } = this.#peer
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      const connect = (): void =>
        socket.connect(port, address, () => {
          socket.off('error', reject)
          resolve()
        })
      if (source === undefined) connect()
      else socket.bind(0, source, connect)
    })
  }

  /** Notes what the network has answered, and ends a wait for it. */
  #answered(error: Error): void {
    this.#refusal = error
    this.#isDoubtful = true
    this.#interrupt?.()
  }

  #transmit(
    socket: Socket,
    batch: DatagramBatch,
    first: number,
    end: number,
  ): Promise<DatagramFailure | undefined> {
    const { signal } = this.#ctx
    return new Promise((resolve, reject) => {
      let at = first
      const settle = (failure?: DatagramFailure): void => {
        this.#interrupt = undefined
        resolve(failure)
      }
      // A full buffer of the system lets the callback wait: the answer or the stop must not.
      this.#interrupt = () => {
        this.#interrupt = undefined
        if (signal.aborted) reject(stopped())
        else resolve({ ...this.#refused(), at: first })
        at = end
      }
      const sent = (error: Error | null): void => {
        if (at >= end) return
        if (systemCode(error) === 'ECONNREFUSED') this.#refusal = error ?? undefined
        if (error != null)
          settle({ at, isTooLarge: systemCode(error) === 'EMSGSIZE', error: this.#error(error) })
        else if (++at === end) settle()
        else next()
      }
      const next = (): void => {
        const start = batch.start(at)
        socket.send(batch.text.buf, start, batch.endOf(at) - start, sent)
      }
      next()
    })
  }

  #waitForRefusal(at: number): Promise<DatagramFailure | undefined> {
    const { clock, signal } = this.#ctx
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#interrupt = undefined
        clock.cancel(timer)
        if (signal.aborted) reject(stopped())
        else resolve(this.#refusal === undefined ? undefined : { ...this.#refused(), at })
      }
      const timer = clock.after(REFUSAL_MS, end)
      this.#interrupt = end
      if (this.#refusal !== undefined) end()
    })
  }

  #refused(): Omit<DatagramFailure, 'at'> {
    return { isTooLarge: false, error: this.#error(this.#refusal) }
  }

  #error(cause: unknown): ShipperError {
    const options = { retryable: true, scope: 'peer', cause } as const
    if (isNameFailure(cause))
      return new ShipperError(
        'E_PEER_NAME',
        `cannot resolve ${this.#peer.host}: ${messageOf(cause)}`,
        options,
      )
    const reason =
      systemCode(cause) === 'ECONNREFUSED'
        ? 'no process listens on that UDP port (ECONNREFUSED)'
        : reasonFrom(this.#peer.source, cause)
    return new ShipperError('E_PEER_UNREACHABLE', `cannot send to ${this.#name}: ${reason}`, options)
  }
}

/** Returns the reason of a failure, which may be that no address of this machine is the source address. */
function reasonFrom(source: string | undefined, cause: unknown): string {
  if (source === undefined || systemCode(cause) !== 'EADDRNOTAVAIL') return messageOf(cause)
  return `net.source_address ${source} is not an address of this machine (EADDRNOTAVAIL)`
}
