import { ShipperError } from '../../../core/error.ts'
import { EXTENTS, type Places } from '../../../core/places.ts'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { crc32c } from '../../../lib/hash/crc32c.ts'
import { openDatabase } from '../../../lib/plugin/database-options.ts'
import { placeSource } from '../../../lib/plugin/entry-places.ts'
import { countText } from '../../../lib/text/duration.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { type Device, NONE, OVERWRITTEN } from './device.ts'
import type { Machine } from './machine.ts'
import { boundOf, Message } from './message.ts'
import { type KmsgOptions, ownerOf } from './options.ts'
import { KmsgPosition, NONE_READ } from './position.ts'

/** Twice the longest message of the kernel. */
const MAX_MESSAGE_BYTES = 16_384
/** Pause after a look that found nothing. The kernel keeps at least 100 KB. */
const IDLE_MS = 100
/** Pause after one that found messages: there may be many on their way. */
const BUSY_MS = 10
/** Messages that are read in one turn. */
const MAX_IN_TURN = 500

/** Difference between the time of a message that has just come and that of its stamp from which on the stamp is not believed. */
const MAX_OFF_MS = 1000

/** Reads the log of the kernel. While there is no memory it reads nothing: the kernel keeps the messages, as long as it can. */
export class KmsgInput implements Input {
  readonly #options: KmsgOptions
  readonly #ctx: InputContext
  readonly #device: Device
  readonly #machine: Machine
  readonly #buf = Buffer.allocUnsafeSlow(MAX_MESSAGE_BYTES)
  readonly #message = new Message()
  /** Undefined until the database is open. */
  #position: KmsgPosition | undefined
  /** What the numbers of messages are of, in their places. */
  #source = ''
  /** Time at which the clock of the stamps was 0. */
  #startMs = 0
  /** True when everything was read: the next message comes now. */
  #isLive = false

  constructor(options: KmsgOptions, ctx: InputContext, device: Device, machine: Machine) {
    this.#options = options
    this.#ctx = ctx
    this.#device = device
    this.#machine = machine
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#device.open()
    this.#startMs = this.#ctx.clock.nowMs() - this.#machine.uptimeMs()
    const { agent, tag } = this.#ctx
    const boot = this.#machine.bootId()
    this.#source = placeSource('kmsg', agent.id, tag, boot)
    const store = await openDatabase(this.#ctx, this.#options, ownerOf(tag))
    const position = new KmsgPosition(store, boot, this.#ctx)
    this.#position = position
    while (!signal.aborted) {
      const found = await this.#readTurn(position, signal)
      if (found < 0) return
      // What Prio_Level leaves out moves the position as well.
      if (found === 0) position.store()
      await sleep(found === 0 ? IDLE_MS : found < MAX_IN_TURN ? BUSY_MS : 0, this.#ctx.clock, signal)
    }
  }

  async close(): Promise<void> {
    this.#device.close()
    this.#position?.close()
  }

  status(): InputStatus {
    return { sequence: this.#position?.read ?? NONE_READ, lost: this.#ctx.counters.get('lost_messages') }
  }

  /** Reads what there is; resolves with the number of messages, or -1 at the end. */
  async #readTurn(position: KmsgPosition, signal: AbortSignal): Promise<number> {
    for (let n = 0; n < MAX_IN_TURN; n++) {
      const out = this.#ctx.appender(this.#ctx.tag)
      if (!out.reserve(boundOf(MAX_MESSAGE_BYTES))) {
        this.#isLive = false
        this.#ctx.sealAll()
        await this.#ctx.waitForMemory(signal)
        return MAX_IN_TURN
      }
      const length = this.#device.read(this.#buf)
      if (length === 0) return -1
      if (length === NONE) {
        this.#isLive = true
        return n
      }
      // The number of the next message tells how many are missing.
      if (length === OVERWRITTEN) continue
      if (!this.#message.parse(this.#buf, length)) throw notAMessage(this.#buf, length)
      const { sequence } = this.#message
      // Acknowledged in the last run.
      if (sequence <= position.read) continue
      this.#checkSequence(sequence, position.read)
      if (this.#isLive && n === 0) this.#correctStart(this.#message.stampUs / 1000)
      if (this.#message.priority > this.#options.prioLevel) {
        position.skip(sequence)
        continue
      }
      const { sec, nsec } = splitMs(this.#startMs + this.#message.stampUs / 1000)
      out.end = this.#message.write(out.buf, out.end, sec, nsec)
      out.addRecords(1, length)
      if (out.places !== undefined) this.#addPlace(out.places, sequence, length)
      position.add(out, sequence)
    }
    return MAX_IN_TURN
  }

  /** Adds the place of the message in the buffer. A machine that goes on from a snapshot of its memory gives numbers a second time. */
  #addPlace(places: Places, sequence: number, length: number): void {
    const content = crc32c(this.#buf, 0, length) % EXTENTS
    places.add(places.sourceIndex(this.#source), sequence, 0, content)
  }

  /**
   * Adapts the beginning of the stamps to a message that has just come. Their clock stands still while the machine is suspended, and
   * that of the system may have been set.
   */
  #correctStart(stampMs: number): void {
    const startMs = this.#ctx.clock.nowMs() - stampMs
    if (Math.abs(startMs - this.#startMs) > MAX_OFF_MS) this.#startMs = startMs
  }

  /** Counts and logs the messages between the one that was read before and this one. */
  #checkSequence(sequence: number, before: number): void {
    const lost = sequence - before - 1
    if (before !== NONE_READ && lost > 0) {
      this.#ctx.counters.add('lost_messages', lost)
      this.#ctx.log.warn(
        `${lost === 1 ? 'a message' : `${countText(lost)} messages`} of the kernel ${lost === 1 ? 'was' : 'were'} overwritten before ${lost === 1 ? 'it was' : 'they were'} read`,
        {
          before: sequence,
          hint: 'an output lags behind, the agent was stopped for long, or the log of the kernel is too small, see log_buf_len',
        },
        'lost messages',
      )
    }
  }
}

function notAMessage(buf: Buffer, length: number): ShipperError {
  const shown = buf.toString('latin1', 0, Math.min(length, 60))
  return new ShipperError('E_KMSG', `what was read is no message of the kernel: ${JSON.stringify(shown)}`)
}
