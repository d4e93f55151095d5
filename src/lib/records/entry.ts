import { skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { EventTime } from './event-time.ts'

/** One entry of a chunk as it is walked over: where things are, and its time. One object for all of them. */
export class Entry {
  sec = 0
  nsec = 0
  /** Where the map begins. */
  map = 0
  /** Behind the entry. */
  end = 0
  /** Where the value of the wanted key begins, or -1. */
  value = -1
  readonly #time = new EventTime()

  /** The time in milliseconds, as Kafka has it. */
  get ms(): number {
    return this.sec * 1000 + Math.floor(this.nsec / 1_000_000)
  }

  /** Reads the entry at `at`, and finds `key` (its bytes) in its map on the way; false: it is not an entry. */
  read(buf: Buffer, at: number, end: number, key: Buffer | undefined): boolean {
    if (buf[at] !== 0x92) return false
    if (buf[at + 1] === 0xd7 && buf[at + 2] === 0) {
      this.sec = buf.readUInt32BE(at + 3)
      this.nsec = buf.readUInt32BE(at + 7)
      this.map = at + 11
    } else {
      this.#time.read(buf, at)
      this.sec = this.#time.sec
      this.nsec = this.#time.nsec
      this.map = skip(buf, at + 1, end)
    }
    this.value = -1
    if (this.map < 0 || this.map >= end) return false
    if (key === undefined) this.end = skip(buf, this.map, end)
    else this.#walk(buf, end, key)
    return this.end > 0 && mapPairs(buf, this.map) >= 0
  }

  #walk(buf: Buffer, end: number, key: Buffer): void {
    const pairs = mapPairs(buf, this.map)
    let p = pairs < 0 ? -1 : mapBody(buf, this.map)
    for (let i = 0; i < pairs && p > 0; i++) {
      const value = after(buf, p, end)
      if (value < 0) break
      // Of equal keys the last one counts, as in JSON.
      if (isKey(buf, p, key)) this.value = value
      p = after(buf, value, end)
    }
    this.end = p
  }
}

/** As `skip`, quick for the texts of which records are made. */
function after(buf: Buffer, at: number, end: number): number {
  const t = buf[at] as number
  let next = -1
  if (t >= 0xa0 && t < 0xc0) next = at + 1 + (t & 31)
  else if (t === 0xd9) next = at + 2 + (buf[at + 1] as number)
  else return skip(buf, at, end)
  return next <= end ? next : -1
}

/** Keys are short: comparing byte by byte is quicker than a call into the runtime. */
function isKey(buf: Buffer, at: number, key: Buffer): boolean {
  const head = textHead(buf, at)
  if (head < 0 || textLength(buf, at) !== key.length) return false
  for (let i = 0, p = at + head; i < key.length; i++, p++) if (buf[p] !== key[i]) return false
  return true
}
