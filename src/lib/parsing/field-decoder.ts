import { skip } from '../../core/msgpack/encode.ts'
import { closeMap } from '../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textEquals, textHead, textLength } from '../../core/msgpack/record.ts'
import type { EntryWriter, Parser } from '../../core/parser.ts'
import type { ParserContext } from '../../core/plugin.ts'
import { copyString, JsonTranscoder, jsonBound, skipBlanks } from '../json/json-to-msgpack.ts'
import type { TimeReader } from '../time/strptime.ts'
import { AppendedFields, isString, KEPT } from './appended-fields.ts'
import { type DecodeRule, type FieldRules, parseDecodeRules } from './decode-rules.ts'

/** Beyond the bound of the parser: the head of a map that has grown, and what `jsonBound` adds. */
const MORE = 24
/** No parser finds this time: the record has none. */
const UNTIMED = -1

interface More {
  /** How often a byte of the line may stand in a value: more than once in groups within groups. */
  overlap?: number
  /** A time that the record itself has not may be in the fields that are appended. */
  time?: { reader: TimeReader; key: string; keep: boolean }
}

/** The parser, with the decoders that its section names. */
export function withDecoders(
  parser: Parser,
  given: readonly (readonly string[])[],
  ctx: ParserContext,
  more: More = {},
): Parser {
  return given.length === 0 ? parser : new FieldDecoder(parser, parseDecodeRules(given, ctx.log), more)
}

/**
 * A parser with rules for fields that hold encoded text. The record is written aside; then its pairs are copied, and
 * values that have rules go through them on the way.
 */
class FieldDecoder implements Parser {
  readonly #parser: Parser
  readonly #fields: readonly FieldRules[]
  readonly #overlap: number
  readonly #time: More['time']
  readonly #timeKey: Buffer
  readonly #json = new JsonTranscoder()
  readonly #aside: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  readonly #appended = new AppendedFields()

  constructor(parser: Parser, fields: readonly FieldRules[], { overlap = 1, time }: More) {
    this.#parser = parser
    this.#fields = fields
    this.#overlap = fields.some(isTwofold) ? overlap * 2 : overlap
    this.#time = time
    this.#timeKey = Buffer.from(time?.key ?? '')
  }

  /** What the values can become, beside what they are: no text decoder makes them longer. */
  bound(length: number): number {
    return this.#parser.bound(length) + jsonBound(length * this.#overlap) + MORE
  }

  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    const aside = this.#aside
    const bound = this.#parser.bound(end - start)
    if (aside.buf.length < bound) aside.buf = Buffer.allocUnsafeSlow(bound * 2)
    aside.at = 0
    aside.sec = UNTIMED
    aside.nsec = out.nsec
    if (!this.#parser.parse(src, start, end, aside)) return false
    this.#appended.reset()
    const pairs = mapPairs(aside.buf, 0) + out.extraPairs
    const at = this.#pairs(aside.buf, aside.at, out.buf, out.at + 1)
    if (aside.sec === UNTIMED) this.#timeOfAppended(out)
    else {
      out.sec = aside.sec
      out.nsec = aside.nsec
    }
    const o = this.#appended.copyTo(out.buf, at)
    out.at = closeMap(out.buf, out.at, out.at + 1, o, pairs + this.#appended.pairs)
    if (aside.buf.length > KEPT) aside.buf = Buffer.alloc(0)
    return true
  }

  /** Copies the pairs of the map at the start of `map`: runs of those without rules at once. */
  #pairs(map: Buffer, end: number, out: Buffer, at: number): number {
    let o = at
    let key = mapBody(map, 0)
    let copied = key
    for (let i = mapPairs(map, 0); i > 0; i--) {
      const value = skip(map, key, end)
      const next = skip(map, value, end)
      const rules = isString(map[value] as number) ? this.#rulesOf(map, key) : undefined
      if (rules !== undefined) {
        o += map.copy(out, o, copied, value)
        o = this.#value(rules, map, value, out, o)
        copied = next
      }
      key = next
    }
    return o + map.copy(out, o, copied, end)
  }

  #rulesOf(map: Buffer, key: number): readonly DecodeRule[] | undefined {
    const fields = this.#fields
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as FieldRules
      if (textEquals(map, key, field.key)) return field.rules
    }
    return undefined
  }

  /** Writes what the rules make of the text at `value`; `map` is our own, and its text is changed in place. */
  #value(rules: readonly DecodeRule[], map: Buffer, value: number, out: Buffer, at: number): number {
    const from = value + textHead(map, value)
    let to = from + textLength(map, value)
    let appended = false
    for (const { as, decode, next } of rules) {
      let done = true
      if (decode === 'json' && as) {
        const o = this.#object(map, from, to, out, at)
        // From here on the value is no text, and no rule is left for it.
        if (o >= 0) return o
        done = false
      } else if (decode === 'json') {
        done = (appended && next === 'always') || this.#append(map, from, to, appended)
        appended ||= done
      } else if (as) to = decode(map, from, to)
      if (next === 'never' || (done && next === 'failure')) break
    }
    return copyString(map, from, to, out, at)
  }

  /** The offset behind the object that the text is, or -1. */
  #object(src: Buffer, from: number, to: number, out: Buffer, at: number): number {
    const start = skipBlanks(src, from, to)
    if (start === to || src[start] !== 0x7b) return -1
    const o = this.#json.transcode(src, start, to, out, at)
    return o < 0 || skipBlanks(src, this.#json.end, to) < to ? -1 : o
  }

  /** Its fields, to stand behind those of the record; `again`: instead of those that the same text gave before. */
  #append(src: Buffer, from: number, to: number, again: boolean): boolean {
    const { buf, at } = this.#appended.room(jsonBound(to - from))
    const o = this.#object(src, from, to, buf, at)
    if (o < 0) return false
    this.#appended.add(this.#json.bodyAt, o, this.#json.pairs, again)
    return true
  }

  #timeOfAppended(out: EntryWriter): void {
    const time = this.#time
    const pair = time === undefined ? undefined : this.#appended.find(this.#timeKey)
    if (time === undefined || pair === undefined) return
    const found = time.reader.parse(this.#appended.buf, pair.from, pair.end, out)
    if (found && !time.keep) this.#appended.remove(pair.start, pair.end)
  }
}

/** One text may become two objects, one in its place and one behind the record. */
function isTwofold({ rules }: FieldRules): boolean {
  const objects = rules.filter(({ decode }) => decode === 'json')
  return objects.some(({ as }) => as) && objects.some(({ as }) => !as)
}
