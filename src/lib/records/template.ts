import { ShipperError } from '../../core/error.ts'
import { FALSE, NIL, TRUE } from '../../core/msgpack/encode.ts'
import { textHead, textLength } from '../../core/msgpack/record.ts'
import type { InvalidValue } from '../../core/options/checks.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { RecordAccessor, readSteps } from './accessor.ts'
import type { EventTime } from './event-time.ts'
import { TimeText } from './time-text.ts'

/** What the groups of an expression have matched: `spans` as in LineMatcher, offsets in `src`. */
export interface Captures {
  readonly src: Buffer
  readonly spans: Int32Array
}

/** A tag and its parts between dots; set once per chunk. */
export class TagText {
  bytes: Buffer = Buffer.alloc(0)
  /** Start of each part in `bytes`, and one more than its length after the last. */
  #starts: number[] = []

  set(tag: string): this {
    this.bytes = Buffer.from(tag)
    this.#starts = [0]
    for (let at = this.bytes.indexOf(DOT); at >= 0; at = this.bytes.indexOf(DOT, at + 1))
      this.#starts.push(at + 1)
    this.#starts.push(this.bytes.length + 1)
    return this
  }

  /** Writes the part with this index, from 0; returns false when there is none. */
  writePart(out: JsonText, index: number): boolean {
    const next = this.#starts[index + 1]
    if (next === undefined) return false
    out.copy(this.bytes, this.#starts[index] as number, next - 1)
    return true
  }
}

const DOT = 0x2e

/** `source`: the variable as written. */
type Part =
  | { kind: 'text'; text: string; bytes: Buffer }
  | { kind: 'time'; time: TimeText }
  | { kind: 'tag' }
  | { kind: 'tag part'; index: number; source: string }
  | { kind: 'field'; accessor: RecordAccessor; source: string }
  | { kind: 'capture'; group: number; source: string }

const FIELD_NAME = /^[\p{L}\p{N}_]+/u
const HINT =
  'write $key, $key[\'sub\'][0], $TAG or $TAG[n]; a key of other characters than letters, digits and "_" must be below another one'

interface TemplateSettings {
  /** The text may have `$0` to `$9`. */
  captures?: boolean
  /** The text may have directives of strftime, such as `%Y`; `%%` is then a percent sign. */
  times?: boolean
  /** The text is a path: a value that is empty, or has only slashes, is missing, as it names nothing. */
  isPath?: boolean
  /** Name of the option that has the text. */
  option?: string
  /** Variables are those of AWS's Go plugins, see `readParenthesized`; any other dollar sign is text. */
  parentheses?: boolean
}

/**
 * A text with record accessors in it, compiled once:
 *
 * ```
 *   text    = *( chars / "$TAG" [ "[" index "]" ] / "$" DIGIT / "$" name *step )
 *   name    = 1*( letter / digit / "_" )      ; ends at any other character, such as "." "-" "/"
 *   "$" DIGIT                                 ; group of an expression, where the option has one
 * ```
 *
 * A number is written with all its digits, a float with six after the point as fluent-bit does, a boolean and null as `true`,
 * `false` and `null`. A map, a list, a part that the tag does not have and a group that did not take part in the match are
 * missing, like a field that is.
 */
export class Template {
  readonly #parts: readonly Part[]
  readonly #isPath: boolean
  /** True when the text is the same for all records of a tag. */
  readonly isPerTag: boolean

  private constructor(parts: readonly Part[], isPath: boolean) {
    this.#parts = parts
    this.#isPath = isPath
    this.isPerTag = parts.every(({ kind }) => kind !== 'field' && kind !== 'capture' && kind !== 'time')
  }

  /** Throws E_CONFIG_BAD_VALUE. */
  static parse(text: string, settings: TemplateSettings = {}): Template {
    const parts: Part[] = []
    let at = 0
    while (at < text.length) {
      const next = text.indexOf(settings.parentheses === true ? '$(' : '$', at)
      const end = next < 0 ? text.length : next
      if (end > at) parts.push(...fixedParts(text.slice(at, end), settings))
      if (next < 0) break
      at = (settings.parentheses === true ? readParenthesized : readVariable)(text, next, parts, settings)
    }
    return new Template(parts, settings.isPath ?? false)
  }

  /** True when there is a group of an expression in the text. */
  get hasCapture(): boolean {
    return this.#parts.some(({ kind }) => kind === 'capture')
  }

  /** Highest number of a group in the text; -1: there is none. */
  get highestCapture(): number {
    return Math.max(-1, ...this.#parts.map((part) => (part.kind === 'capture' ? part.group : -1)))
  }

  /** Returns the text with a star for what depends on the record; `tag`: that of the record, if it is known. */
  pattern(tag = '*'): string {
    const parts = tag.split('.')
    const isKnown = !tag.includes('*')
    return this.#parts
      .map((part) => {
        if (part.kind === 'text') return part.text
        if (part.kind === 'tag') return tag
        return part.kind === 'tag part' && isKnown ? (parts[part.index] ?? '*') : '*'
      })
      .join('')
  }

  /** True when there is a time in the text. */
  get hasTime(): boolean {
    return this.#parts.some(({ kind }) => kind === 'time')
  }

  /** True when there is a variable in the text that is no time. */
  get hasVariable(): boolean {
    return this.#parts.some(({ kind }) => kind !== 'text' && kind !== 'time')
  }

  /** Returns the text before the first variable or time. */
  get prefix(): string {
    const [first] = this.#parts
    return first?.kind === 'text' ? first.text : ''
  }

  /** True when the text begins with a variable that is no time. */
  get beginsWithVariable(): boolean {
    const kind = this.#parts[0]?.kind
    return kind !== undefined && kind !== 'text' && kind !== 'time'
  }

  /** Returns what is written for any record: the text without its variables, with an example of a time. */
  get fixedText(): string {
    const texts = this.#parts.map((part) =>
      part.kind === 'text' ? part.text : part.kind === 'time' ? part.time.example : '',
    )
    return texts.join('')
  }

  /**
   * Appends the text for the record whose map is at `map`; returns false when something is missing, which leaves nothing.
   * `time`: the time of the record, for a template with times.
   */
  write(
    out: JsonText,
    tag: TagText,
    buf: Buffer,
    map: number,
    end: number,
    captures?: Captures,
    time?: EventTime,
  ): boolean {
    const start = out.at
    const parts = this.#parts
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as Part
      const from = out.at
      if (part.kind === 'time' && time !== undefined) part.time.write(out, time)
      else if (
        !writePart(part, out, tag, buf, map, end, captures) ||
        (this.#isPath && part.kind !== 'text' && !namesSomething(out, from))
      ) {
        out.at = start
        return false
      }
    }
    return true
  }

  /** Returns the variable, as written, that makes `write` return false for a record; undefined when none does. */
  missing(out: JsonText, tag: TagText, buf: Buffer, map: number, end: number): string | undefined {
    const start = out.at
    const part = this.#parts.find((each) => {
      if (each.kind === 'time' || each.kind === 'text') return false
      out.at = start
      if (!writePart(each, out, tag, buf, map, end, undefined)) return true
      return this.#isPath && !namesSomething(out, start)
    })
    out.at = start
    if (part?.kind === 'tag') return '$TAG'
    return part !== undefined && 'source' in part ? part.source : undefined
  }

  /** Seconds for which the text of a tag stays the same, from a multiple of it on; undefined when records have texts of their own. */
  get period(): number | undefined {
    let period = Number.POSITIVE_INFINITY
    for (const part of this.#parts) {
      if (part.kind === 'field' || part.kind === 'capture') return undefined
      if (part.kind === 'time') period = Math.min(period, part.time.period)
    }
    return period
  }

  /** Returns an example of what is written for a tag, with `name` for each field. */
  exampleOf(tag: string, name: string): string {
    const tagParts = tag.split('.')
    const texts = this.#parts.map((part) => {
      if (part.kind === 'text') return part.text
      if (part.kind === 'time') return part.time.example
      if (part.kind === 'tag') return tag
      return part.kind === 'tag part' ? (tagParts[part.index] ?? name) : name
    })
    return texts.join('')
  }
}

/** Checks the text of an option that takes a template without groups. */
export function checkTemplate(text: string): InvalidValue | undefined {
  return checkWith(text, {}, '$key')
}

/** Checks the text of an option that takes a template with variables in parentheses. */
export function checkParenthesized(text: string): InvalidValue | undefined {
  return checkWith(text, { parentheses: true }, '$(key)')
}

function checkWith(text: string, settings: TemplateSettings, key: string): InvalidValue | undefined {
  try {
    Template.parse(text, settings)
    return undefined
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    return {
      must: `a string in which ${key} is a field of the record`,
      // The text is shown before the reason.
      reason: error.message.replace(`"${text}": `, ''),
      hint: error.hint,
    }
  }
}

/** Returns the parts of a text without variables: what is before the first time, and the rest. */
function fixedParts(text: string, { times = false, option }: TemplateSettings): Part[] {
  const found = times ? text.indexOf('%') : -1
  const at = found < 0 ? text.length : found
  const parts: Part[] = []
  if (at > 0) parts.push({ kind: 'text', text: text.slice(0, at), bytes: Buffer.from(text.slice(0, at)) })
  if (at < text.length) parts.push({ kind: 'time', time: TimeText.parse(text.slice(at), option) })
  return parts
}

/** Reads the variable whose dollar sign is at `at`; returns the offset after it. */
function readVariable(
  text: string,
  at: number,
  parts: Part[],
  { captures = false, option }: TemplateSettings,
): number {
  const name = FIELD_NAME.exec(text.slice(at + 1))?.[0]
  const fault = (reason: string): ShipperError =>
    new ShipperError('E_CONFIG_BAD_VALUE', `"${text}": ${reason}`, { hint: HINT, ...(option && { option }) })
  if (name === undefined) throw fault(`there is no key after "$" at character ${at + 1}`)
  if (/^\d/.test(name)) {
    if (!captures) throw fault(`$${name[0]} is a group of an expression, of which there is none here`)
    parts.push({ kind: 'capture', group: Number(name[0]), source: `$${name[0]}` })
    return at + 2
  }
  const { steps, end } = readSteps(text, at + 1 + name.length, option)
  const [index] = steps
  const source = text.slice(at, end)
  if (name !== 'TAG') {
    parts.push({ kind: 'field', accessor: new RecordAccessor([Buffer.from(name), ...steps]), source })
  } else if (index === undefined) parts.push({ kind: 'tag' })
  else if (steps.length === 1 && typeof index === 'number') parts.push({ kind: 'tag part', index, source })
  else throw fault('a part of $TAG is named by one number: $TAG[1]')
  return end
}

/** Variables of AWS's Go plugins that have no counterpart, and what to write instead. */
const ECS = (field: string) => `add it with the filter ecs (\`Add task ${field}\`) and write $(task)`
const WITHOUT_COUNTERPART: Readonly<Record<string, string>> = {
  uuid: 'it changes with each start; use what tells the agents apart, such as ${HOSTNAME}',
  ecs_task_id: ECS('$TaskID'),
  ecs_task_arn: ECS('$TaskARN'),
  ecs_cluster: ECS('$ClusterName'),
}

/**
 * Reads a variable of AWS's Go plugins, whose dollar sign is at `at`; returns the offset after it:
 *
 * ```
 *   variable = "$(" ( "tag" [ "[" index "]" ] / name *( "['" key "']" ) ) ")"
 * ```
 */
function readParenthesized(text: string, at: number, parts: Part[], { option }: TemplateSettings): number {
  const close = text.indexOf(')', at)
  const fault = (reason: string, hint: string): ShipperError =>
    new ShipperError('E_CONFIG_BAD_VALUE', `"${text}": ${reason}`, { hint, ...(option && { option }) })
  const source = close < 0 ? text.slice(at) : text.slice(at, close + 1)
  const [, name = '', path = ''] = /^\$\(([^[\]()]+)((?:\[[^)]*\])?)\)$/.exec(source) ?? []
  if (name === '') throw fault(`${source} is not a variable`, PARENTHESES_HINT)
  const hint = Object.hasOwn(WITHOUT_COUNTERPART, name) ? WITHOUT_COUNTERPART[name] : undefined
  if (hint !== undefined) throw fault(`${source} is not supported`, hint)
  const { steps, end } = readSteps(path, 0, option)
  if (end < path.length) throw fault(`${source} is not a variable`, PARENTHESES_HINT)
  const [index] = steps
  if (name !== 'tag')
    parts.push({ kind: 'field', accessor: new RecordAccessor([Buffer.from(name), ...steps]), source })
  else if (index === undefined) parts.push({ kind: 'tag' })
  else if (steps.length === 1 && typeof index === 'number') parts.push({ kind: 'tag part', index, source })
  else throw fault(`${source} is not part of the tag`, PARENTHESES_HINT)
  return close + 1
}

const PARENTHESES_HINT = "write $(tag), $(tag[0]), $(key) or $(key['sub'])"

/** True when a byte other than a slash was written since `from`. */
function namesSomething({ buf, at }: JsonText, from: number): boolean {
  for (let i = from; i < at; i++) if (buf[i] !== SLASH) return true
  return false
}

const SLASH = 0x2f

function writePart(
  part: Part,
  out: JsonText,
  tag: TagText,
  buf: Buffer,
  map: number,
  end: number,
  captures: Captures | undefined,
): boolean {
  switch (part.kind) {
    case 'text':
      out.copy(part.bytes, 0, part.bytes.length)
      return true
    case 'tag':
      out.copy(tag.bytes, 0, tag.bytes.length)
      return true
    case 'tag part':
      return tag.writePart(out, part.index)
    case 'field':
      return writeValue(out, buf, part.accessor.find(buf, map, end))
    case 'time':
      return false
    case 'capture':
      return captures !== undefined && writeCapture(out, captures, part.group)
  }
}

function writeCapture(out: JsonText, { src, spans }: Captures, group: number): boolean {
  const start = spans[group * 2] ?? -1
  const end = spans[group * 2 + 1] ?? -1
  if (start < 0) return false
  out.copy(src, start, end)
  return true
}

/** Writes the text of the value at `at`; returns false when it is missing or has none. */
function writeValue(out: JsonText, buf: Buffer, at: number): boolean {
  if (at < 0) return false
  const t = buf[at] as number
  const head = textHead(buf, at)
  if (head > 0) out.copy(buf, at + head, at + head + textLength(buf, at))
  else if (t === NIL) out.raw('null')
  else if (t === 0xca) return writeFloat(out, buf.readFloatBE(at + 1))
  else if (t === 0xcb) return writeFloat(out, buf.readDoubleBE(at + 1))
  else if (t === TRUE || t === FALSE || t < 0x80 || t >= 0xe0 || (t >= 0xcc && t <= 0xd3)) out.value(buf, at)
  else return false
  return true
}

/** Writes a float as `%f` of C does. */
function writeFloat(out: JsonText, value: number): boolean {
  if (!Number.isFinite(value)) return false
  out.raw(Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`)
  return true
}
