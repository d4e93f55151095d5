import { readFileSync, unlinkSync } from 'node:fs'
import { ShipperError } from '../../core/error.ts'
import { freeMemory } from '../../core/free-memory.ts'
import type { Input, InputContext, InputStatus } from '../../core/plugin.ts'
import { sleep } from '../async/sleep.ts'
import type { DatagramRecords } from './datagrams.ts'
import { logNoAcknowledgements } from './no-acknowledgements.ts'
import { UnixDatagramSocket } from './unix-datagram-socket.ts'
import { socketError } from './unix-socket.ts'

/** Largest datagram that is kept whole. By default the kernel lets a sender send 416 KB, see net.core.wmem_max. */
const MAX_DATAGRAM_BYTES = 2_097_152
/** Memory that a buffer of that size may have used: it gets it only where a datagram was written to it. */
const MAX_USED_BYTES = 65_536
/** Datagrams that are read in one turn of the event loop. */
const TURN_DATAGRAMS = 256
/** Pause after a turn that came soon after another one: to wait for one datagram costs more than to read several. */
const PAUSE_MS = 1
/** Least queue of a socket with which there are pauses: with a shorter one, senders would wait for them. */
const MIN_QUEUE = 128
/** Empty results after which nothing is waiting, as empty datagrams may. */
const MAX_EMPTY = 4096

interface UnixOptions {
  readonly path: string
  /** Permissions, octal. */
  readonly mode: string
  readonly receiveBufferSize: number
  readonly records: DatagramRecords
}

/**
 * Input that receives the datagrams of a Unix socket. A sender to one waits while the socket is full, so nothing is lost here while the input
 * does not read: it reads no further while there is no memory.
 */
export class UnixDatagrams implements Input {
  readonly #options: UnixOptions
  readonly #ctx: InputContext
  #socket: UnixDatagramSocket | undefined
  #buf = newBuffer()
  /** Length of the datagram in the buffer, and the offset up to which it is written. */
  #length = 0
  #offset = 0
  /** Largest datagram that was in the buffer. */
  #largest = 0
  #received = 0
  readonly #queueLength = queueLength()
  /** Time of the last turn. */
  #turnMs = 0

  constructor(options: UnixOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
  }

  async run(signal: AbortSignal): Promise<void> {
    const { path } = this.#options
    const socket = await this.#open()
    this.#socket = socket
    this.#ctx.log.info(`listening on ${path}, for datagrams`)
    logNoAcknowledgements(this.#ctx.log)
    const wake = (): void => socket.wake()
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      const count = await this.#readTurn(socket, signal)
      if (!signal.aborted) await this.#pause(count, signal)
      if (!signal.aborted) await socket.readable()
    }
    await this.#drain(socket)
  }

  async close(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return
    this.#socket = undefined
    socket.close()
    try {
      unlinkSync(this.#options.path)
    } catch {
      // Somebody else has removed it.
    }
  }

  found(): string {
    return this.#options.path
  }

  status(): InputStatus {
    return { datagrams: this.#received }
  }

  async #open(): Promise<UnixDatagramSocket> {
    const { path, mode, receiveBufferSize } = this.#options
    let socket: UnixDatagramSocket | undefined
    try {
      socket = await UnixDatagramSocket.open(path, mode, receiveBufferSize)
    } catch (error) {
      throw socketError(path, 'Path', error)
    }
    if (socket !== undefined) return socket
    throw new ShipperError(
      'E_LISTEN',
      `cannot listen on ${path}: datagrams of Unix sockets need the binary for Linux`,
      { hint: 'set Mode to unix_tcp, udp or tcp, or run the binary' },
    )
  }

  /** Reads what is waiting, up to TURN_DATAGRAMS; returns the number of datagrams. */
  async #readTurn(socket: UnixDatagramSocket, signal: AbortSignal): Promise<number> {
    let count = 0
    while (count < TURN_DATAGRAMS && !signal.aborted && this.#receive(socket)) {
      count++
      while (!this.#write()) {
        if (signal.aborted) {
          this.#lose()
          break
        }
        this.#ctx.sealAll()
        await this.#ctx.waitForMemory(signal)
      }
    }
    return count
  }

  /** Receives a datagram into the buffer; false when there is none. */
  #receive(socket: UnixDatagramSocket): boolean {
    const length = socket.receive(this.#buf)
    if (length < 0) return false
    this.#length = length
    this.#offset = 0
    if (length > this.#largest) this.#largest = length
    return true
  }

  /** Writes what is not written of the datagram in the buffer; false when there is no memory. */
  #write(): boolean {
    const { records } = this.#options
    const address = records.hasAddress ? 'unix://' : undefined
    const length = this.#length
    if (length > MAX_DATAGRAM_BYTES) {
      if (!this.#cut(length, address)) return false
    } else {
      this.#offset = records.read(this.#buf, this.#offset, length, address)
      if (this.#offset < length) return false
    }
    this.#received++
    this.#ctx.counters.add('datagrams')
    return true
  }

  /** Writes the beginning of a datagram that is too long; false when there is no memory. */
  #cut(length: number, address: string | undefined): boolean {
    const written = this.#options.records.cut(this.#buf, MAX_DATAGRAM_BYTES, address)
    if (written === 0) return false
    const { counters, log } = this.#ctx
    counters.add('long_line_truncated')
    counters.add('lost_bytes', length - written, 'long_line')
    log.warn(
      `a datagram of ${length} bytes was cut: its record has the first ${written} of them, and truncated: true`,
      {
        hint: `a datagram of a Unix socket has at most ${MAX_DATAGRAM_BYTES} bytes here: let its sender split it`,
      },
      'long datagram',
    )
    return true
  }

  #lose(): void {
    this.#ctx.counters.add('datagrams')
    this.#ctx.counters.add('lost_datagrams', 1, 'memory')
    this.#ctx.log.error(
      `${this.#length - this.#offset} bytes of a datagram are lost: there was no memory for them at the stop`,
      undefined,
      'lost bytes',
    )
  }

  /** Lets datagrams come together, unless the queue may fill up in the meantime. */
  async #pause(count: number, signal: AbortSignal): Promise<void> {
    if (count < TURN_DATAGRAMS && this.#largest > MAX_USED_BYTES) {
      freeMemory(this.#buf)
      this.#buf = newBuffer()
      this.#largest = 0
    }
    const nowMs = this.#ctx.clock.nowMs()
    const isSoon = Math.abs(nowMs - this.#turnMs) < 2 * PAUSE_MS
    this.#turnMs = nowMs
    if (isSoon && this.#queueLength >= MIN_QUEUE && count > 0 && count < this.#queueLength / 4)
      await sleep(PAUSE_MS, this.#ctx.clock, signal)
  }

  /** Reads what has arrived before the stop; later senders get an error. */
  async #drain(socket: UnixDatagramSocket): Promise<void> {
    socket.shutdown()
    for (let empty = 0; empty < MAX_EMPTY; ) {
      if (!this.#receive(socket) || this.#length === 0) {
        empty++
        continue
      }
      if (this.#write()) continue
      // What was sealed may be on its way already.
      this.#ctx.sealAll()
      await new Promise((resolve) => setImmediate(resolve))
      if (!this.#write()) this.#lose()
    }
  }
}

/** Returns the number of datagrams that a socket may have waiting. */
function queueLength(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'latin1'), 10) || 0
  } catch {
    return 0
  }
}

/** Not of the budget: the kernel gives it memory only where it is written to. One byte more shows whether a datagram was cut within a character. */
function newBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES + 1)
}
