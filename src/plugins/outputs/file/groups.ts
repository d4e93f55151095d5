import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { TagText } from '../../../lib/records/template.ts'
import type { ChosenPath } from './chosen-path.ts'
import type { Destination } from './path.ts'

/** Why a record has no destination of its own; the reasons of the counters. */
export type Cause = 'missing_field' | 'limit_reached'
/** A destination, or why there is none. */
export type Target = { destination: Destination } | { cause: Cause; reason: string }

/** Records of a chunk with the same target, as a list of their numbers in the order of the chunk. */
export interface Group {
  readonly target: Target
  readonly first: number
  last: number
  count: number
  /** Number of those that are here because their own destination cannot be used. */
  readonly diverted: Record<Cause, number>
}

/** A destination that other records had, by the text that named it. */
interface Recent {
  key: Buffer
  group: number
  cause: Cause | undefined
}

/** Number of texts that are compared before one is looked up as a string. */
const MAX_RECENT = 8

/**
 * Divides the records of a chunk by their destination. Nothing is allocated for a record whose destination one of the last
 * few had.
 */
export class Groups {
  readonly #path: ChosenPath
  /** Returns what is done instead of writing to the destination, or `target` if it may be written. */
  readonly #admit: (target: Target) => Target
  readonly #tag = new TagText()
  readonly #text = new JsonText()
  readonly #entry = new Entry()
  readonly list: Group[] = []
  /** By number of the record: offset of its entry, and the number of the next record of its group. */
  #offsets = new Int32Array(0)
  #next = new Int32Array(0)
  readonly #byText = new Map<string, Recent>()
  readonly #byPath = new Map<string, number>()
  readonly #recent: Recent[] = []

  constructor(path: ChosenPath, admit: (target: Target) => Target) {
    this.#path = path
    this.#admit = admit
  }

  /** Divides the records that are not `done`, by number. */
  divide(chunk: Chunk, done: Uint8Array | undefined): void {
    this.clear()
    this.#tag.set(chunk.tag)
    if (this.#offsets.length < chunk.count) {
      this.#offsets = new Int32Array(chunk.count)
      this.#next = new Int32Array(chunk.count)
    }
    const entry = this.#entry
    let one: Recent | undefined
    let i = 0
    for (let at = chunk.start; at < chunk.end; at = entry.end, i++) {
      entry.read(chunk, at)
      this.#offsets[i] = at
      if (done?.[i] === 1) continue
      const found = one ?? this.#find(chunk)
      if (this.#path.isPerTag) one = found
      this.#add(i, found)
    }
    if (i > chunk.count)
      throw new ShipperError('E_INTERNAL', `chunk ${chunk.id} has ${i} records instead of ${chunk.count}`)
  }

  /** Forgets the chunk; what very many records have needed is given back. */
  clear(): void {
    this.list.length = 0
    this.#recent.length = 0
    this.#byText.clear()
    this.#byPath.clear()
    this.#text.reset()
    if (this.#offsets.length > MAX_KEPT_RECORDS) this.#offsets = this.#next = new Int32Array(0)
  }

  /** Returns the number of the record after this one in its group. */
  next(record: number): number {
    return this.#next[record] as number
  }

  /** Returns the offset of a record's entry. */
  offset(record: number): number {
    return this.#offsets[record] as number
  }

  /** Returns the offset after a record's entry. */
  end(record: number, chunk: Chunk): number {
    return record + 1 < chunk.count ? this.offset(record + 1) : chunk.end
  }

  #add(record: number, { group, cause }: Recent): void {
    const its = this.list[group] as Group
    if (its.count > 0) this.#next[its.last] = record
    else (its as { first: number }).first = record
    its.last = record
    its.count++
    if (cause !== undefined) its.diverted[cause]++
  }

  /** Returns the group of the current entry. */
  #find(chunk: Chunk): Recent {
    const text = this.#text
    text.reset()
    if (!this.#path.write(text, this.#tag, chunk.buf, this.#entry)) this.#writeMissing(chunk)
    else if (text.at > MAX_TEXT_BYTES) {
      text.reset()
      text.byte(TOO_LONG)
    }
    const { buf, at } = text
    const recent = this.#recent
    for (let i = 0; i < recent.length; i++) {
      const known = recent[i] as Recent
      if (!isText(buf, at, known.key)) continue
      if (i > 0) {
        recent[i] = recent[0] as Recent
        recent[0] = known
      }
      return known
    }
    const found = this.#lookUp(chunk.tag)
    if (recent.length === MAX_RECENT) recent.pop()
    recent.unshift(found)
    return found
  }

  /** Writes what is missing in the current entry, so that records with the same reason are one group. */
  #writeMissing(chunk: Chunk): void {
    const text = this.#text
    text.reset()
    const missing = this.#path.missing(text, this.#tag, chunk.buf, this.#entry)
    text.byte(MISSING)
    text.raw(missing)
  }

  #lookUp(tag: string): Recent {
    const bytes = this.#text.bytes()
    const key = bytes.toString('latin1')
    const known = this.#byText.get(key)
    if (known !== undefined) return known
    const found = this.#make(Buffer.from(bytes), tag)
    this.#byText.set(key, found)
    return found
  }

  #make(key: Buffer, tag: string): Recent {
    const named = key[0] === MISSING ? missingReason(key) : this.#named(key, tag)
    const own: Target =
      typeof named === 'string' ? { cause: 'missing_field', reason: named } : { destination: named }
    // Another text may have named the same file.
    const known = 'destination' in own ? this.#byPath.get(own.destination.path) : undefined
    if (known !== undefined) return { key, group: known, cause: undefined }
    const admitted = this.#admit(own)
    const cause = 'cause' in own ? own.cause : own === admitted ? undefined : 'limit_reached'
    return { key, group: this.#groupOf(admitted), cause }
  }

  #named(key: Buffer, tag: string): Destination | string {
    return key[0] === TOO_LONG ? LONG_REASON : this.#path.resolve(key, tag)
  }

  #groupOf(target: Target): number {
    const path = 'destination' in target ? target.destination.path : undefined
    const known = path === undefined ? undefined : this.#byPath.get(path)
    if (known !== undefined) return known
    const diverted = { missing_field: 0, limit_reached: 0 }
    const group = this.list.push({ target, first: -1, last: -1, count: 0, diverted }) - 1
    if (path !== undefined) this.#byPath.set(path, group)
    return group
  }
}

/** Number of records for which the lists are kept from one chunk to the next. */
const MAX_KEPT_RECORDS = 100_000
/** Longest text that is kept to be compared, and what stands for a longer one: no text begins with these bytes. */
const MAX_TEXT_BYTES = 8192
const TOO_LONG = 0xff
/** Begins the text of a record that has no path; what is missing follows. */
const MISSING = 0xfe
const LONG_REASON = `the path has more than ${MAX_TEXT_BYTES} bytes`

/** Returns the reason for a text that begins with MISSING. */
function missingReason(key: Buffer): string {
  const name = key.toString('utf8', 1)
  if (name === '$TAG') return 'the tag is empty'
  if (TAG_PART.test(name)) return `the tag has no part ${name}, or it is empty`
  return `the field ${name} is missing or empty, or it is a map or a list`
}

const TAG_PART = /^\$TAG\[/

/** Texts differ at their end more often than at their start. */
function isText(buf: Buffer, length: number, text: Buffer): boolean {
  if (text.length !== length) return false
  for (let i = length - 1; i >= 0; i--) if (buf[i] !== text[i]) return false
  return true
}
