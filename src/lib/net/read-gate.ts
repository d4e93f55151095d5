/** Bytes of all peers that have arrived and have no place in a buffer, from which on large peers are not read. */
const PAUSE_BYTES = 2_000_000
/** The same for all peers. */
const STOP_BYTES = 4_000_000
/** The same for those that are quick, too. */
const FULL_BYTES = 8_000_000
/** Peers are read again up to this many bytes, in order. */
const RESUME_BYTES = 1_000_000
/** A peer that has never sent more at once is small; so much is to be expected of one that is read again. */
const SMALL_PIECE_BYTES = 16_384

/** A peer, as the gate sees it. */
export interface GatedPeer {
  /** Most bytes that it has sent at once. */
  readonly largestPiece: number
  /** True when what it sends is likely to be read at once: it goes on until nothing can. */
  readonly isQuick?: boolean
  /** The peer is not read from here on, within this turn of the event loop already, until `admit`. */
  hold(): void
  admit(): void
}

/**
 * Decides which peers are read, by what has arrived of all of them and found no place in memory:
 *
 * ```
 *   0 ------ RESUME_BYTES ------ PAUSE_BYTES ------ STOP_BYTES ------ FULL_BYTES
 *   peers are read again,        large peers        only quick         no peer
 *   in order                     are held           ones are read      is read
 * ```
 * A held peer delivers nothing more, also when its socket is ready in the same turn. So at most one piece exceeds a limit, and no
 * peer has to be closed. Those that are read again are few in each turn: else all would be held again by what the first ones send.
 */
export class ReadGate {
  /** Bytes that have arrived and have no place. */
  unread = 0
  /** True from PAUSE_BYTES on, until it is below RESUME_BYTES. */
  isCongested = false
  readonly #peers = new Set<GatedPeer>()
  /** Those that are held, the first of them for longest. */
  readonly #held = new Set<GatedPeer>()
  /** True from STOP_BYTES on, until none is held below RESUME_BYTES: those that connect queue behind the others. */
  #isStopped = false
  #areAllHeld = false
  #areQuickHeld = false
  /** Bytes that are expected of those that were admitted in this turn. */
  #expected = 0
  #isScheduled = false

  add(peer: GatedPeer): void {
    this.#peers.add(peer)
    if (this.#isStopped) this.#hold(peer)
  }

  delete(peer: GatedPeer): void {
    this.#peers.delete(peer)
    this.#held.delete(peer)
    this.#noteHeld()
  }

  /** Counts bytes that have arrived of `peer`. */
  arrived(bytes: number, peer?: GatedPeer): void {
    this.unread += bytes
    if (this.unread <= PAUSE_BYTES && !this.isCongested) return
    if (this.unread > STOP_BYTES) this.#stop(this.unread > FULL_BYTES)
    else if (!this.isCongested) {
      for (const other of this.#peers) if (other.largestPiece > SMALL_PIECE_BYTES) this.#hold(other)
    } else if (peer !== undefined && peer.largestPiece > SMALL_PIECE_BYTES) this.#hold(peer)
    this.isCongested = true
  }

  /** Bytes that had arrived have a place, or are dropped. */
  placed(bytes: number): void {
    this.unread -= bytes
    if (this.unread >= RESUME_BYTES) return
    this.isCongested = false
    this.#noteHeld()
    if (this.#held.size > 0 && !this.#isScheduled) this.#admitSome()
  }

  /**
   * Notes that none is held any more. What has arrived of peers that are gone may still have no place: those that connect are held
   * until it has, or each of many that come and go would deliver a piece.
   */
  #noteHeld(): void {
    if (this.#held.size > 0) return
    this.#areAllHeld = this.#areQuickHeld = false
    if (this.unread < RESUME_BYTES) this.#isStopped = false
  }

  #stop(areQuickHeld: boolean): void {
    if (this.#areAllHeld && (this.#areQuickHeld || !areQuickHeld)) return
    this.#areAllHeld = this.#isStopped = true
    this.#areQuickHeld = areQuickHeld
    for (const peer of this.#peers) if (areQuickHeld || peer.isQuick !== true) this.#hold(peer)
  }

  #hold(peer: GatedPeer): void {
    if (this.#held.has(peer)) return
    this.#held.add(peer)
    peer.hold()
  }

  /** Admits those that have waited longest, as many as may send something in one turn. */
  #admitSome(): void {
    for (const peer of this.#held) {
      const bytes = Math.max(SMALL_PIECE_BYTES, peer.largestPiece)
      if (this.#expected > 0 && this.unread + this.#expected + bytes > RESUME_BYTES) break
      this.#expected += bytes
      this.#held.delete(peer)
      peer.admit()
    }
    this.#areAllHeld = this.#areQuickHeld = false
    this.#noteHeld()
    this.#isScheduled = true
    // What has arrived of them by then counts as unread, or is read.
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#expected = 0
    this.#isScheduled = false
    if (this.#held.size > 0 && this.unread < RESUME_BYTES) this.#admitSome()
  }
}
