import { ShipperError } from '../../../core/error.ts'
import { skip, writeBinHead, writeStrHead } from '../../../core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  mapBody,
  mapPairs,
  textHead,
  textLength,
} from '../../../core/msgpack/record.ts'
import type { FilterContext } from '../../../core/plugin.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import type { EntryOutput } from '../../../lib/records/entry-output.ts'
import { bodyAt } from '../../../lib/records/entry-parts.ts'
import { findCredential, isScheme } from './authorization.ts'
import type { Span } from './bytes.ts'
import { cardInNumber } from './card.ts'
import { isPlainName } from './container.ts'
import { Hits } from './hits.ts'
import { numberText } from './numbers.ts'
import type { RedactOptions } from './options.ts'
import { Ranges } from './ranges.ts'
import { Replacements } from './replacements.ts'
import { nameStrength } from './secrets.ts'
import { KINDS, type Kind, type TextScanner } from './text-scanner.ts'
import { isSecretValue, type NameStrength } from './values.ts'

const MAX_HEAD_BYTES = 5
const UINT64 = 0xcf
const INT64 = 0xd3
const NIL = 0xc0
const FALSE = 0xc2
const TRUE = 0xc3
const BIN8 = 0xc4
const BIN32 = 0xc6

/** A map or list around the value that is being looked at. */
interface Container {
  isMap: boolean
  /** Keys, values or items that are left. */
  left: number
  /** Offset of its head. */
  at: number
  /** What the key of this map or list, or of one around it, says about the values in it. */
  inherited: NameStrength | undefined
  /** What is said about the next value: by its key, if this is a map. */
  name: NameStrength | undefined
  /** The item of this list that was looked at last is the scheme of a credential: the next one is the credential. */
  isAfterScheme: boolean
  /** Keys of the map, once one of them was redacted, each with the number to try for the next one that is equal. */
  keys: Map<string, number> | undefined
}

/** Redacts one entry at a time. */
export class EntryRedactor {
  readonly replacements: Replacements
  readonly #out: EntryOutput
  readonly #begin: () => void
  readonly #hits: Hits
  readonly #accessors: RecordAccessor[]
  readonly #redactsKeys: boolean
  readonly #kinds: ReadonlySet<Kind>
  readonly #readsNames: boolean
  /** Counts by kind since the last report. */
  readonly #counts = new Map<string, number>()
  readonly #containers: Container[] = []
  #depth = 0
  /** The values that Key selects. */
  readonly #ranges = new Ranges()
  readonly #span: Span = { start: 0, end: 0 }
  /** Offset in the chunk up to which the entry has been copied; -1: nothing of it is changed yet. */
  #copied = -1
  #entry = 0

  /** `begin` is called before the first byte of an entry is written. */
  constructor(
    options: RedactOptions,
    kinds: ReadonlySet<Kind>,
    scanner: TextScanner,
    out: EntryOutput,
    begin: (entry: number) => void,
    { regexLimit }: FilterContext,
  ) {
    this.replacements = new Replacements(options)
    this.#hits = new Hits(scanner, options.pattern, regexLimit)
    this.#out = out
    this.#begin = () => begin(this.#entry)
    this.#accessors = options.key.map((key) => RecordAccessor.parse(key, 'key'))
    this.#redactsKeys = options.redactKeys
    this.#kinds = kinds
    this.#readsNames = kinds.has('password') || kinds.has('key')
  }

  /**
   * Writes the redacted form of the entry buf[at, end) to the output and returns true; writes nothing and returns false when there is
   * no secret in it. Throws E_FILTER_FAILED when that cannot be known.
   */
  redact(buf: Buffer, at: number, end: number): boolean {
    this.#selectRanges(buf, at, end)
    this.#entry = at
    this.#copied = -1
    this.#depth = 0
    for (let p = at; p < end; ) {
      const around = this.#depth > 0 ? this.#containers[this.#depth - 1] : undefined
      const isKey = around?.isMap === true && around.left % 2 === 0
      if (around !== undefined) around.left--
      const pairs = mapPairs(buf, p)
      const items = pairs < 0 ? arrayItems(buf, p) : pairs * 2
      if (items >= 0) {
        if (isKey && around !== undefined) around.name = around.inherited
        this.#push(p, pairs >= 0, items, isKey ? undefined : around?.name)
        p = pairs >= 0 ? mapBody(buf, p) : arrayBody(buf, p)
      } else {
        const stop = skip(buf, p, end)
        if (stop < 0) throw new ShipperError('E_FILTER_FAILED', 'the record is not complete MessagePack')
        this.#scalar(buf, p, stop, around, isKey)
        p = stop
      }
      while (this.#depth > 0 && this.#containers[this.#depth - 1]?.left === 0) this.#depth--
    }
    if (this.#copied < 0) return false
    this.#out.copy(buf, this.#copied, end)
    return true
  }

  /** Adds the counts to the counters. */
  report(counters: FilterContext['counters']): void {
    for (const [kind, count] of this.#counts)
      counters.add('redacted', count, (KINDS as readonly string[]).includes(kind) ? kind : 'pattern')
    this.#counts.clear()
  }

  #push(at: number, isMap: boolean, left: number, name: NameStrength | undefined): void {
    const container = this.#containers[this.#depth++]
    if (container === undefined)
      this.#containers.push({ isMap, left, at, inherited: name, name, isAfterScheme: false, keys: undefined })
    else {
      container.isMap = isMap
      container.left = left
      container.at = at
      container.inherited = container.name = name
      container.isAfterScheme = false
      container.keys = undefined
    }
  }

  #scalar(buf: Buffer, at: number, end: number, around: Container | undefined, isKey: boolean): void {
    const head = textHead(buf, at)
    const name = isKey ? undefined : around?.name
    if (head < 0) {
      if (isKey && around !== undefined) around.name = around.inherited
      this.#number(buf, at, end, name, isKey ? around : undefined)
      return
    }
    const start = at + head
    if (isKey && around !== undefined && this.#readsNames) around.name = nameOf(buf, start, end, around)
    if ((isKey && !this.#redactsKeys) || !this.#isSelected(at)) return
    const isCredential = around?.isAfterScheme === true
    if (around !== undefined)
      around.isAfterScheme = name === 'authorization' && !around.isMap && isScheme(buf, start, end)
    this.#find(buf, start, end, name, isCredential)
    if (this.#hits.count > 0) this.#writeText(buf, at, start, end, isKey ? around : undefined)
  }

  /** Finds the secrets of a text; `name` is what its key says, `isCredential`: the scheme is the item before it. */
  #find(
    buf: Buffer,
    start: number,
    end: number,
    name: NameStrength | undefined,
    isCredential: boolean,
  ): void {
    const hits = this.#hits
    if (name !== undefined && name !== 'authorization' && this.#kinds.has('password'))
      if (isSecretValue(buf, start, end, name)) {
        hits.clear()
        hits.add('password', start, end)
        return
      }
    hits.find(buf, start, end)
    if (name !== 'authorization' || !this.#kinds.has('key')) return
    const span = this.#span
    if (isCredential) {
      span.start = start
      span.end = end
    } else if (!findCredential(buf, start, end, true, span)) return
    // All of the credential is one secret, unless it is known as another one.
    const first = hits.starts[0] ?? end
    if (hits.count === 1 && first <= span.start && (hits.ends[0] as number) >= span.end) return
    hits.clear()
    hits.add('key', Math.min(first, span.start), span.end)
  }

  /** `map`: the map whose key it is. */
  #number(
    buf: Buffer,
    at: number,
    end: number,
    name: NameStrength | undefined,
    map: Container | undefined,
  ): void {
    const t = buf[at] as number
    if ((map !== undefined && !this.#redactsKeys) || !this.#isSelected(at)) return
    const isLoose = name !== undefined && name !== 'strict' && name !== 'authorization'
    if (isLoose && t !== NIL && t !== FALSE && t !== TRUE && this.#kinds.has('password')) {
      const value = numberText(buf, at, end)
      const text = this.replacements.textOf('password', value, 0, value.length)
      this.#writeNumber(buf, at, end, 'password', text)
      return
    }
    if ((t !== UINT64 && t !== INT64) || !this.#kinds.has('card')) return
    const digits = cardInNumber(buf, at)
    if (digits === undefined) return
    const text = this.replacements.ofNumber('card', digits)
    this.#writeNumber(buf, at, end, 'card', map === undefined ? text : this.#unused(text, buf, map))
  }

  #writeNumber(buf: Buffer, at: number, end: number, kind: string, text: Buffer): void {
    this.#count(kind)
    const out = this.#copyTo(buf, at, end, MAX_HEAD_BYTES + text.length)
    out.at = writeStrHead(out.buf, out.at, text.length)
    out.at += text.copy(out.buf, out.at)
  }

  /** Writes the text at `at`, whose bytes are buf[start, end), with its hits replaced. `map`: the map whose key it is. */
  #writeText(buf: Buffer, at: number, start: number, end: number, map: Container | undefined): void {
    const { starts, ends, kinds, count } = this.#hits
    const parts: Buffer[] = []
    let from = start
    for (let i = 0; i < count; i++) {
      const [first, last, kind] = [starts[i] as number, ends[i] as number, kinds[i] as string]
      this.#count(kind)
      parts.push(buf.subarray(from, first), this.replacements.textOf(kind, buf, first, last))
      from = last
    }
    parts.push(buf.subarray(from, end))
    const joined = Buffer.concat(parts)
    const text = map === undefined ? joined : this.#unused(joined, buf, map)
    const out = this.#copyTo(buf, at, end, MAX_HEAD_BYTES + text.length)
    const type = buf[at] as number
    const isBin = type >= BIN8 && type <= BIN32
    out.at = isBin ? writeBinHead(out.buf, out.at, text.length) : writeStrHead(out.buf, out.at, text.length)
    out.at += text.copy(out.buf, out.at)
  }

  /** Copies what is before `at`, and makes space for `bytes` that take the place of buf[at, end). */
  #copyTo(buf: Buffer, at: number, end: number, bytes: number): EntryOutput {
    if (this.#copied < 0) {
      this.#begin()
      this.#copied = this.#entry
    }
    this.#out.copy(buf, this.#copied, at)
    this.#copied = end
    this.#out.reserve(bytes)
    return this.#out
  }

  /** Returns a key that the map does not have: with a number after it, if it has this one. */
  #unused(key: Buffer, buf: Buffer, map: Container): Buffer {
    map.keys ??= keysOf(buf, map.at)
    const { keys } = map
    const text = key.toString('latin1')
    // The number with which the search begins is kept: many keys may become equal.
    let n = keys.get(text)
    if (n === undefined) {
      keys.set(text, 2)
      return key
    }
    while (keys.has(`${text}#${n}`)) n++
    keys.set(text, n + 1)
    keys.set(`${text}#${n}`, 2)
    return Buffer.from(`${text}#${n}`, 'latin1')
  }

  #count(kind: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
  }

  #selectRanges(buf: Buffer, at: number, end: number): void {
    if (this.#accessors.length === 0) return
    const ranges = this.#ranges
    ranges.clear()
    const body = bodyAt(buf, at, end)
    for (const accessor of this.#accessors)
      accessor.findAll(buf, body, end, (value) => ranges.add(value, skip(buf, value, end)))
    ranges.sort()
  }

  #isSelected(at: number): boolean {
    return this.#accessors.length === 0 || this.#ranges.has(at)
  }
}

/** Returns what the key buf[start, end) of a map says about its value; a key of its own counts before the one of the map. */
function nameOf(buf: Buffer, start: number, end: number, map: Container): NameStrength | undefined {
  const own = nameStrength(buf, start, end)
  if (own !== undefined || map.inherited !== 'strict') return own ?? map.inherited
  return isPlainName(buf, start, end) ? undefined : 'strict'
}

/** Returns the keys of the map at `map` that are texts, as latin1. */
function keysOf(buf: Buffer, map: number): Map<string, number> {
  const keys = new Map<string, number>()
  let p = mapBody(buf, map)
  for (let left = mapPairs(buf, map); left > 0; left--) {
    const head = textHead(buf, p)
    if (head > 0) keys.set(buf.toString('latin1', p + head, p + head + textLength(buf, p)), 2)
    p = skip(buf, skip(buf, p, buf.length), buf.length)
  }
  return keys
}
