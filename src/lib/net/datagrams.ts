import type { RemoteInfo, Socket } from 'node:dgram'
import type { Input, InputContext, InputStatus } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { loadLibc } from '../fs/libc.ts'
import type { LineWriter, Sender } from '../lines/line-writer.ts'
import type { SenderFrame } from '../lines/sender-frame.ts'
import type { StreamReader } from '../lines/stream-reader.ts'
import { formatAddress } from './connect.ts'
import { LISTEN_OPTIONS, listenError } from './listen.ts'
import { type DatagramSocket, datagramSocketAt, droppedDatagrams, dropsBetween } from './lost-datagrams.ts'
import { logNoAcknowledgements } from './no-acknowledgements.ts'

/** Counters of an input that receives datagrams. */
export const DATAGRAM_COUNTERS = {
  datagrams: 'datagrams received',
  lost_datagrams: {
    help: 'datagrams lost',
    reasons: {
      kernel: 'the kernel had no space left in the receive buffer of the socket, see Receive_Buffer_Size',
      memory: 'the memory limit of the input was reached, as its outputs are behind',
    },
  },
} as const

/**
 * Pause between two looks at what the kernel has dropped, while datagrams arrive and while none do. After a timer the agent looks at its
 * own size, too: each datagram leaves some small objects.
 */
const POLL_MS = 250
const IDLE_POLL_MS = 30_000
const NEWLINE = 10
const SOL_SOCKET = 1
/** Sets a buffer size that net.core.rmem_max does not limit. */
const SO_RCVBUFFORCE = 33
/** Larger than any datagram of UDP. */
const MAX_COPIED_BYTES = 65_536
/** Addresses of senders whose entries have been prepared. */
const MAX_FRAMES = 1024
const BRACKETS = /^\[(.*)\]$/

/** Turns datagrams into records. */
export class DatagramRecords implements Sender {
  frame: SenderFrame
  readonly hasAddress: boolean
  readonly #writer: LineWriter
  readonly #reader: StreamReader
  readonly #frames = new Map<string, SenderFrame>()
  /**
   * Copy of a datagram: what looks at the memory of a small buffer makes objects for it which live until the next collection, and the
   * process would grow by 100 MB.
   */
  #copy: Buffer | undefined
  #from: RemoteInfo | undefined

  constructor(writer: LineWriter, readerFor: (sender: Sender) => StreamReader) {
    this.#writer = writer
    this.hasAddress = writer.keys.source !== undefined
    this.frame = writer.frameOf(undefined)
    this.#reader = readerFor(this)
  }

  /** Writes the messages of a datagram of UDP; false when there was no memory for all of them. */
  write(data: Buffer, from: RemoteInfo): boolean {
    const { length } = data
    this.#from = from
    const address = this.hasAddress ? addressOf(from.address, from.port) : undefined
    this.#copy ??= Buffer.allocUnsafeSlow(MAX_COPIED_BYTES + 1)
    const isCopied = length <= MAX_COPIED_BYTES
    if (isCopied) data.copy(this.#copy)
    return this.read(isCopied ? this.#copy : data, 0, length, address) === length
  }

  /**
   * Writes the messages of data[start, end), the rest of a datagram; returns the offset up to which there was memory for them. `address`:
   * that of the sender as its records have it; undefined when they do not. May change the bytes, and writes a line feed behind them if there
   * is a byte: else whoever looks for one would search the rest of the buffer.
   */
  read(data: Buffer, start: number, end: number, address: string | undefined): number {
    if (end < data.length) data[end] = NEWLINE
    this.#begin(address)
    return this.#reader.read(data, start, end, true)
  }

  /** Writes the first `maxBytes` of a longer datagram as one record; returns the number of bytes, 0 when there is no memory. */
  cut(data: Buffer, maxBytes: number, address: string | undefined): number {
    this.#begin(address)
    return this.#writer.writeCut(this, data, 0, maxBytes + 1, maxBytes)
  }

  #begin(address: string | undefined): void {
    if (address !== undefined) this.frame = this.#frameOf(address)
    this.#writer.setTime()
  }

  get peer(): string | undefined {
    return this.#from === undefined ? undefined : formatAddress(this.#from.address, this.#from.port)
  }

  wrote(): void {
    // Nobody waits for datagrams to settle.
  }

  #frameOf(address: string): SenderFrame {
    const known = this.#frames.get(address)
    if (known !== undefined) return known
    // Senders may use a new port for each datagram.
    if (this.#frames.size === MAX_FRAMES) this.#frames.clear()
    const frame = this.#writer.frameOf(address)
    this.#frames.set(address, frame)
    return frame
  }
}

interface UdpOptions {
  readonly host: string
  readonly port: number
  readonly receiveBufferSize: number
  readonly records: DatagramRecords
}

/** Input that receives datagrams on a UDP port. */
export class UdpServer implements Input {
  readonly #options: UdpOptions
  readonly #ctx: InputContext
  #socket: Socket | undefined
  /** The socket as the tables of the kernel have it; undefined when they do not. */
  #inKernel: DatagramSocket | undefined
  #timer: TimerHandle | undefined
  /** Datagrams that the kernel had dropped when its count was last read. */
  #dropped = 0
  /** True when it could not be read at the last look. */
  #isUncounted = false
  #received = 0
  /** True while none were received between two looks. */
  #isIdle = false
  /** Datagrams received at the last look. */
  #lookedAt = -1
  /** Datagrams dropped at the memory limit since then. */
  #unreported = 0

  constructor(options: UdpOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
  }

  async run(signal: AbortSignal): Promise<void> {
    const socket = await this.#open()
    this.#socket = socket
    const { address, port } = socket.address()
    this.#inKernel = datagramSocketAt(address, port)
    this.#ctx.log.info(`listening on ${formatAddress(address, port)}, for datagrams`)
    logNoAcknowledgements(this.#ctx.log)
    await this.#enlargeBuffer(socket)
    this.#look()
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    await deafen(socket)
    await this.#drain()
    this.#ctx.clock.cancel(this.#timer)
    this.#timer = undefined
    this.#reportDropped()
    this.#countDropped()
    await this.close()
  }

  async close(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return
    this.#socket = undefined
    this.#ctx.clock.cancel(this.#timer)
    await new Promise<void>((resolve) => socket.close(() => resolve()))
  }

  status(): InputStatus {
    return { datagrams: this.#received }
  }

  async #open(): Promise<Socket> {
    const { host, port } = this.#options
    const address = BRACKETS.exec(host)?.[1] ?? host
    try {
      return await this.#bind(address, port)
    } catch (error) {
      // Where IPv6 is switched off, `::` means every address of IPv4.
      if (address === '::' && (error as { code?: string }).code === 'EAFNOSUPPORT')
        return await this.#bind('0.0.0.0', port)
      throw listenError(`${formatAddress(host, port)}, for datagrams`, error, LISTEN_OPTIONS)
    }
  }

  async #bind(address: string, port: number): Promise<Socket> {
    const { createSocket } = await import('node:dgram')
    const { receiveBufferSize, records } = this.#options
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' })
    socket.on('message', (data: Buffer, from) => {
      this.#received++
      this.#ctx.counters.add('datagrams')
      if (this.#isIdle) this.#lookSoon(false)
      if (this.#received % GARBAGE_DATAGRAMS === 0) this.#ctx.leftGarbage?.(GARBAGE_DATAGRAMS * GARBAGE_BYTES)
      if (!records.write(data, from)) this.#drop()
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port, exclusive: true }, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    socket.on('error', (error) => this.#ctx.log.warn(`the socket reports: ${error.message}`))
    socket.setRecvBufferSize(receiveBufferSize)
    return socket
  }

  /** Counts a datagram for which there is no memory. */
  #drop(): void {
    this.#ctx.counters.add('lost_datagrams', 1, 'memory')
    // Open chunks wait for Flush: their memory can be had sooner.
    if (this.#unreported++ === 0) this.#ctx.sealAll()
  }

  /** Logs what was dropped since the last look. */
  #reportDropped(): void {
    if (this.#unreported === 0) return
    const { counters, log, isBuffered = false } = this.#ctx
    const reason = isBuffered ? 'the disk is slower than they come' : 'its outputs are behind'
    log.error(
      `${this.#unreported} datagrams were lost (${counters.get('lost_datagrams', 'memory')} since the start): the memory limit of the input is reached, as ${reason}`,
      {
        hint: `raise Mem_Buf_Limit and Memory_Limit${isBuffered ? '' : ', or set storage.type filesystem'}; see lost_datagrams`,
      },
      'lost datagrams: memory',
    )
    this.#unreported = 0
  }

  /**
   * Takes the receive buffer that is asked for, also beyond net.core.rmem_max where the process may (CAP_NET_ADMIN); says when the kernel
   * grants less. A default of 200 KB holds some hundred datagrams: less than arrive during a pause of the garbage collector.
   */
  async #enlargeBuffer(socket: Socket): Promise<void> {
    const { receiveBufferSize } = this.#options
    // The kernel counts its own overhead in, and returns twice what was set.
    const granted = (): number => socket.getRecvBufferSize() / 2
    if (granted() >= receiveBufferSize) return
    const libc = await loadLibc({
      setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
    })
    const descriptor = this.#inKernel?.descriptor
    if (descriptor !== undefined)
      libc?.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, Int32Array.of(receiveBufferSize), 4)
    if (granted() >= receiveBufferSize) return
    this.#ctx.log.info(
      `the receive buffer of the socket has ${granted()} bytes, and not Receive_Buffer_Size (${receiveBufferSize})`,
      {
        hint: 'datagrams that do not fit are lost and counted in lost_datagrams: `sysctl -w net.core.rmem_max=N` allows more',
      },
    )
  }

  /** Looks at what was dropped, now and again and again. */
  #look(): void {
    const before = this.#received
    this.#reportDropped()
    this.#countDropped()
    this.#lookSoon(before === this.#lookedAt)
    this.#lookedAt = before
  }

  #lookSoon(isIdle: boolean): void {
    this.#isIdle = isIdle
    this.#ctx.clock.cancel(this.#timer)
    this.#timer = this.#ctx.clock.after(isIdle ? IDLE_POLL_MS : POLL_MS, () => this.#look())
  }

  #countDropped(): void {
    const { counters, log } = this.#ctx
    const dropped = this.#inKernel === undefined ? undefined : droppedDatagrams(this.#inKernel)
    if (dropped === undefined) {
      if (!this.#isUncounted)
        log.warn(
          'the kernel does not tell how many datagrams are lost: /proc/net/udp cannot be read, or does not have the socket',
        )
      this.#isUncounted = true
      return
    }
    this.#isUncounted = false
    const more = dropsBetween(this.#dropped, dropped)
    this.#dropped = dropped
    if (more === 0) return
    counters.add('lost_datagrams', more, 'kernel')
    const total = counters.get('lost_datagrams', 'kernel')
    log.error(
      `${more} datagrams were lost (${total} since the start): the kernel had no space for them in the receive buffer of the socket`,
      {
        hint: 'raise Receive_Buffer_Size and net.core.rmem_max, or give the agent more CPU; see lost_datagrams',
      },
      'lost datagrams: kernel',
    )
  }

  /** Receives what had arrived before the stop. */
  async #drain(): Promise<void> {
    let before = -1
    for (let turn = 0; turn < MAX_DRAIN_TURNS && before !== this.#received; turn++) {
      before = this.#received
      for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** What the runtime makes for a datagram (a buffer, an address), in bytes, and the number of datagrams after which it is reported. */
const GARBAGE_BYTES = 1024
const GARBAGE_DATAGRAMS = 1024
/** Turns of the event loop after a stop in which datagrams are received: each brings some. */
const MAX_DRAIN_TURNS = 20_000

/**
 * Lets no more datagrams arrive: the senders of later ones learn that nobody is there, instead of that these wait in the receive buffer and
 * are lost, uncounted, when it is closed. A socket that is connected takes datagrams of its peer alone, and its own address has no other.
 */
async function deafen(socket: Socket): Promise<void> {
  const { address, port } = socket.address()
  const self = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  await new Promise<void>((resolve) => {
    socket.once('error', () => resolve())
    socket.connect(port, self, () => resolve())
  })
}

/** As fluent-bit writes it. */
function addressOf(address: string, port: number): string {
  return `udp://${formatAddress(address, port)}`
}
