import { crc32c } from '../../../lib/hash/crc32c.ts'
import { eventTime } from './event-time.ts'

/** Maximum number of different events that are counted. */
const MAX_COUNTED = 1024

/**
 * Makes the keys by which the events of one connection are known when they are sent again: time and hash of the line.
 *
 * Events with nanoseconds that are equal are one event: the daemon may send it twice on a connection, too, when it comes as the
 * connection is opened. Events with seconds only may be equal and several: the key has the number of those that came before on the
 * connection. The daemon sends all of one second again, or none.
 */
export class EventKeys {
  readonly #counts = new Map<string, number>()

  /** Returns key and time of the event in the line buf[start, end); both undefined for one without a time. */
  read(buf: Buffer, start: number, end: number): { key: string | undefined; nano: bigint | undefined } {
    const time = eventTime(buf, start, end)
    if (time === undefined) return { key: undefined, nano: undefined }
    const { nano, hasNano } = time
    const key = `${nano}:${crc32c(buf, start, end) >>> 0}`
    return { key: hasNano ? key : this.#numbered(key), nano }
  }

  #numbered(key: string): string {
    const before = this.#counts.get(key) ?? 0
    this.#counts.delete(key)
    this.#counts.set(key, before + 1)
    if (this.#counts.size > MAX_COUNTED) this.#counts.delete(this.#counts.keys().next().value as string)
    return `${key}:${before}`
  }
}
