import type { OffsetStore } from '../../../core/offset-store.ts'
import type { Appender } from '../../../core/plugin.ts'
import type { Clock, Logger } from '../../../core/services.ts'
import { PositionWriter } from '../../../lib/plugin/position-writer.ts'
import { SettledRanges } from '../../../lib/plugin/settled-ranges.ts'

/** Number before that of the first message. */
export const NONE_READ = -1
const POSITION = /^(\S{1,100}) (\d{1,15})$/

/**
 * Up to which message everything was read, and up to which one acknowledged. The numbers of messages begin anew with each
 * boot, so the position is stored as `BOOT NUMBER`; that of another boot is none.
 */
export class KmsgPosition {
  readonly #writer: PositionWriter
  readonly #ranges: SettledRanges<number, number>
  readonly #boot: string
  #read = NONE_READ

  constructor(store: OffsetStore, boot: string, services: { clock: Clock; log: Logger }) {
    this.#writer = new PositionWriter(store, services)
    this.#boot = boot
    const stored = storedMessage(store)
    if (stored?.boot === boot) this.#read = stored.sequence
    this.#ranges = new SettledRanges({
      identity: (numbers) => `kmsg:${boot}:${numbers[0]}-${numbers.at(-1)}`,
      onSettled: () => this.store(),
    })
  }

  /** Number up to which every message was read; NONE_READ before the first. */
  get read(): number {
    return this.#read
  }

  /** Adds a message that was just written to `out`. */
  add(out: Appender, sequence: number): void {
    this.#ranges.add(out, sequence, this.#read)
    this.#read = sequence
  }

  /** Notes that a message was read that is no record. */
  skip(sequence: number): void {
    this.#read = sequence
  }

  /** Stores the position, if it has changed. */
  store(): void {
    const acked = this.#ranges.settledTo(this.#read)
    if (acked === NONE_READ) return
    this.#writer.value = `${this.#boot} ${acked}`
    this.#writer.commit()
  }

  close(): void {
    this.store()
    this.#writer.close()
  }
}

/** Returns the last message that was acknowledged, and its boot; undefined when none was. */
export function storedMessage(store: OffsetStore): { boot: string; sequence: number } | undefined {
  const [, boot = '', sequence] = POSITION.exec(store.position?.()?.value ?? '') ?? []
  return sequence === undefined ? undefined : { boot, sequence: Number(sequence) }
}
