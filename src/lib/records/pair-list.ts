import { encodeStr, skip, writeMapHead } from '../../core/msgpack/encode.ts'
import { mapHeadSize } from '../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import type { EntryOutput } from './entry-output.ts'
import { KeyTable } from './key-table.ts'

/** Selects keys besides those of a list. */
export interface KeySelector {
  /** True when keys that are no texts are selected. */
  readonly selectsOthers: boolean
  selects(buf: Buffer, start: number, length: number): boolean
}

/** Key of a node that is a run of pairs whose keys do not matter, and of one that is a pair selected by the selector. */
const RUN = -2
const SELECTED = -1
/** Node before the first and after the last one. */
const ENDS = 0
const NODES = 64
/** Number of nodes above which their memory is given back: one huge record must not cost it forever. */
const MAX_KEPT_NODES = 65_536

/**
 * The pairs of one record as a list that is changed and then written. Only the pairs whose keys matter are nodes of their own: the
 * keys given to the constructor, known by their index, and those of the selector. All pairs between two of them are one node. One
 * object serves all records, so nothing is allocated per record. Node 0 is no pair.
 *
 * What is added are keys of the list with values in `extra`.
 */
export class PairList {
  /** Number of pairs. */
  pairs = 0
  /** Bytes of added values. The encoded keys are at its start; a filter may replace it by a longer one. */
  extra: Buffer
  readonly #table: KeyTable
  readonly #selector: KeySelector | undefined
  readonly #keyStarts: Int32Array
  /** Last node of each key, or 0; the one before it with the same key is in `#older`. */
  readonly #last: Int32Array
  #count = 1
  #next = new Int32Array(NODES)
  #previous = new Int32Array(NODES)
  #older = new Int32Array(NODES)
  #key = new Int32Array(NODES)
  /** Range of the pair, or of its value where the key is new; in `extra` for a negative `#from`: it is -1 - offset. */
  #from = new Int32Array(NODES)
  #to = new Int32Array(NODES)
  #value = new Int32Array(NODES)
  /** 1 when the key of the node is to be written before its range. */
  #isRenamed = new Uint8Array(NODES)

  constructor(keys: readonly string[], selector?: KeySelector) {
    this.#table = new KeyTable(keys.map((key) => Buffer.from(key)))
    this.#selector = selector
    this.#last = new Int32Array(keys.length)
    const encoded = keys.map(encodeStr)
    this.extra = Buffer.concat(encoded)
    this.#keyStarts = new Int32Array(keys.length + 1)
    encoded.forEach((key, i) => {
      this.#keyStarts[i + 1] = (this.#keyStarts[i] as number) + key.length
    })
  }

  /** Adds a value to `extra`; returns its range. */
  addExtra(value: Buffer): { from: number; to: number } {
    const from = this.extra.length
    this.extra = Buffer.concat([this.extra, value])
    return { from, to: this.extra.length }
  }

  /** Reads the map at `map`; returns the offset after it, or -1 when it is no map or not complete. */
  read(buf: Buffer, map: number, end: number): number {
    this.#reset()
    const pairs = map < 0 ? -1 : mapPairs(buf, map)
    if (pairs < 0) return -1
    this.pairs = pairs
    const table = this.#table
    const selector = this.#selector
    let run = mapBody(buf, map)
    let at = run
    if (at > end) return -1
    for (let i = 0; i < pairs; i++) {
      if (at >= end) return -1
      const type = buf[at] as number
      let key = RUN
      let value: number
      const head = type >= 0xa0 && type <= 0xbf ? 1 : textHead(buf, at)
      if (head < 0) {
        value = skip(buf, at, end)
        if (selector?.selectsOthers === true) key = SELECTED
      } else {
        const length = head === 1 ? type & 31 : textLength(buf, at)
        const start = at + head
        value = start + length
        if (value >= end) return -1
        key = table.find(buf, start, length)
        if (key < 0) key = selector?.selects(buf, start, length) === true ? SELECTED : RUN
      }
      const next = value < 0 ? -1 : skipValue(buf, value, end)
      if (next < 0) return -1
      if (key !== RUN) {
        if (at > run) this.#push(RUN, run, at, 0)
        this.#push(key, at, next, value)
        run = next
      }
      at = next
    }
    if (at > run) this.#push(RUN, run, at, 0)
    return at
  }

  /** Returns the last node with the key, or 0. */
  last(key: number): number {
    return this.#last[key] as number
  }

  /** Returns the offset of the value of a node that `read` has made. */
  valueOf(node: number): number {
    return this.#value[node] as number
  }

  /** Returns the first node after `node` that the selector has selected, or 0; `node` 0: the first of all. */
  nextSelected(node: number): number {
    let at = this.#next[node] as number
    while (at !== ENDS && this.#key[at] !== SELECTED) at = this.#next[at] as number
    return at
  }

  /** Returns the first node after `node` whose key matters, or 0; `node` 0: the first of all. */
  nextPair(node: number): number {
    let at = this.#next[node] as number
    while (at !== ENDS && this.#key[at] === RUN) at = this.#next[at] as number
    return at
  }

  /** Returns the index of the key of a node, or -1 for one that the selector has selected. */
  keyOf(node: number): number {
    return this.#key[node] as number
  }

  /** Returns the range of a node that `read` has made and that has kept its key. */
  startOf(node: number): number {
    return this.#from[node] as number
  }

  endOf(node: number): number {
    return this.#to[node] as number
  }

  /** Removes a node. All others with its key, if it is a key of the list, have to be removed, too. */
  remove(node: number): void {
    const key = this.#key[node] as number
    if (key >= 0) this.#last[key] = ENDS
    this.#unlink(node)
    this.pairs--
  }

  /** Removes all pairs with the key; returns false when there are none. */
  removeKey(key: number): boolean {
    let node = this.#last[key] as number
    if (node === ENDS) return false
    for (; node !== ENDS; node = this.#older[node] as number) this.remove(node)
    return true
  }

  /** Gives the last pair with `key`, which there is, the key `to`, which there is not. Other pairs with `key` are removed. */
  rename(key: number, to: number): void {
    const node = this.#last[key] as number
    this.#last[key] = this.#older[node] as number
    this.removeKey(key)
    this.#older[node] = ENDS
    if (this.#isRenamed[node] === 0) this.#from[node] = this.#value[node] as number
    this.#isRenamed[node] = 1
    this.#key[node] = to
    this.#last[to] = node
  }

  /** Adds a pair with the key `to`, which there is not, and the value of the last pair with `key` after that pair. */
  copy(key: number, to: number): void {
    const node = this.#last[key] as number
    const from = this.#isRenamed[node] === 0 ? this.#value[node] : this.#from[node]
    this.#isRenamed[this.#insert(node, to, from as number, this.#to[node] as number)] = 1
  }

  /** Adds a pair at the end, whose value is extra[from, to), with `key`, which there is not. */
  append(key: number, from: number, to: number): void {
    this.#isRenamed[this.#insert(this.#previous[ENDS] as number, key, -1 - from, -1 - to)] = 1
  }

  /** Adds a pair at the end, whose value is buf[from, to) of the record, with `key`, which there is not. */
  appendOwn(key: number, from: number, to: number): void {
    this.#isRenamed[this.#insert(this.#previous[ENDS] as number, key, from, to)] = 1
  }

  /** Moves a node after the node `place`; 0: to the start. */
  moveAfter(node: number, place: number): void {
    this.#unlink(node)
    this.#link(node, place)
  }

  /** Moves a node to the end. */
  moveToEnd(node: number): void {
    this.#unlink(node)
    this.#link(node, this.#previous[ENDS] as number)
  }

  /**
   * Writes buf[from, map), which was not changed, and the map that was read, `map`..`end`, with its changes. Returns the offset
   * from which on buf up to `end` is not written yet: what was not changed is copied together with what follows it.
   */
  write(buf: Buffer, from: number, map: number, end: number, out: EntryOutput): number {
    const { pairs } = this
    const headAt = out.at + map - from
    let start = from
    let stop = mapBody(buf, map)
    const fits = mapHeadSize(pairs) === stop - map
    if (!fits) {
      out.copy(buf, from, map)
      out.reserve(5)
      out.at = writeMapHead(out.buf, out.at, pairs)
      start = stop
    }
    for (let node = this.#next[ENDS] as number; node !== ENDS; node = this.#next[node] as number) {
      const nodeFrom = this.#from[node] as number
      const isOwn = nodeFrom >= 0
      if (this.#isRenamed[node] === 0 && nodeFrom === stop) {
        stop = this.#to[node] as number
        continue
      }
      out.copy(buf, start, stop)
      start = stop = 0
      if (this.#isRenamed[node] === 1) this.#writeKey(this.#key[node] as number, out)
      if (isOwn) {
        start = nodeFrom
        stop = this.#to[node] as number
      } else out.copy(this.extra, -1 - nodeFrom, -1 - (this.#to[node] as number))
    }
    const isSameHead = !fits || mapPairs(buf, map) === pairs
    if (stop === end && isSameHead) return start
    out.copy(buf, start, stop)
    if (!isSameHead) writeMapHead(out.buf, headAt, pairs)
    return end
  }

  #writeKey(key: number, out: EntryOutput): void {
    out.copy(this.extra, this.#keyStarts[key] as number, this.#keyStarts[key + 1] as number)
  }

  #reset(): void {
    if (this.#next.length > MAX_KEPT_NODES) this.#resize(NODES)
    this.#count = 1
    this.#next[ENDS] = ENDS
    this.#previous[ENDS] = ENDS
    this.#last.fill(ENDS)
  }

  #push(key: number, from: number, to: number, value: number): void {
    const node = this.#newNode(key, from, to)
    this.#value[node] = value
    this.#link(node, this.#previous[ENDS] as number)
  }

  #insert(after: number, key: number, from: number, to: number): number {
    const node = this.#newNode(key, from, to)
    this.#link(node, after)
    this.pairs++
    return node
  }

  #newNode(key: number, from: number, to: number): number {
    const node = this.#count++
    if (node === this.#next.length) this.#resize(node * 2)
    this.#key[node] = key
    this.#from[node] = from
    this.#to[node] = to
    this.#isRenamed[node] = 0
    if (key >= 0) {
      this.#older[node] = this.#last[key] as number
      this.#last[key] = node
    }
    return node
  }

  #link(node: number, after: number): void {
    const next = this.#next[after] as number
    this.#next[after] = node
    this.#previous[node] = after
    this.#next[node] = next
    this.#previous[next] = node
  }

  #unlink(node: number): void {
    const next = this.#next[node] as number
    const previous = this.#previous[node] as number
    this.#next[previous] = next
    this.#previous[next] = previous
  }

  /** Changes the number of nodes that there is space for; those beyond it are lost. */
  #resize(length: number): void {
    this.#next = resized(this.#next, length)
    this.#previous = resized(this.#previous, length)
    this.#older = resized(this.#older, length)
    this.#key = resized(this.#key, length)
    this.#from = resized(this.#from, length)
    this.#to = resized(this.#to, length)
    this.#value = resized(this.#value, length)
    const renamed = new Uint8Array(length)
    renamed.set(this.#isRenamed.subarray(0, length))
    this.#isRenamed = renamed
  }
}

function resized(old: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const array = new Int32Array(length)
  array.set(old.subarray(0, length))
  return array
}

/** `skip` with a fast path for short texts and small integers, of which most records consist. */
function skipValue(buf: Buffer, at: number, end: number): number {
  if (at >= end) return -1
  const type = buf[at] as number
  let next: number
  if (type < 0x80 || type >= 0xe0) next = at + 1
  else if (type >= 0xa0 && type < 0xc0) next = at + 1 + (type & 31)
  else if (type === 0xd9 && at + 1 < end) next = at + 2 + (buf[at + 1] as number)
  else return skip(buf, at, end)
  return next <= end ? next : -1
}
