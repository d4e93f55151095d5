import { TRUE } from '../../core/msgpack/encode.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { EntryWriter } from '../../core/parser.ts'
import { defineParser, type ParserContext } from '../../core/plugin.ts'
import { codePoint, writeCodePoint } from '../../lib/json/escapes.ts'
import { withDecoders } from '../../lib/parsing/field-decoder.ts'
import { FieldParser } from '../../lib/parsing/field-parser.ts'
import { DECODE_DESCRIPTION, DECODE_OPTION, TIME_OPTIONS, TYPES_OPTION } from '../../lib/parsing/options.ts'

const OPTIONS = defineOptions({
  ...TIME_OPTIONS,
  ...TYPES_OPTION,
  ...DECODE_OPTION,
  logfmt_no_bare_keys: {
    type: 'bool',
    default: 'false',
    help: 'Keep lines with a key without `=` unparsed. Otherwise such a key has the value true.',
  },
})

export const spec = defineParser({
  kind: 'parser',
  name: 'logfmt',
  summary: 'Parses lines of key=value pairs.',
  description: `Values with blanks are written in quotation marks, with \`\\"\`, \`\\\\\`, \`\\n\`, \`\\t\`, \`\\r\` and \`\\uXXXX\` as escapes; any
other character after a backslash means itself. \`key=\` is an empty text. Types apply to values with and without quotation
marks. A line without a key is kept unparsed.

${DECODE_DESCRIPTION}`,
  options: OPTIONS,
  example: `[PARSER]
    Name        app
    Format      logfmt
    Time_Key    ts
    Time_Format %Y-%m-%dT%H:%M:%S.%L%z
    Types       took:float
`,
  create: (options, ctx) => withDecoders(new LogfmtParser(options, ctx), options.decodeField, ctx),
})

/** Bytes of keys and bare values: above the blank, without `=` and `"`. A bare value may contain `=` too. */
const WORD = new Uint8Array(256).fill(1, 0x21)
WORD[0x3d] = WORD[0x22] = 0

/**
 * Parses logfmt:
 *
 * ```
 *   line  = *( garbage / pair )      garbage = blank / "=" / '"'
 *   pair  = word [ "=" [ bare / quoted ] ]
 *   bare  = 1*( word byte / "=" )    quoted = '"' *( any but '"' and "\" / "\" any ) '"'
 * ```
 * A quotation mark that is never closed ends with the line.
 */
class LogfmtParser extends FieldParser {
  readonly #bareKeys: boolean
  #scratch = Buffer.alloc(0)
  #escaped = false

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: ParserContext) {
    super(options, ctx)
    this.#bareKeys = !options.logfmtNoBareKeys
  }

  protected form() {
    return { form: 'logfmt', bareKeys: this.#bareKeys } as const
  }

  protected walk(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    let p = start
    while (p < end) {
      if (WORD[src[p] as number] === 0) {
        p++
        continue
      }
      const key = p
      p = this.#word(src, p, end)
      if (p >= end || src[p] !== 0x3d) {
        if (!this.#bareKeys) return false
        if (!this.fields.key(src, key, p, out)) return false
        out.buf[this.fields.at++] = TRUE
      } else if (p + 1 < end && src[p + 1] === 0x22) {
        p = this.#quotedPair(src, key, p, end, out)
      } else {
        const value = p + 1
        p = value
        while (p < end && (WORD[src[p] as number] === 1 || src[p] === 0x3d)) p++
        this.fields.pair(src, key, value - 1, value, p, out)
      }
    }
    return true
  }

  #word(src: Buffer, start: number, end: number): number {
    let p = start
    while (p < end && WORD[src[p] as number] === 1) p++
    return p
  }

  /** Writes the pair whose `=` is at `equals` and whose value is quoted; returns the offset after the pair. */
  #quotedPair(src: Buffer, key: number, equals: number, end: number, out: EntryWriter): number {
    const from = equals + 2
    const close = this.#closing(src, from, end)
    if (!this.#escaped) this.fields.pair(src, key, equals, from, close, out)
    else this.#escapedPair(src, key, equals, close, out)
    return Math.min(close + 1, end)
  }

  /** Returns the offset of the closing mark, or `end`; sets `#escaped`. */
  #closing(src: Buffer, from: number, end: number): number {
    let p = from
    this.#escaped = false
    while (p < end && src[p] !== 0x22) {
      if (src[p] === 0x5c) {
        this.#escaped = true
        p++
      }
      p++
    }
    return Math.min(p, end)
  }

  /** Writes a pair with escapes, the rare case: resolves them in a scratch buffer that holds key and value. */
  #escapedPair(src: Buffer, key: number, equals: number, close: number, out: EntryWriter): void {
    const size = close - key
    if (this.#scratch.length < size) this.#scratch = Buffer.allocUnsafeSlow(size * 2)
    const scratch = this.#scratch
    src.copy(scratch, 0, key, equals)
    const value = equals - key
    const length = resolveEscapes(src, equals + 2, close, scratch, value)
    this.fields.pair(scratch, 0, value, value, length, out)
  }
}

/** Control characters by the letter of their escape. */
const LETTERS: Record<number, number> = { 110: 0x0a, 116: 0x09, 114: 0x0d, 98: 0x08, 102: 0x0c }

/** Resolves escapes and returns the offset after the text. It never fails: a malformed `\u` is the letter itself. */
function resolveEscapes(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let p = start
  let dst = at
  while (p < end) {
    const c = src[p++] as number
    if (c !== 0x5c || p >= end) {
      out[dst++] = c
      continue
    }
    const letter = src[p] as number
    const code = letter === 0x75 ? codePoint(src, p - 1, end) : -1
    if (code >= 0) {
      dst = writeCodePoint(out, dst, code)
      p += code > 0xffff ? 11 : 5
    } else {
      out[dst++] = LETTERS[letter] ?? letter
      p++
    }
  }
  return dst
}
