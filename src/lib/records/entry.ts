import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { ENTRY_HEAD, skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs } from '../../core/msgpack/record.ts'
import { EventTime } from './event-time.ts'
import { isKey } from './keys.ts'

/**
 * A cursor over the entries of a chunk. One object serves all of them, so nothing is allocated per record:
 *
 * ```
 *   for (let at = chunk.start; at < chunk.end; at = entry.end) {
 *     entry.read(chunk, at)
 *     // entry.time, entry.map
 *   }
 * ```
 */
export class Entry {
  readonly time = new EventTime()
  /** Offset of the map. */
  map = 0
  /** Offset after the entry. */
  end = 0
  /** Offset of the value of the requested key, or -1. */
  value = -1

  /** Reads the entry at `at` and looks up `key` (its bytes) in its map; throws E_INTERNAL when it is malformed. */
  read(chunk: Chunk, at: number, key?: Buffer): void {
    if (this.#parse(chunk.buf, at, chunk.end, key)) return
    throw new ShipperError('E_INTERNAL', `chunk ${chunk.id} contains a malformed entry`)
  }

  #parse(buf: Buffer, at: number, end: number, key: Buffer | undefined): boolean {
    if (buf[at] !== 0x92) return false
    const isEventTime = buf[at + 1] === 0xd7 && buf[at + 2] === 0
    this.map = isEventTime ? at + ENTRY_HEAD : skip(buf, at + 1, end)
    this.value = -1
    if (this.map < 0 || this.map >= end) return false
    this.time.read(buf, at)
    if (key === undefined) this.end = skip(buf, this.map, end)
    else this.#findKey(buf, end, key)
    return this.end > 0 && mapPairs(buf, this.map) >= 0
  }

  #findKey(buf: Buffer, end: number, key: Buffer): void {
    const pairs = mapPairs(buf, this.map)
    let p = pairs < 0 ? -1 : mapBody(buf, this.map)
    for (let i = 0; i < pairs && p > 0; i++) {
      const value = skipText(buf, p, end)
      if (value < 0) break
      // The last of several equal keys counts, as in JSON.
      if (isKey(buf, p, key)) this.value = value
      p = skipText(buf, value, end)
    }
    this.end = p
  }
}

/** `skip` with a fast path for short strings, of which most records consist. */
function skipText(buf: Buffer, at: number, end: number): number {
  const t = buf[at] as number
  let next = -1
  if (t >= 0xa0 && t < 0xc0) next = at + 1 + (t & 31)
  else if (t === 0xd9) next = at + 2 + (buf[at + 1] as number)
  else return skip(buf, at, end)
  return next <= end ? next : -1
}
