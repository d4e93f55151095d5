import { encodeStr } from '../../core/msgpack/encode.ts'
import { closeMap } from '../../core/msgpack/map-head.ts'
import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions } from '../../core/options/option.ts'
import type { CriForm, EntryWriter, Parser, ParserKernel } from '../../core/parser.ts'
import { defineParser, type RegexLimit, type RegexUse } from '../../core/plugin.ts'
import { copyString } from '../../lib/json/json-to-msgpack.ts'
import { criFormOf } from '../../lib/parsing/cri-expression.ts'
import { ExpressionKernel, type ExpressionSettings } from '../../lib/parsing/expression-kernel.ts'
import { withDecoders } from '../../lib/parsing/field-decoder.ts'
import {
  DECODE_DESCRIPTION,
  DECODE_OPTION,
  TIME_OPTIONS,
  TYPES_OPTION,
  timeReader,
} from '../../lib/parsing/options.ts'
import { type ModuleMatcher, matcherOf } from '../../lib/regex/line-matcher.ts'
import {
  DEFAULT_STEPS_PER_BYTE,
  MATCH,
  type MatchResult,
  TOO_MANY_STEPS,
} from '../../lib/regex/match-result.ts'
import { type TranslatedRegex, translateOnigmo } from '../../lib/regex/onigmo.ts'
import { isCompilable } from '../../lib/regex/wasm/wasm-matcher.ts'
import { putWords, targetView, wordsOf } from '../../lib/text/data-views.ts'
import { rfc3339Of, type TimeReader } from '../../lib/time/strptime.ts'
import { MAX_TYPED_BYTES, parseTypes, type ValueType, writeTyped } from '../../lib/values/typed-value.ts'

const NAMED = /\(\?(?:<[^=!]|')/

/**
 * Warns about an expression without named groups; fluent-bit accepts them for old multiline rules. They never
 * match.
 */
function checkNames(expression: string): InvalidValue | undefined {
  if (NAMED.test(expression)) return undefined
  const hint = 'write (?<name>...) around each part that becomes a field'
  return { must: 'an expression with named groups', hint, instead: 'no line matches' }
}

const OPTIONS = defineOptions({
  ...TIME_OPTIONS,
  ...TYPES_OPTION,
  ...DECODE_OPTION,
  regex: {
    type: 'string',
    expression: 'regex',
    required: true,
    check: checkNames,
    help: 'Expression in Onigmo syntax; its named groups become the fields. May be enclosed in `/.../` with the flags i, m, x and o.',
  },
  skip_empty_values: { type: 'bool', default: 'true', help: 'Omit fields whose group is empty.' },
  regex_max_length: {
    type: 'size',
    default: '64K',
    min: 1,
    help: 'Longer lines are kept unparsed.',
  },
  regex_step_limit: {
    type: 'int',
    min: 1,
    help: 'Maximum number of steps per byte of the line, as Regex_Step_Limit in [SERVICE], which is the default.',
  },
})

export const spec = defineParser({
  kind: 'parser',
  name: 'regex',
  summary: 'Parses lines with a regular expression with named groups.',
  description: `A line is kept unparsed when the expression does not match or captures nothing. One of which it captures only the time is a record
without fields, as in fluent-bit. If several groups have the same name,
the last one that matched counts.

The expression works on bytes: \`.\` is one byte, and a character outside ASCII is matched as its UTF-8 bytes. \`\\w\`, \`\\d\`, \`\\s\`
and classes such as \`[[:alpha:]]\` are ASCII. Supported are groups, alternatives, greedy, lazy and possessive repetition,
atomic groups, lookahead and lookbehind, \`\\h\`, \`\\A\`, \`\\z\`, \`\\Z\`, \`\\R\`, \`\\k<name>\`, the flags \`(?imx)\` and \`&&\` in classes.
The following are errors: conditionals, calls of groups (\`\\g\`), \`\\K\`, \`\\G\`, \`\\X\`, \`\\p{...}\`, absence operators, and
negated classes with characters outside ASCII.

An expression that reads the lines of container runtimes, such as \`^(?<time>[^ ]+) (?<stream>stdout|stderr) ...\` in any spelling, costs
as little as \`Format cri\`, if Time_Format is a form of RFC 3339 (\`%Y-%m-%dT%H:%M:%S.%L%z\`) or not given, and there is no Decode_Field.

The engine backtracks. If two repetitions can match the same text, as in \`(a+)+\` or \`.*.*.*x\`, it notes what was tried, and the time
stays proportional to the length of the line. What remains (lookaround, back references, repetitions of what can be
empty) is limited by Regex_Step_Limit: a line on which the expression takes more steps is kept unparsed and counted in
\`regex_step_limit\`. An expression may have 65,536 characters, groups 200 deep, counts up to 100,000, and 10,000
instructions, into which a repetition of more than one character is unrolled.

\`shipper -c FILE -D -v\` says of each expression of a configuration, those of grep, Match_Regex, Tag_Regex and multiline rules included,
how it is matched, why not faster, and what bounds the time:

\`\`\`
parsers.conf:1: [PARSER] cri, regex: ^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$
  fields: fast: the expression is that of CRI lines, which are read without it; other lines are matched
  matched: fast: by WebAssembly (24 instructions) after 4,000 lines, and for each line of more than 20,000 bytes; by backtracking in TypeScript before
  bound: time grows with the length of the line: what has failed at a byte is remembered for 4 of the instructions; at most 100 steps per byte (Regex_Step_Limit), and 6,410,000 for a line (about 50 ms)
shipper.conf:13: [FILTER] grep.0, exclude: (?=.*a)b
  matched: slower: by backtracking in TypeScript, because of lookaround
  bound: time grows with the length of the line outside of lookaround; at most 100 steps per byte (Regex_Step_Limit), and 1,610,000 for a line (about 50 ms)
\`\`\`

${DECODE_DESCRIPTION}`,
  options: OPTIONS,
  example: `[PARSER]
    Name        access
    Format      regex
    Regex       ^(?<host>[^ ]*) \\[(?<time>[^\\]]*)\\] (?<code>\\d+)
    Time_Key    time
    Time_Format %d/%b/%Y:%H:%M:%S %z
    Types       code:integer
`,
  create(options, ctx) {
    const fields = { types: parseTypes(options.types), timeKey: options.timeKey, timeKeep: options.timeKeep }
    const regex = translateOnigmo(options.regex)
    const parser = new RegexParser(regex, {
      ...fields,
      time: timeReader(options, ctx),
      skipEmpty: options.skipEmptyValues,
      maxLength: options.regexMaxLength,
      name: ctx.name,
      stepsPerByte: options.regexStepLimit ?? ctx.regexLimit?.stepsPerByte,
      limit: ctx.regexLimit,
    })
    return withDecoders(parser, options.decodeField, ctx, { overlap: regex.overlap })
  },
})

/** Bytes to read for which the module of an expression is compiled at once: some thousand lines. */
const EAGER_BYTES = 1 << 20

const UNPARSED: RegexUse = { reason: 'parser', effect: 'the line is kept unparsed' }

interface RegexParserSettings {
  types: { key: string; type: ValueType }[]
  time: TimeReader | undefined
  timeKey: string
  timeKeep: boolean
  skipEmpty: boolean
  maxLength: number
  name: string
  stepsPerByte: number | undefined
  limit: RegexLimit | undefined
}

/** A named field: its key as MessagePack, and how the text of its group is written. */
interface Field {
  name: string
  /** Slot of its group in the spans; that of the first group when several have this name. */
  slot: number
  /** Slots of the other groups with this name, the last one first; undefined when there are none. */
  otherSlots: readonly number[] | undefined
  key: Float64Array
  keyBytes: Buffer
  keySize: number
  type: ValueType
  isTime: boolean
}

/** Writes the captured ranges of the line as fields, byte for byte. */
class RegexParser implements Parser {
  timeFailures = 0
  readonly keys: readonly string[]
  readonly #matcher: ModuleMatcher
  readonly #expression: string
  readonly #settings: RegexParserSettings
  readonly #fields: Field[]
  /** Bytes of keys, heads and typed values, independent of the line. */
  readonly #fixedBytes: number
  readonly #overlap: number
  readonly kernel: Parser['kernel']
  /** Null: the expression or its fields are not covered. */
  #kernel: ParserKernel | null | undefined
  readonly #regex: TranslatedRegex
  #form: { cri: CriForm | undefined } | undefined
  /** True once lines turned out not to be those of a container runtime. */
  #missedForm = false

  constructor(regex: TranslatedRegex, settings: RegexParserSettings) {
    this.#regex = regex
    this.#matcher = matcherOf(regex, settings.stepsPerByte)
    this.#expression = regex.source
    this.#overlap = regex.overlap
    this.#settings = settings
    this.keys = regex.names.filter((name) => name !== undefined)
    this.#fields = fieldsOf(regex.names, settings)
    const isCovered = isCompilable(regex.program) && this.#fields.length > 0
    this.kernel = isCovered ? (backlog) => this.#kernelFor(backlog) : undefined
    this.#fixedBytes = this.#fields.reduce((n, field) => n + field.keySize + Math.max(5, MAX_TYPED_BYTES), 40)
  }

  /** Lines of container runtimes, if the expression is one for them; found out when it is first asked for. */
  get lineFormat(): CriForm | undefined {
    const { time, stepsPerByte = DEFAULT_STEPS_PER_BYTE } = this.#settings
    const use = { ...this.#settings, stepsPerByte, readsRfc3339: rfc3339Of(time) !== undefined }
    this.#form ??= { cri: criFormOf(this.#regex, { ...use, fields: this.#fields }) }
    return this.#form.cri
  }

  get seesLineFormat(): boolean {
    return !this.#missedForm || this.kernel === undefined
  }

  missedLineFormat(): void {
    this.#missedForm = true
  }

  bound(length: number): number {
    return this.#fixedBytes + length * this.#overlap
  }

  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    if (this.#fields.length === 0 || end - start > this.#settings.maxLength) return false
    const matcher = this.#matcher
    const result = matcher.match(src, start, end)
    if (result !== MATCH) return this.#refused(result)
    const { spans } = matcher
    const { skipEmpty } = this.#settings
    const { sec, nsec } = out
    const view = targetView(out.buf)
    const fields = this.#fields
    let at = out.at + 1
    let pairs = 0
    let isTimed = false
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field
      const slot =
        field.otherSlots === undefined ? field.slot : lastMatched(spans, field.otherSlots, field.slot)
      const from = spans[slot] as number
      const to = spans[slot + 1] as number
      if (from === to && skipEmpty) continue
      putWords(view, at, field.key)
      const next = this.#writeValue(field, src, from, to, out, at + field.keySize)
      if (next < 0) isTimed = true
      else {
        at = next
        pairs++
      }
    }
    if (pairs === 0 && !isTimed) {
      out.sec = sec
      out.nsec = nsec
      return false
    }
    out.at = closeMap(out.buf, out.at, out.at + 1, at, pairs + out.extraPairs)
    return true
  }

  #kernelFor(backlog: number): ParserKernel | undefined {
    if (this.#kernel === undefined) {
      const module = this.#matcher.module(backlog > EAGER_BYTES)
      if (module !== undefined) this.#kernel = ExpressionKernel.of(module, this.#kernelSettings()) ?? null
    }
    return this.#kernel ?? undefined
  }

  #kernelSettings(): ExpressionSettings {
    const { time, timeKeep, skipEmpty, maxLength, stepsPerByte } = this.#settings
    return {
      fields: this.#fields.map(({ slot, otherSlots = [], keyBytes, type, isTime }) => ({
        slots: [...otherSlots, slot],
        key: keyBytes,
        type,
        isTime,
      })),
      time,
      keepTime: timeKeep,
      skipEmpty,
      maxLength,
      stepsPerByte: stepsPerByte ?? DEFAULT_STEPS_PER_BYTE,
      perByte: this.#overlap,
      others: this.#fixedBytes,
    }
  }

  #refused(result: MatchResult): false {
    const { limit, name } = this.#settings
    if (result === TOO_MANY_STEPS) limit?.reached(this.#expression, `parser ${name}`, UNPARSED)
    return false
  }

  /** Writes the value and returns the offset after it; -1 when it is the time and not kept. */
  #writeValue(field: Field, src: Buffer, from: number, to: number, out: EntryWriter, at: number): number {
    if (field.type !== 'string') return writeTyped(field.type, src, from, to, out.buf, at)
    if (field.isTime) {
      const found = (this.#settings.time as TimeReader).parse(src, from, to, out)
      if (!found) this.timeFailures++
      else if (!this.#settings.timeKeep) return -1
    }
    return copyString(src, from, to, out.buf, at)
  }
}

/** Returns the slot of the last group that matched, or `first`. */
function lastMatched(spans: Int32Array, others: readonly number[], first: number): number {
  for (let i = 0; i < others.length; i++) {
    const slot = others[i] as number
    if ((spans[slot] as number) >= 0) return slot
  }
  return first
}

function otherSlots(
  names: readonly (string | undefined)[],
  name: string,
  first: number,
): number[] | undefined {
  const slots = names.flatMap((other, group) => (other === name && group > first ? [group * 2] : []))
  return slots.length === 0 ? undefined : slots.reverse()
}

function fieldsOf(names: readonly (string | undefined)[], settings: RegexParserSettings): Field[] {
  return names.flatMap((name, group) => {
    if (name === undefined || names.indexOf(name) < group) return []
    const key = encodeStr(name)
    const isTime = settings.time !== undefined && name === settings.timeKey
    const type = settings.types.find((rule) => rule.key === name)?.type ?? 'string'
    return {
      name,
      slot: group * 2,
      otherSlots: otherSlots(names, name, group),
      key: wordsOf(key),
      keyBytes: key,
      keySize: key.length,
      type: isTime ? 'string' : type,
      isTime,
    }
  })
}
