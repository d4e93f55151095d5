import { skip } from '../../core/msgpack/encode.ts'
import { closeMap } from '../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textEquals, textHead, textLength } from '../../core/msgpack/record.ts'
import { UniqueKeys } from '../../core/msgpack/unique-keys.ts'
import type { EntryWriter, Parser } from '../../core/parser.ts'
import type { ParserContext } from '../../core/plugin.ts'
import { copyString, JsonTranscoder, jsonBound, skipBlanks } from '../json/json-to-msgpack.ts'
import type { TimeReader } from '../time/strptime.ts'
import { AppendedFields, isString, MAX_KEPT_BYTES } from './appended-fields.ts'
import { type DecodeRule, type FieldRules, parseDecodeRules } from './decode-rules.ts'

/** Bytes beyond the bound of the parser: the head of a map that has grown, and what `jsonBound` adds. */
const EXTRA_BYTES = 24
/** Seconds before parsing, a value that no parser writes: it stays when the record has no time. */
const NO_TIME = -1

interface DecoderSettings {
  /** Number of values that may contain the same byte of the line: more than one for nested groups. */
  overlap?: number
  /** Reader and key of a time among the appended fields, used when the record itself has none. */
  time?: { reader: TimeReader; key: string; keep: boolean }
}

/** Wraps the parser with the decoders of its section, or returns it when there are none. */
export function withDecoders(
  parser: Parser,
  given: readonly (readonly string[])[],
  ctx: ParserContext,
  settings: DecoderSettings = {},
): Parser {
  return given.length === 0 ? parser : new FieldDecoder(parser, parseDecodeRules(given, ctx.log), settings)
}

/**
 * A parser with rules for fields that hold encoded text. The record is first written to a scratch buffer;
 * then its pairs are copied, and the rules are applied to the values that have some.
 */
class FieldDecoder implements Parser {
  readonly #parser: Parser
  readonly #fields: readonly FieldRules[]
  readonly #overlap: number
  readonly #time: DecoderSettings['time']
  readonly #timeKey: Buffer
  readonly #json = new JsonTranscoder(undefined, undefined, true)
  readonly #scratch: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  readonly #appended = new AppendedFields()
  #timeFailures = 0
  readonly #keys = new UniqueKeys()

  constructor(parser: Parser, fields: readonly FieldRules[], { overlap = 1, time }: DecoderSettings) {
    this.#parser = parser
    this.#fields = fields
    this.#overlap = fields.some(yieldsTwoObjects) ? overlap * 2 : overlap
    this.#time = time
    this.#timeKey = Buffer.from(time?.key ?? '')
  }

  get timeFailures(): number {
    return (this.#parser.timeFailures ?? 0) + this.#timeFailures
  }

  /** Adds what the values may yield as JSON to the parser's bound: no text decoder makes a value longer. */
  bound(length: number): number {
    return this.#parser.bound(length) + jsonBound(length * this.#overlap) + EXTRA_BYTES
  }

  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    const scratch = this.#scratch
    const bound = this.#parser.bound(end - start)
    if (scratch.buf.length < bound) scratch.buf = Buffer.allocUnsafeSlow(bound * 2)
    scratch.at = 0
    scratch.sec = NO_TIME
    scratch.nsec = out.nsec
    if (!this.#parser.parse(src, start, end, scratch)) return false
    this.#appended.reset()
    const pairs = mapPairs(scratch.buf, 0) + out.extraPairs
    const at = this.#copyPairs(scratch.buf, scratch.at, out.buf, out.at + 1)
    if (scratch.sec === NO_TIME) this.#readAppendedTime(out)
    else {
      out.sec = scratch.sec
      out.nsec = scratch.nsec
    }
    const dst = this.#appended.copyTo(out.buf, at)
    const written = closeMap(out.buf, out.at, out.at + 1, dst, pairs + this.#appended.pairs)
    out.at = this.#keys.settle(out.buf, out.at, written, out.extraPairs, out.extraKeys)
    if (scratch.buf.length > MAX_KEPT_BYTES) scratch.buf = Buffer.alloc(0)
    return true
  }

  /** Copies the pairs of the map at the start of `map`; consecutive pairs without rules in one call. */
  #copyPairs(map: Buffer, end: number, out: Buffer, at: number): number {
    let dst = at
    let key = mapBody(map, 0)
    let copied = key
    for (let i = mapPairs(map, 0); i > 0; i--) {
      const value = skip(map, key, end)
      const next = skip(map, value, end)
      const rules = isString(map[value] as number) ? this.#rulesOf(map, key) : undefined
      if (rules !== undefined) {
        dst += map.copy(out, dst, copied, value)
        dst = this.#writeDecoded(rules, map, value, out, dst)
        copied = next
      }
      key = next
    }
    return dst + map.copy(out, dst, copied, end)
  }

  #rulesOf(map: Buffer, key: number): readonly DecodeRule[] | undefined {
    const fields = this.#fields
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as FieldRules
      if (textEquals(map, key, field.key)) return field.rules
    }
    return undefined
  }

  /**
   * Writes the text at `value` after applying the rules; `map` is the scratch buffer, its text is changed in
   * place.
   */
  #writeDecoded(rules: readonly DecodeRule[], map: Buffer, value: number, out: Buffer, at: number): number {
    const from = value + textHead(map, value)
    let to = from + textLength(map, value)
    let appended = false
    for (const { as, decode, next } of rules) {
      let done = true
      if (decode === 'json' && as) {
        const dst = this.#writeObject(map, from, to, out, at)
        // The value is not a string any more: no further rule applies.
        if (dst >= 0) return dst
        done = false
      } else if (decode === 'json') {
        done = (appended && next === 'always') || this.#append(map, from, to, appended)
        appended ||= done
      } else if (as) to = decode(map, from, to)
      if (next === 'never' || (done && next === 'failure')) break
    }
    return copyString(map, from, to, out, at)
  }

  /** Writes the object that the text consists of; returns the offset after it, or -1 when it is not one. */
  #writeObject(src: Buffer, from: number, to: number, out: Buffer, at: number): number {
    const start = skipBlanks(src, from, to)
    if (start === to || src[start] !== 0x7b) return -1
    const dst = this.#json.transcode(src, start, to, out, at)
    return dst < 0 || skipBlanks(src, this.#json.end, to) < to ? -1 : dst
  }

  /**
   * Appends the fields of the object in the text; with `again` they replace those the same text gave before.
   */
  #append(src: Buffer, from: number, to: number, again: boolean): boolean {
    const { buf, at } = this.#appended.reserve(jsonBound(to - from))
    const dst = this.#writeObject(src, from, to, buf, at)
    if (dst < 0) return false
    this.#appended.add(this.#json.bodyAt, dst, this.#json.pairs, again)
    return true
  }

  #readAppendedTime(out: EntryWriter): void {
    const time = this.#time
    const pair = time === undefined ? undefined : this.#appended.find(this.#timeKey)
    if (time === undefined || pair === undefined) return
    const { buf } = this.#appended
    const isText = isString(buf[pair.value] as number)
    const text = isText ? undefined : numberText(buf, pair.value)
    const found =
      text === undefined
        ? isText && time.reader.parse(buf, pair.value + textHead(buf, pair.value), pair.end, out)
        : time.reader.parse(text, 0, text.length, out)
    if (!found) this.#timeFailures++
    else if (!time.keep) this.#appended.remove(pair.start, pair.end)
  }
}

/** Returns the positive number at `at` as text; undefined when the value is not a positive number. */
function numberText(buf: Buffer, at: number): Buffer | undefined {
  const type = buf[at] as number
  if (type < 0x80) return Buffer.from(String(type))
  if (type >= 0xcc && type <= 0xce) return Buffer.from(String(buf.readUIntBE(at + 1, 1 << (type - 0xcc))))
  if (type === 0xcf) return Buffer.from(String(buf.readBigUInt64BE(at + 1)))
  return type === 0xcb ? Buffer.from(String(buf.readDoubleBE(at + 1))) : undefined
}

/** Returns true when one text may yield two objects: one in its place and one appended to the record. */
function yieldsTwoObjects({ rules }: FieldRules): boolean {
  const objects = rules.filter(({ decode }) => decode === 'json')
  return objects.some(({ as }) => as) && objects.some(({ as }) => !as)
}
