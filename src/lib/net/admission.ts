import type { Socket } from 'node:net'
import type { InputContext } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { AddressCounts } from './address-counts.ts'
import { plainAddress } from './connect.ts'
import { type Cause, type GivingWay, givingWay, type Occupant, type Place } from './giving-way.ts'
import { type Waiting, WaitingRoom } from './waiting-room.ts'

interface AdmissionOptions {
  readonly ctx: Pick<InputContext, 'clock' | 'counters' | 'log'>
  readonly maxConnections: number
  /** Number of connections that may wait for a place. */
  readonly maxWaiting: number
  /** Returns what takes a place, for a connection that has not been read. */
  create(socket: Socket): Occupant
  /** Begins to read it; its place may be released from now on. */
  start(occupant: Occupant): void
  /** Closes one that gives way; its place is free already. */
  close(occupant: Occupant, cause: Cause): void
}

/** Time after which those that wait have another look for places. */
const LOOK_MS = 500
/** Idle time after which a connection gives way; less when many wait, and least when half of those that may wait do so. */
const MIN_IDLE_MS = 2000
const MIN_IDLE_SOON_MS = 50
/** Connections whose bytes arrive in one turn of the event loop, at least. */
const READ_PER_TURN = 512
/** Connections that are looked at in one turn for those that have ended. */
const SCANNED_PER_TURN = 4096

/** A place that is taken. */
class TakenPlace implements Place {
  occupant: Occupant
  /** Position in the order of admission. */
  readonly number: number
  readonly #socket: Socket
  #address: string | undefined

  constructor(socket: Socket, occupant: Occupant, number: number) {
    this.#socket = socket
    this.occupant = occupant
    this.number = number
  }

  /** Asked for only while others wait: most connections never pay for it. */
  get address(): string {
    this.#address ??= plainAddress(this.#socket.remoteAddress ?? '')
    return this.#address
  }
}

const ignore = (): void => {}

/**
 * Gives places to connections, which are limited. Beyond the limit a connection waits and is not read, until there is a place: one
 * that is closed, or one that gives way, see `givingWay`. Who gives way is decided some turns of the event loop later, so that
 * what has arrived by then has been read: closing a connection would lose it.
 */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #places = new Map<Occupant, TakenPlace>()
  #admitted = 0
  /** Places by address, while connections wait. */
  #counts: AddressCounts | undefined
  readonly #room: WaitingRoom
  #isLooking = false
  #isStopped = false
  #timer: TimerHandle | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#room = new WaitingRoom(options.maxWaiting)
  }

  /** Number of connections that wait. */
  get waiting(): number {
    return this.#room.length
  }

  /** True when the next connection has to wait. */
  get isFull(): boolean {
    return this.#places.size >= this.#options.maxConnections || this.#room.length > 0
  }

  /** Gives a place to a new connection, or lets it wait for one. */
  arrived(socket: Socket): void {
    if (this.isFull) this.#wait(socket, plainAddress(socket.remoteAddress ?? ''))
    else this.#admit(socket)
  }

  /** Gives the place of one to another that it has become. */
  replace(old: Occupant, next: Occupant): void {
    const place = this.#places.get(old)
    if (place === undefined) return
    this.#places.delete(old)
    place.occupant = next
    this.#places.set(next, place)
  }

  /** Frees the place of one that has ended; does nothing if it has none. */
  release(occupant: Occupant): void {
    const place = this.#places.get(occupant)
    if (place === undefined) return
    this.#free(place)
    if (this.#room.length > 0 && !this.#isStopped) this.#admitWaiting()
  }

  /** Admits all that wait if `isRead`, whatever the limit is, so that what they have sent is read; else closes them. */
  stop(isRead: boolean): void {
    this.#isStopped = true
    this.#options.ctx.clock.cancel(this.#timer)
    for (let waiting = this.#next(); waiting !== undefined; waiting = this.#next())
      if (isRead) this.#admit(waiting.socket)
      else waiting.socket.destroy()
  }

  get #addresses(): AddressCounts {
    if (this.#counts !== undefined) return this.#counts
    const counts = new AddressCounts()
    for (const { address } of this.#places.values()) counts.add(address)
    this.#counts = counts
    return counts
  }

  get #dominant(): string | undefined {
    return this.#addresses.dominant(this.#options.maxConnections)
  }

  #admit(socket: Socket): void {
    const { create, start } = this.#options
    const occupant = create(socket)
    const place = new TakenPlace(socket, occupant, this.#admitted++)
    this.#places.set(occupant, place)
    if (this.#room.length === 0) this.#counts = undefined
    else this.#counts?.add(place.address)
    start(occupant)
  }

  #free(place: TakenPlace): void {
    this.#places.delete(place.occupant)
    this.#counts?.remove(place.address)
  }

  #wait(socket: Socket, address: string): void {
    socket.pause()
    socket.on('error', ignore)
    if (this.#room.length >= this.#room.size) {
      const other = this.#room.lastOfMost(address)
      this.#refuse(other?.socket ?? socket, other?.address ?? address)
      if (other === undefined) return
    }
    const waiting = this.#room.add(socket, address)
    socket.once('close', () => this.#room.remove(waiting))
    this.#options.ctx.counters.add('waiting_connections')
    this.#look()
  }

  /** Closes it with a reset, so that its peer knows that what it has sent was not read. */
  #refuse(socket: Socket, address: string): void {
    const { ctx, maxConnections } = this.#options
    ctx.counters.add('refused_connections')
    ctx.log.warn(
      `refused a connection of ${peerOf(address)}: the maximum of ${maxConnections} connections is reached, and ${this.#room.length} more wait`,
      { hint: HINT },
      'refused connections',
    )
    if (address === '') socket.destroy()
    else socket.resetAndDestroy()
  }

  #look(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#options.ctx.clock.cancel(this.#timer)
    void this.#findPlaces()
  }

  async #findPlaces(): Promise<void> {
    const turns = 2 + Math.ceil(this.#places.size / READ_PER_TURN)
    const every = Math.ceil(this.#places.size / SCANNED_PER_TURN)
    let before = this.#admitted
    for (let turn = 0; turn < turns && this.#room.length > 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (turn % every > 0 || !this.#makeRoom(Number.POSITIVE_INFINITY, before)) continue
      // Those that were admitted have not been read yet.
      before = this.#admitted
      turn = 0
    }
    this.#isLooking = false
    if (this.#isStopped || this.#room.length === 0) return
    const { ctx, maxConnections } = this.#options
    const minIdleMs = MIN_IDLE_MS / (1 + this.#room.length / maxConnections)
    this.#makeRoom(2 * this.#room.length < this.#room.size ? minIdleMs : MIN_IDLE_SOON_MS, before)
    if (this.#room.length === 0) return
    ctx.log.warn(
      `${this.#room.length} connections wait and are not read: the maximum of ${maxConnections} is reached, and none of these has been idle for long`,
      { hint: HINT },
      'waiting connections',
    )
    this.#timer = ctx.clock.after(LOOK_MS, () => this.#look())
  }

  /**
   * Has connections give way to those that wait, only those that have ended when `minIdleMs` is infinite; none that was admitted as
   * number `before` or later. Returns true when one has.
   */
  #makeRoom(minIdleMs: number, before: number): boolean {
    const { length } = this.#room
    if (length === 0 || this.#isStopped) return false
    const dominant = this.#dominant
    const given = givingWay(this.#placesBefore(before), this.#addresses, {
      places: length,
      dominant,
      ofOthers: this.#room.lengthWithout(dominant),
      minIdleMs,
    })
    for (const one of given) this.#close(one)
    this.#admitWaiting()
    return given.length > 0
  }

  *#placesBefore(number: number): Iterable<TakenPlace> {
    for (const place of this.#places.values()) if (place.number < number) yield place
  }

  #close({ place, cause }: GivingWay<TakenPlace>): void {
    const { ctx, maxConnections, close } = this.#options
    if (cause === 'idle' || cause === 'silent' || cause === 'slow') {
      ctx.counters.add('evicted_connections')
      ctx.log.warn(
        `closed a connection of ${peerOf(place.address)}, ${CAUSES[cause]}, for one that waits: the maximum of ${maxConnections} is reached`,
        { hint: HINT },
        'evicted connections',
      )
    }
    this.#free(place)
    close(place.occupant, cause)
  }

  #admitWaiting(): void {
    while (this.#places.size < this.#options.maxConnections) {
      const waiting = this.#next()
      if (waiting === undefined) return
      this.#admit(waiting.socket)
    }
  }

  #next(): Waiting | undefined {
    return this.#room.next(this.#dominant)
  }
}

const HINT =
  'raise Max_Connections, and with it the limit of open files (LimitNOFILE, ulimit -n), of which connections take a quarter; or find out why a peer opens so many'

const CAUSES = {
  idle: 'which was idle',
  silent: 'which was silent within a message or request',
  slow: 'which takes long for a message or request and whose address has most connections',
} as const

function peerOf(address: string): string {
  return address || 'a local peer'
}
