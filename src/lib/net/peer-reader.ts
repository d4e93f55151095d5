import type { Socket } from 'node:net'
import { type ErrorCode, messageOf } from '../../core/error.ts'
import { freeMemory } from '../../core/free-memory.ts'
import type { InputContext } from '../../core/plugin.ts'
import { formatAddress } from './connect.ts'
import { pauseSocket } from './paused-socket.ts'
import type { GatedPeer } from './read-gate.ts'
import type { MemoryHolder, PeerBudget, ReceiveBudget } from './receive-budget.ts'

/** Silence of a peer after which its owner is asked. */
export const MAX_SILENCE_MS = 60_000
/** Time that a peer which has ended its side stays connected for what it may wait for. */
const MAX_HALF_OPEN_MS = 10_000
/** Idle time after which the kernel asks a peer whether it still exists. */
const KEEP_ALIVE_MS = 30_000
/** Received pieces of this size are freed at once; smaller ones are left to the garbage collector, which costs less. */
const MIN_FREED_BYTES = 16_384
/** What the runtime makes for a piece, besides its bytes. */
const PIECE_GARBAGE_BYTES = 1024

/** Who makes messages of what a peer sends. */
export interface PieceOwner {
  /** Called with the size of a piece that has just arrived, before it is taken. */
  arrived(bytes: number): void
  /** Reads or copies a piece as far as that needs no waiting; false when a part of it has no place. */
  take(data: Buffer): boolean
  /** Takes what `take` has left of the piece, when there is memory or room; false when it is over before, and the rest is lost. */
  takeLater(data: Buffer): Promise<boolean>
  /** Reads on what was taken; returns a promise only if there is something to wait for. */
  readOn(): Promise<void> | undefined
  /** Called after the last piece of a peer of which no more will arrive. */
  readEnd(): Promise<void> | undefined
  /** Called when all that has arrived was read. */
  idle(): void
  /** Called for what one of these has thrown. */
  failed(error: unknown): void
  /** Called for bytes that had arrived and were not taken. */
  lost(bytes: number): void
  /** The peer has ended its side. */
  ended(): void
  /** Ends the own side: the peer has not closed after it has ended its side. */
  endSide(): void
  /** The connection is closed. */
  gone(): void
  /** The peer has sent nothing for MAX_SILENCE_MS. */
  silent(): void
  /** True within a message that takes memory. */
  readonly isInsideMessage: boolean
  /** Closes the connection, which gives back that memory: the peer is silent while others wait for it. */
  expire(): void
}

/**
 * Reads one peer, piece by piece, for its owner. A peer is not read while its owner waits, nor while it is held because of what all
 * peers have sent, see ReadGate.
 *
 * ```
 *   socket --piece--> pending --take--> owner --readOn--> records
 *                     (unread)  no memory, or no room: paused
 * ```
 */
export class PeerReader implements GatedPeer, MemoryHolder {
  readonly peer: string
  readonly budget: PeerBudget
  largestPiece = 0
  /** Time at which bytes arrived last. */
  usedMs: number
  /** True while something that has arrived is not read. */
  isBusy = false
  hasReceived = false
  readonly #socket: Socket
  readonly #owner: PieceOwner
  readonly #ctx: InputContext
  readonly #receiveBudget: ReceiveBudget
  readonly #pending: Buffer[] = []
  /** Piece that is being taken. */
  #taking: Buffer | undefined
  /** True while the owner waits. */
  #isWaiting = false
  /** True while it is not read because of what all peers have sent. */
  isHeld = false
  #isProbed = false
  #isPaused = false
  /** True when nothing is read from the socket any more. */
  #isStopped = false
  /** True when what has arrived is not wanted any more. */
  #isDropped = false
  /** True when the socket is to be closed after the next piece. */
  #isCut = false

  constructor(socket: Socket, owner: PieceOwner, ctx: InputContext, receiveBudget: ReceiveBudget) {
    this.#socket = socket
    this.#owner = owner
    this.#ctx = ctx
    this.#receiveBudget = receiveBudget
    this.usedMs = ctx.clock.nowMs()
    const { remoteAddress, remotePort } = socket
    this.peer = remoteAddress === undefined ? 'a local peer' : formatAddress(remoteAddress, remotePort ?? 0)
    this.budget = receiveBudget.connection(this)
  }

  start(): void {
    const socket = this.#socket
    const { clock, log } = this.#ctx
    // A peer whose network is gone never closes: without probes its connection would stay forever.
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setTimeout(MAX_SILENCE_MS, () => this.#owner.silent())
    socket.on('data', (data: Buffer) => this.#onData(data))
    socket.on('end', () => {
      // A peer that has gone away looks the same as one that waits for its acknowledgements.
      const timer = clock.after(MAX_HALF_OPEN_MS, () => this.#owner.endSide())
      socket.once('close', () => clock.cancel(timer))
      this.#owner.ended()
    })
    socket.on('error', (error) => log.debug(`${this.peer}: ${error.message}`))
    socket.on('close', () => {
      this.#receiveBudget.gate.delete(this)
      this.#owner.gone()
    })
    this.#receiveBudget.gate.add(this)
  }

  /** Time since which nothing was to be read of the peer; undefined when something is, or may be. */
  get quietSinceMs(): number | undefined {
    return this.isBusy || this.isHeld ? undefined : this.usedMs
  }

  /** Reads no more of the socket. */
  stop(): void {
    this.#isStopped = true
    this.#update()
  }

  /** Closes the socket after the next piece: the kernel takes nothing that is not read then. */
  cut(): void {
    this.#isCut = true
    if (this.isBusy || this.isHeld) this.#socket.destroy()
  }

  /** Nothing more will arrive: what has arrived is read, and then the end. */
  end(): void {
    this.stop()
    if (!this.isBusy) void this.#work(undefined)
  }

  hold(): void {
    this.isHeld = true
    this.#update()
  }

  admit(): void {
    this.isHeld = false
    this.#update()
  }

  get silentSinceMs(): number | undefined {
    return this.isBusy || this.#isStopped || !this.#owner.isInsideMessage ? undefined : this.usedMs
  }

  probe(): void {
    this.#isProbed = true
    this.#update()
  }

  probed(): void {
    this.#isProbed = false
    this.#update()
  }

  giveWay(): void {
    this.#owner.expire()
  }

  /** Pauses or resumes the socket, as it has to be now. */
  #update(): void {
    const isHeld = this.isHeld && !this.#isProbed && !this.budget.isPrivileged
    const isPaused = this.#isWaiting || this.#isStopped || isHeld
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    if (isPaused) pauseSocket(this.#socket)
    else this.#socket.resume()
  }

  #onData(data: Buffer): void {
    if (this.#isDropped || this.#socket.destroyed) return
    const { length } = data
    this.hasReceived = true
    this.usedMs = this.#ctx.clock.nowMs()
    if (length > this.largestPiece) this.largestPiece = length
    this.#receiveBudget.gate.arrived(length, this)
    this.#owner.arrived(length)
    if (this.isBusy) this.#pending.push(data)
    else this.#begin(data)
    if (this.#isCut) this.#socket.destroy()
  }

  /** Reads a piece while nothing is waiting. Most pieces need no waiting themselves, and no promise. */
  #begin(data: Buffer): void {
    this.isBusy = true
    this.#taking = data
    try {
      const isTaken = this.#owner.take(data)
      if (isTaken) this.#placed()
      const wait = isTaken ? this.#owner.readOn() : undefined
      if (isTaken && wait === undefined) this.#rest()
      else void this.#work(wait)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Reads all that has arrived, however long it takes, after what is waited for already. Never rejects. */
  async #work(wait: Promise<void> | undefined): Promise<void> {
    this.isBusy = this.#isWaiting = true
    this.#update()
    try {
      if (wait !== undefined) await wait
      for (;;) {
        if (this.#taking !== undefined) {
          const isTaken = await this.#owner.takeLater(this.#taking)
          this.#placed()
          if (isTaken) await this.#owner.readOn()
        }
        const data = this.#pending.shift()
        if (data === undefined) break
        this.#taking = data
        if (!this.#owner.take(data)) continue
        this.#placed()
        await this.#owner.readOn()
      }
      if (this.#isStopped) await this.#owner.readEnd()
      this.#rest()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const lost = this.#taking?.length ?? 0
    this.#placed()
    this.#owner.lost(lost)
    this.#owner.failed(error)
    this.#rest()
  }

  #rest(): void {
    this.isBusy = this.#isWaiting = false
    this.#update()
    this.#owner.idle()
  }

  /** The piece that was being taken has a place, or is forgotten. */
  #placed(): void {
    const data = this.#taking
    if (data === undefined) return
    this.#taking = undefined
    this.#receiveBudget.gate.placed(data.length)
    this.#free(data)
  }

  #free(data: Buffer): void {
    const { length } = data
    if (length >= MIN_FREED_BYTES) freeMemory(data)
    else this.#ctx.leftGarbage?.(length + PIECE_GARBAGE_BYTES)
  }

  /** Forgets what has arrived and was not taken, and all that arrives. */
  drop(): void {
    this.#isDropped = true
    for (const data of this.#pending.splice(0)) {
      this.#receiveBudget.gate.placed(data.length)
      this.#owner.lost(data.length)
      this.#free(data)
    }
    // What the stream has read ahead would stay as long as records that have not settled keep the connection.
    if (this.#socket.readableLength === 0) return
    const ahead = this.#socket.read() as Buffer | null
    if (ahead !== null) this.#free(ahead)
  }

  /** Closes the connection, for a reason that is counted and logged, and forgets what has arrived and was not taken. */
  fail(what: string, code: ErrorCode = 'E_PEER_PROTOCOL'): void {
    if (this.#isDropped) return
    this.drop()
    this.close(what, code)
  }

  failInternally(error: unknown): void {
    this.fail(`caused an internal error: ${messageOf(error)}`, 'E_INTERNAL')
  }

  /** Closes the connection, for a reason that is counted and logged; what has arrived is read. */
  close(what: string, code: ErrorCode): void {
    this.#ctx.counters.add('closed_peers')
    this.#ctx.log.warn(`${this.peer} ${what}: connection closed`, { code })
    this.#socket.destroy()
  }
}
