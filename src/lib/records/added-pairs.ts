import type { Chunk } from '../../core/chunk.ts'
import { encodeStr, skip, writeMapHead } from '../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../core/msgpack/map-head.ts'
import { entryMap, mapBody, mapPairs } from '../../core/msgpack/record.ts'
import type { EntryOutput } from './entry-output.ts'
import { isOneOf } from './keys.ts'

/**
 * Writes entries with pairs at the end of their maps that take the place of the map's own pairs with the same keys. One object
 * serves all entries of a filter:
 *
 * ```
 *   if (adder.begin(buf, at, end, out)) { out.reserve(n); ...write `count` pairs at out.at... adder.finish(out, count) }
 * ```
 */
export class PairAdder {
  readonly #keys: readonly Buffer[]
  /** Has a mark for the length and the first byte of each key: most keys of records are told apart by it. */
  readonly #marks = new Uint8Array(256)
  /** Offsets in the output of the map's head and of its first pair; number of pairs that were kept. */
  #head = 0
  #body = 0
  #kept = 0

  /** `keys`: bytes of the keys of the pairs that will be added, without heads; each once. */
  constructor(keys: readonly Buffer[]) {
    this.#keys = keys
    for (const key of keys) this.#marks[markOf(key.length, key[0] ?? 0)] = 1
  }

  /**
   * Copies the entry buf[at, end) without the pairs that have one of the keys, and leaves its map open. Returns false, with the
   * entry copied as it is, when it is no valid record.
   */
  begin(buf: Buffer, at: number, end: number, out: EntryOutput): boolean {
    const map = entryMap(buf, at, end)
    if (map < 0) {
      out.copy(buf, at, end)
      return false
    }
    out.reserve(end - at + MAX_MAP_HEAD)
    const pairs = mapPairs(buf, map)
    const first = mapBody(buf, map)
    this.#kept = pairs
    let run = at
    let pair = first
    for (let i = 0; i < pairs; i++) {
      const value = keyEnd(buf, pair, end)
      const next = skip(buf, value, end)
      if (this.#isKey(buf, pair)) {
        if (this.#kept === pairs) this.#open(map, first, at, out)
        out.at += buf.copy(out.buf, out.at, run, pair)
        run = next
        this.#kept--
      }
      pair = next
    }
    if (this.#kept === pairs) this.#open(map, first, at, out)
    out.at += buf.copy(out.buf, out.at, run, end)
    return true
  }

  /** Ends the map, to which `count` pairs were added. */
  finish(out: EntryOutput, count: number): void {
    const { buf } = out
    const pairs = this.#kept + count
    if (this.#body - this.#head === mapHeadSize(pairs)) writeMapHead(buf, this.#head, pairs)
    else {
      out.reserve(MAX_MAP_HEAD)
      out.at = closeMap(out.buf, this.#head, this.#body, out.at, pairs)
    }
  }

  /** Takes the place in the output of the head that is copied with the first pairs. */
  #open(map: number, first: number, at: number, out: EntryOutput): void {
    this.#head = out.at + map - at
    this.#body = out.at + first - at
  }

  #isKey(buf: Buffer, at: number): boolean {
    const type = buf[at] as number
    if (type >= 0xa0 && type < 0xc0 && this.#marks[markOf(type & 31, buf[at + 1] as number)] === 0)
      return false
    return isOneOf(buf, at, this.#keys)
  }
}

/** Pairs that are the same for all records. */
export class FixedPairs {
  /** The pairs as MessagePack, and their number. */
  readonly bytes: Buffer
  readonly count: number
  readonly #adder: PairAdder

  /** `pairs`: keys, and values as MessagePack. */
  constructor(pairs: ReadonlyMap<string, Buffer>) {
    this.bytes = Buffer.concat([...pairs].flatMap(([key, value]) => [encodeStr(key), value]))
    this.count = pairs.size
    this.#adder = new PairAdder([...pairs.keys()].map((key) => Buffer.from(key)))
  }

  /** Copies the entry buf[at, end) with the pairs added. */
  addTo(buf: Buffer, at: number, end: number, out: EntryOutput): void {
    if (!this.#adder.begin(buf, at, end, out)) return
    out.copy(this.bytes, 0, this.bytes.length)
    this.#adder.finish(out, this.count)
  }

  /** Adds the pairs to all records of a chunk. */
  addToAll(chunk: Chunk, out: EntryOutput): void {
    if (this.count === 0 || chunk.count === 0) return
    const { buf, start, end } = chunk
    out.begin(chunk, chunk.count * (this.bytes.length + MAX_MAP_HEAD))
    for (let at = start; at < end; ) {
      const next = skip(buf, at, end)
      this.addTo(buf, at, next, out)
      at = next
    }
    out.finish(chunk, chunk.count)
  }
}

const MAX_MAP_HEAD = 5

function markOf(length: number, first: number): number {
  return (length * 37 + first) & 255
}

/** `skip` with a fast path for short texts, which nearly all keys are. */
function keyEnd(buf: Buffer, at: number, end: number): number {
  const type = buf[at] as number
  return type >= 0xa0 && type < 0xc0 ? at + 1 + (type & 31) : skip(buf, at, end)
}
