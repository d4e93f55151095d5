import { MAX_OPEN_KEYS, UniqueKeys } from '../../core/msgpack/unique-keys.ts'
import type { EntryWriter } from '../../core/parser.ts'
import { copyString } from '../json/json-to-msgpack.ts'
import type { TimeReader } from '../time/strptime.ts'
import { parseTypes, type ValueType, writeTyped } from '../values/typed-value.ts'

/**
 * Writes the fields of formats whose lines contain the keys (logfmt, ltsv): keys and values are ranges of its
 * bytes, the time is read from its field, and typed fields are converted.
 */
export class FieldWriter {
  /** Offset after them. */
  at = 0
  /** Number of times that could not be read. */
  timeFailures = 0
  /** True when a time was read from the current line. */
  isTimed = false
  /** True when the current line has more fields than are read. */
  isFull = false
  /** True when some fields have a type. */
  readonly typed: boolean
  readonly #timeKey: Buffer
  readonly #time: TimeReader | undefined
  readonly #timeKeep: boolean
  readonly #types: { key: Buffer; type: ValueType }[]
  readonly #keys = new UniqueKeys()

  constructor(
    time: { reader: TimeReader | undefined; key: string; keep: boolean },
    types: readonly string[] | undefined,
  ) {
    this.#time = time.reader
    this.#timeKey = Buffer.from(time.key)
    this.#timeKeep = time.keep
    this.#types = parseTypes(types).map(({ key, type }) => ({ key: Buffer.from(key), type }))
    this.typed = this.#types.length > 0
  }

  begin(at: number): void {
    this.at = at
    this.#keys.count = 0
    this.isTimed = this.isFull = false
  }

  /** Number of pairs written so far. */
  get pairs(): number {
    return this.#keys.count
  }

  /** Removes all but the last of the fields with the same key, and fields with extra keys. */
  end(out: EntryWriter): void {
    this.at = this.#keys.removeDuplicates(out.buf, 0, this.at, out.extraKeys)
  }

  /** Writes a key; false for one too many. */
  key(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    if (this.#keys.count === MAX_OPEN_KEYS) {
      this.isFull = true
      return false
    }
    this.#keys.push(this.at)
    this.at = copyString(src, start, end, out.buf, this.at)
    return true
  }

  /** Writes one pair. The last readable field with the time's key sets the time. */
  pair(src: Buffer, key: number, keyEnd: number, start: number, end: number, out: EntryWriter): void {
    if (this.#time !== undefined && end > start && isKey(this.#timeKey, src, key, keyEnd)) {
      const isRead = this.#time.parse(src, start, end, out)
      if (!isRead) this.timeFailures++
      this.isTimed ||= isRead
      if (isRead && !this.#timeKeep) return
    }
    if (!this.key(src, key, keyEnd, out)) return
    const type = this.typed ? this.#typeOf(src, key, keyEnd) : 'string'
    this.at =
      type === 'string'
        ? copyString(src, start, end, out.buf, this.at)
        : writeTyped(type, src, start, end, out.buf, this.at)
  }

  #typeOf(src: Buffer, key: number, keyEnd: number): ValueType {
    for (let i = 0; i < this.#types.length; i++) {
      const rule = this.#types[i] as { key: Buffer; type: ValueType }
      if (isKey(rule.key, src, key, keyEnd)) return rule.type
    }
    return 'string'
  }
}

function isKey(name: Buffer, src: Buffer, start: number, end: number): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (src[start + i] !== name[i]) return false
  return true
}
