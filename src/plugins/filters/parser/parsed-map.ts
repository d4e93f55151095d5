import { encodeStr, skip, writeMapHead, writeStrHead } from '../../../core/msgpack/encode.ts'
import { closeMap } from '../../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import { UniqueKeys } from '../../../core/msgpack/unique-keys.ts'
import { KeptKeys, type KnownKeys } from './kept-keys.ts'
import type { RecordText } from './record-text.ts'
import { removeRepeatedKeys } from './repeated-keys.ts'
import { copyBytes, skipText } from './short-values.ts'
import type { TextBlock } from './text-block.ts'

/** Bytes of the heads of two maps. */
const MAP_HEADS = 10
const MAX_STR_HEAD = 5

interface MapForm {
  /** Key of the map that the parsed fields are put into; undefined: they are fields of the record. */
  resultKey: string | undefined
  /** Text before the keys of the parsed fields. */
  resultPrefix: string | undefined
  /** Which value counts when a kept field and a parsed one have the same key. */
  collision: 'reserved' | 'parsed'
}

/** Writes the map of a record from that of a parser and the kept pairs. */
export class ParsedMap {
  /** True when the pairs of the parser come first, as it has written them: it may write them where they belong. */
  readonly isPlain: boolean
  readonly #resultKey: Buffer | undefined
  readonly #prefix: Buffer
  readonly #keptFirst: boolean
  readonly #keys = new UniqueKeys()
  readonly #kept = new KeptKeys()
  #removed = 0
  /** End of the pairs that were there before some were removed. */
  #pairsEnd = 0
  /** End of the pairs that were read; false: those with kept keys are among them. */
  #readEnd = 0
  #hasRead = false

  constructor({ resultKey, resultPrefix = '', collision }: MapForm) {
    this.#resultKey = resultKey === undefined ? undefined : encodeStr(resultKey)
    this.#prefix = Buffer.from(resultPrefix)
    this.#keptFirst = collision === 'parsed'
    this.isPlain = resultKey === undefined && resultPrefix === '' && !this.#keptFirst
  }

  /** Returns the maximum number of bytes that `write` writes for a map of `bytes` bytes. */
  bound(bytes: number, pairs: number, record: RecordText): number {
    const keyBytes = (this.#resultKey?.length ?? 0) + pairs * (this.#prefix.length + MAX_STR_HEAD)
    return bytes + keyBytes + record.keptBytes + MAP_HEADS
  }

  /**
   * Appends the kept pairs to the map at out[map], whose head counts them already; returns the end of the map. `known`: the keys
   * that the map may have, if they do not depend on the text.
   */
  append(
    src: Buffer,
    record: RecordText,
    out: Buffer,
    map: number,
    end: number,
    known: KnownKeys | undefined,
  ): number {
    if (record.keptPairs === 0) return end
    const kept = this.#kept
    if (record.hasOddKey || !kept.note(src, record, known)) {
      this.#keys.count = 0
      this.#pushPairs(out, mapBody(out, map), end)
      return this.#settle(out, map, record.copyKept(src, out, end, this.#keys), record)
    }
    const body = mapBody(out, map)
    const pairs = mapPairs(out, map)
    const to = kept.mayMeetKnown ? this.#withoutKept(src, out, body, pairs - record.keptPairs, end) : end
    const after = record.copyKept(src, out, to, undefined)
    return to === end ? after : closeMap(out, map, body, after, pairs - this.#removed)
  }

  /**
   * Reads the map of a text in a block and removes the pairs with kept keys from it; sets block.end. `writeRead` then writes what
   * `append` does.
   */
  read(src: Buffer, record: RecordText, block: TextBlock, known: KnownKeys | undefined): void {
    const { output, map, size } = block
    const kept = this.#kept
    const pairs = mapPairs(output, map)
    const body = mapBody(output, map)
    this.#removed = 0
    this.#hasRead = record.keptPairs === 0 || (!record.hasOddKey && kept.note(src, record, known))
    if (this.#hasRead && record.keptPairs > 0 && kept.mayMeetKnown) {
      this.#readEnd = this.#withoutKept(src, output, body, pairs, size)
      block.end = this.#pairsEnd
    } else this.#readEnd = block.end = skip(output, map, size)
  }

  /** Writes the map that was read, and the kept pairs, to out[to]; returns the offset after them. */
  writeRead(src: Buffer, record: RecordText, block: TextBlock, out: Buffer, to: number): number {
    const { output, map } = block
    const pairs = mapPairs(output, map) - this.#removed + record.keptPairs
    const body = writeMapHead(out, to, pairs)
    const end = copyBytes(output, mapBody(output, map), this.#readEnd, out, body)
    if (this.#hasRead) return record.copyKept(src, out, end, undefined)
    this.#keys.count = 0
    this.#pushPairs(out, body, end)
    return this.#settle(out, to, record.copyKept(src, out, end, this.#keys), record)
  }

  /** Removes the parsed pairs with kept keys from those at out[body] and counts them; returns the new end. */
  #withoutKept(src: Buffer, out: Buffer, body: number, pairs: number, end: number): number {
    this.#removed = 0
    let to = body
    let at = body
    for (let i = 0; i < pairs; i++) {
      const next = skipText(out, skipText(out, at, end), end)
      if (this.#kept.has(src, out, at)) this.#removed++
      else {
        if (to !== at) copyBytes(out, at, next, out, to)
        to += next - at
      }
      at = next
    }
    this.#pairsEnd = at
    return to
  }

  /** Writes the map to out[to] from the map parsed[0, parsedEnd) and the kept pairs; returns the offset after it. */
  write(src: Buffer, record: RecordText, parsed: Buffer, parsedEnd: number, out: Buffer, to: number): number {
    const pairs = this.#resultKey === undefined ? mapPairs(parsed, 0) : 1
    const keys = this.#keys
    keys.count = 0
    let at = writeMapHead(out, to, record.keptPairs + pairs)
    if (this.#keptFirst) at = record.copyKept(src, out, at, keys)
    const from = at
    at = this.#writeParsed(parsed, parsedEnd, out, at)
    this.#pushPairs(out, from, at)
    if (!this.#keptFirst) at = record.copyKept(src, out, at, keys)
    return record.keptPairs === 0 ? at : this.#settle(out, to, at, record)
  }

  #pushPairs(buf: Buffer, from: number, end: number): void {
    for (let at = from; at < end; at = skipText(buf, skipText(buf, at, end), end)) this.#keys.push(at)
  }

  /** Leaves one of the pairs with equal keys, which are in `#keys`. */
  #settle(out: Buffer, map: number, end: number, record: RecordText): number {
    if (record.hasOddKey) return removeRepeatedKeys(out, map, end)
    const keys = this.#keys
    const { count } = keys
    const settled = keys.removeDuplicates(out, 0, end)
    const removed = count - keys.count
    return removed === 0 ? end : closeMap(out, map, mapBody(out, map), settled, mapPairs(out, map) - removed)
  }

  #writeParsed(parsed: Buffer, end: number, out: Buffer, to: number): number {
    const key = this.#resultKey
    if (this.#prefix.length === 0) {
      if (key === undefined) return to + parsed.copy(out, to, mapBody(parsed, 0), end)
      const value = to + key.copy(out, to)
      return value + parsed.copy(out, value, 0, end)
    }
    if (key === undefined) return this.#writePrefixed(parsed, end, out, to)
    const map = to + key.copy(out, to)
    const after = this.#writePrefixed(parsed, end, out, map + 1)
    return closeMap(out, map, map + 1, after, mapPairs(parsed, 0))
  }

  #writePrefixed(parsed: Buffer, end: number, out: Buffer, to: number): number {
    const prefix = this.#prefix
    let pos = to
    for (let at = mapBody(parsed, 0); at < end; ) {
      const value = skip(parsed, at, end)
      const next = skip(parsed, value, end)
      const key = at + textHead(parsed, at)
      pos = writeStrHead(out, pos, prefix.length + textLength(parsed, at))
      pos += prefix.copy(out, pos)
      pos += parsed.copy(out, pos, key, next)
      at = next
    }
    return pos
  }
}
