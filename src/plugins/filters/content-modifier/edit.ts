import { createHash } from 'node:crypto'
import { encodeStr, FALSE, NIL, TRUE, writeNumber, writeStrHead } from '../../../core/msgpack/encode.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import type { RegexLimit, RegexUse } from '../../../core/plugin.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { writeBigInteger } from '../../../lib/json/number.ts'
import { type LineMatcher, matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../lib/regex/match-result.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import { ExactNumber } from '../../../lib/values/exact-number.ts'
import { MAX_TYPED_BYTES, writeTyped } from '../../../lib/values/typed-value.ts'
import { type ContentModifierOptions, needed, slotsOf } from './options.ts'

/**
 * An action on one map. For each map `begin` is called first; when it returns true, the pairs with the keys of `removed` are left
 * out, the last one with the key of the action is replaced by what `replace` writes, and `append` adds pairs at the end.
 */
export interface Edit {
  /** True when the action adds its key to a map without it. */
  readonly adds: boolean
  /** Bytes that are added to a map at most; and, for each byte of a value, how many copies of it. */
  readonly growth: number
  readonly copies: number
  /** Keys, without heads, that the pairs to be left out have. */
  readonly removed: readonly Buffer[]
  /** Number of pairs that `append` adds. */
  readonly appended: number
  /** Takes the value of the key at `at`, or -1 if there is none; returns false to leave the record as it is. */
  begin(buf: Buffer, at: number): boolean
  /** Writes a pair; returns the offset after it. Undefined: there is none. */
  replace?(buf: Buffer, value: number, end: number, out: Buffer, to: number): number
  append(buf: Buffer, out: Buffer, to: number): number
}

/** Returns the edit of the options; `key` is the key in its map. */
export function createEdit(options: ContentModifierOptions, key: Buffer, limit?: RegexLimit): Edit {
  const name = key.toString()
  switch (options.action) {
    case 'insert':
      return new Add(key, needed(options, 'value'), false)
    case 'upsert':
      return new Add(key, needed(options, 'value'), true)
    case 'delete':
      return new Delete(key)
    case 'rename':
      return new Rename(key, needed(options, 'value'))
    case 'hash':
      return new Hash(key)
    case 'extract':
      return new Extract(needed(options, 'pattern'), limit)
    case 'convert':
      return new Convert(key, encodeStr(name), needed(options, 'convertedType'))
  }
}

const NONE: readonly Buffer[] = []

class Add implements Edit {
  readonly adds = true
  readonly copies = 0
  readonly appended = 1
  readonly growth: number
  readonly removed: readonly Buffer[]
  readonly #pair: Buffer
  readonly #replaces: boolean

  constructor(key: Buffer, value: string, replaces: boolean) {
    this.#pair = Buffer.concat([encodeStr(key.toString()), encodeStr(value)])
    this.growth = this.#pair.length
    this.removed = replaces ? [key] : NONE
    this.#replaces = replaces
  }

  begin(_buf: Buffer, at: number): boolean {
    return at < 0 || this.#replaces
  }

  append(_buf: Buffer, out: Buffer, to: number): number {
    return to + this.#pair.copy(out, to)
  }
}

/** What the actions have in common that need a value and append nothing. */
abstract class Change implements Edit {
  readonly adds = false
  readonly copies = 0
  readonly appended: number = 0
  readonly growth: number = 0
  readonly removed: readonly Buffer[]

  constructor(...removed: Buffer[]) {
    this.removed = removed
  }

  begin(_buf: Buffer, at: number): boolean {
    return at >= 0
  }

  append(_buf: Buffer, _out: Buffer, to: number): number {
    return to
  }
}

class Delete extends Change {}

class Rename extends Change {
  override readonly growth: number
  readonly #name: Buffer

  constructor(key: Buffer, name: string) {
    super(key, Buffer.from(name))
    this.#name = encodeStr(name)
    this.growth = this.#name.length
  }

  replace(buf: Buffer, value: number, end: number, out: Buffer, to: number): number {
    const at = to + this.#name.copy(out, to)
    return at + buf.copy(out, at, value, end)
  }
}

const HASH_DIGITS = 64

/** Hashes the bytes of a text, and the JSON of anything else; null and the empty text stay. */
class Hash extends Change {
  override readonly growth: number
  readonly #key: Buffer
  readonly #json = new JsonText()

  constructor(key: Buffer) {
    super(key)
    this.#key = encodeStr(key.toString())
    this.growth = this.#key.length + 2 + HASH_DIGITS
  }

  override begin(buf: Buffer, at: number): boolean {
    return at >= 0 && buf[at] !== NIL && (textHead(buf, at) < 0 || textLength(buf, at) > 0)
  }

  replace(buf: Buffer, value: number, _end: number, out: Buffer, to: number): number {
    const at = writeStrHead(out, to + this.#key.copy(out, to), HASH_DIGITS)
    return at + out.write(createHash('sha256').update(this.#text(buf, value)).digest('hex'), at, 'latin1')
  }

  #text(buf: Buffer, value: number): Buffer {
    const head = textHead(buf, value)
    if (head > 0) return buf.subarray(value + head, value + head + textLength(buf, value))
    this.#json.reset()
    this.#json.value(buf, value)
    return this.#json.bytes()
  }
}

/** Longest text of a number or boolean with its head. */
const MAX_SCALAR_TEXT = 40

/** Converts a value and moves it to the end; one that has no form of the type stays as it is. */
class Convert extends Change {
  override readonly appended = 1
  override readonly growth: number
  readonly #key: Buffer
  readonly #type: NonNullable<ContentModifierOptions['convertedType']>
  readonly #json = new JsonText()
  readonly #number = new ExactNumber()
  /** Text of the value to be appended, or its bytes in `#other`, of which there are `#size`. */
  #text = -1
  readonly #other = Buffer.alloc(MAX_SCALAR_TEXT)
  #size = 0

  constructor(key: Buffer, encoded: Buffer, type: NonNullable<ContentModifierOptions['convertedType']>) {
    super(key)
    this.#key = encoded
    this.#type = type
    this.growth = encoded.length + MAX_SCALAR_TEXT
  }

  override begin(buf: Buffer, at: number): boolean {
    if (at < 0) return false
    this.#text = -1
    this.#size = 0
    const head = textHead(buf, at)
    if (this.#type === 'string') return this.#toText(buf, at, head)
    if (head > 0) return this.#fromText(buf, at + head, at + head + textLength(buf, at))
    const isBool = buf[at] === TRUE || buf[at] === FALSE
    if (isBool) return this.#type === 'boolean' && this.#set(buf[at] as number)
    return this.#number.set(buf, at) && this.#fromNumber(buf, at)
  }

  override append(buf: Buffer, out: Buffer, to: number): number {
    const at = to + this.#key.copy(out, to)
    if (this.#text < 0) return at + this.#other.copy(out, at, 0, this.#size)
    const end = this.#text + textHead(buf, this.#text) + textLength(buf, this.#text)
    return at + buf.copy(out, at, this.#text, end)
  }

  #set(byte: number): true {
    this.#other[0] = byte
    this.#size = 1
    return true
  }

  #toText(buf: Buffer, at: number, head: number): boolean {
    if (head > 0) {
      this.#text = at
      return true
    }
    if (buf[at] !== TRUE && buf[at] !== FALSE && !this.#number.set(buf, at)) return false
    this.#json.reset()
    this.#json.value(buf, at)
    const start = writeStrHead(this.#other, 0, this.#json.at)
    this.#size = start + this.#json.buf.copy(this.#other, start, 0, this.#json.at)
    return true
  }

  #fromText(buf: Buffer, start: number, end: number): boolean {
    const type = this.#type === 'boolean' ? 'bool' : this.#type === 'int' ? 'integer' : 'float'
    // A longer text is no number that fits, and as a text it would not fit into the space.
    if (end - start > MAX_SCALAR_TEXT - MAX_TYPED_BYTES) return false
    this.#size = writeTyped(type, buf, start, end, this.#other, 0)
    return textHead(this.#other, 0) < 0
  }

  #fromNumber(buf: Buffer, at: number): boolean {
    const { value, isLong } = this.#number
    if (this.#type === 'boolean') return this.#set(value === 0 ? FALSE : TRUE)
    if (this.#type === 'double') {
      this.#other[0] = 0xcb
      this.#size = this.#other.writeDoubleBE(value, 1)
      return true
    }
    const isInteger = buf[at] !== 0xca && buf[at] !== 0xcb
    if (isLong) this.#size = buf.copy(this.#other, 0, at, at + 9)
    else {
      const whole = isInteger ? value : roundAway(value)
      if (!Number.isFinite(whole)) return false
      const size = Number.isSafeInteger(whole)
        ? writeNumber(this.#other, 0, whole)
        : writeBigInteger(BigInt(whole).toString(), this.#other, 0)
      // Beyond 64 bits.
      if (size < 0) return false
      this.#size = size
    }
    return true
  }
}

/** Rounds half away from zero, as C does; never to -0, which would be a float64. */
function roundAway(value: number): number {
  return value < 0 ? 0 - Math.round(-value) : Math.round(value) + 0
}

const LEFT: RegexUse = { reason: 'extract', effect: 'the record is left as it is' }
const MAX_TEXT_HEAD = 5

class Extract implements Edit {
  readonly adds = false
  readonly growth: number
  readonly copies: number
  /** Keys of the groups that took part in the match. */
  removed: Buffer[] = []
  readonly #expression: string
  readonly #limit: RegexLimit | undefined
  readonly #matcher: LineMatcher
  readonly #groups: { key: Buffer; encoded: Buffer; slots: number[] }[]

  constructor(pattern: string, limit: RegexLimit | undefined) {
    const regex = translateOnigmo(pattern)
    this.#expression = pattern
    this.#limit = limit
    this.#matcher = matcherOf(regex, limit?.stepsPerByte)
    this.#groups = [...slotsOf(regex)].map(([name, slots]) => ({
      key: Buffer.from(name),
      encoded: encodeStr(name),
      slots: slots.reverse(),
    }))
    this.growth = this.#groups.reduce((sum, { encoded }) => sum + encoded.length + MAX_TEXT_HEAD, 0)
    this.copies = regex.overlap
  }

  get appended(): number {
    return this.removed.length
  }

  begin(buf: Buffer, at: number): boolean {
    const head = at < 0 ? -1 : textHead(buf, at)
    if (head < 0) return false
    const start = at + head
    const result = this.#matcher.match(buf, start, start + textLength(buf, at))
    if (result === TOO_MANY_STEPS) this.#limit?.reached(this.#expression, 'Pattern', LEFT)
    if (result !== MATCH) return false
    this.removed.length = 0
    for (const { key, slots } of this.#groups) if (this.#slot(slots) >= 0) this.removed.push(key)
    return this.removed.length > 0
  }

  append(buf: Buffer, out: Buffer, to: number): number {
    const { spans } = this.#matcher
    let at = to
    for (const { encoded, slots } of this.#groups) {
      const slot = this.#slot(slots)
      if (slot < 0) continue
      const start = spans[slot] as number
      const end = spans[slot + 1] as number
      at += encoded.copy(out, at)
      at = writeStrHead(out, at, end - start)
      at += buf.copy(out, at, start, end)
    }
    return at
  }

  /** Returns the slot of the last of the groups that took part in the match, or -1. */
  #slot(slots: readonly number[]): number {
    for (const slot of slots) if ((this.#matcher.spans[slot] as number) >= 0) return slot
    return -1
  }
}
