import type { CriForm } from '../../core/parser.ts'
import { AbstractMatcher, type AbstractText } from '../regex/abstract-match.ts'
import { Backtracker } from '../regex/backtracker.ts'
import { MATCH } from '../regex/match-result.ts'
import type { TranslatedRegex } from '../regex/onigmo.ts'
import type { ValueType } from '../values/typed-value.ts'

/** How the parser writes the field of a group. */
interface GroupField {
  name: string
  type: ValueType
  /** True when the field is the time of the record. */
  isTime: boolean
}

interface ExpressionUse {
  /** In the order of their groups. */
  fields: readonly GroupField[]
  /** True when there is a reader of times, which reads those of container runtimes as RFC 3339. */
  readsRfc3339: boolean
  timeKeep: boolean
  skipEmpty: boolean
  maxLength: number
  stepsPerByte: number
}

const DIGIT = [...Buffer.from('0123456789')]
const MAX_DIGITS = 9
/** Number of shapes of a time: one to nine digits of a second, with `Z` or an offset. */
const SHAPES = 2 * MAX_DIGITS
/** Shapes tried first, nine digits: an expression for container logs matches one of them. */
const USUAL = [MAX_DIGITS - 1, SHAPES - 1]
const SAMPLES = ['Z', '+01:00'].map((zone) => Buffer.from(`2026-11-21T06:00:00.123456789${zone} stdout F x`))
const OTHER_SAMPLE = Buffer.from('2026-11-21T06:00:00.123456789Z module F x')
/** Names that tell an expression for container logs, whatever else it reads. */
const GROUP_NAMES: ReadonlySet<string> = new Set(['stream', 'logtag'])
const SAMPLE_STEPS = 10_000
/** What a text may not contain when the expression would read its stream again: `std`. */
const NO_STREAM = 'std'

/** Offsets after the time in ` stdout F `; both streams have six letters. */
const MIDDLE = ' stdout F '
const TAG_AT = MIDDLE.indexOf('F')
const TEXT_AT = MIDDLE.length
/** Stand for the start and the end of the line, and for a group that takes no part. */
const LINE_START = -100
const LINE_END = 100
const ABSENT = -200

/** Fewer steps per byte could end a search that the fast path does not make. */
const MIN_STEPS_PER_BYTE = 10

/** Start and end of each group, as offsets after the end of the time. */
type Spans = readonly (readonly [from: number, to: number])[]

/** Tags of a line: complete, and the first part of a longer one. */
type Tags = readonly number[]
const FULL = 0x46
const PARTIAL = 0x50
const streams = ['stdout', 'stderr'] as const

/**
 * Returns the lines of a container runtime that an expression matches, and the fields that they become; undefined when
 * it is not an expression for such lines. It does not compare spellings: the expression is run on all these lines at once.
 * So `[^ ]+`, `.+?` and `\S+` are the same, and `.+`, which would read a later ` stdout ` in the text, leaves out the texts
 * with one.
 */
export function criFormOf(regex: TranslatedRegex, use: ExpressionUse): CriForm | undefined {
  const named = regex.names.filter((name) => name !== undefined)
  if (named.length === 0 || new Set(named).size < named.length || use.stepsPerByte < MIN_STEPS_PER_BYTE)
    return undefined
  if (!SAMPLES.some((line) => matches(regex, line))) return undefined
  // One that reads any words is most likely for other lines, for which this path would be a detour.
  if (!named.some((name) => GROUP_NAMES.has(name)) && matches(regex, OTHER_SAMPLE)) return undefined
  for (const absent of ['', NO_STREAM])
    for (const isTrimmed of [false, true]) {
      const found = coverage(regex, { absent, isTrimmed })
      if (found === 'none') return undefined
      if (found !== 'unknown') return formOf(use, found, { absent, isTrimmed })
    }
  return undefined
}

/** Runs the expression on one line, which is cheap and rules out nearly all others. */
function matches({ program }: TranslatedRegex, line: Buffer): boolean {
  return new Backtracker(program).search(line, 0, line.length, SAMPLE_STEPS) === MATCH
}

function formOf(
  use: ExpressionUse,
  found: Coverage,
  tail: { absent: string; isTrimmed: boolean },
): CriForm | undefined {
  const fields = use.fields.flatMap((field, i) => {
    const [from, to] = found.spans[i] as readonly [number, number]
    // Written as an empty value, which the fast path does not do, unless such fields are left out.
    return from === to && use.skipEmpty ? [] : [{ ...field, from, to }]
  })
  const time = fields[0]?.from === LINE_START ? fields[0] : undefined
  const text = fields.at(-1)
  const middle = fields.slice(time === undefined ? 0 : 1, -1)
  if (text === undefined || text.to !== LINE_END || text.from < 0 || text.isTime || text.type !== 'string')
    return undefined
  if (
    time !== undefined &&
    (time === text || time.to < 0 || time.to > 1 || (time.isTime && !use.readsRfc3339))
  )
    return undefined
  if (!middle.every(isStretch) || middle.filter(hasTag).length > 1) return undefined
  const isKept = time !== undefined && (!time.isTime || use.timeKeep)
  const isAlone = !isKept && middle.length === 0
  return {
    name: 'cri',
    time: isKept ? { key: time.name, hasBlank: time.to === 1 } : undefined,
    readsTime: time?.isTime === true,
    middle: middle.map(({ name: key, from, to }) => ({ key, from, to })),
    text: { key: text.name, from: text.from, skipEmpty: use.skipEmpty },
    lines: {
      shapes: found.shapes,
      partial: found.partial,
      // A line without any field is kept unparsed.
      empty: found.empty && !(isAlone && use.skipEmpty),
      noStream: tail.absent !== '',
      trimmed: tail.isTrimmed,
      maxLength: use.maxLength,
    },
  }
}

/** True for a field that is a part of ` stdout F ` and stays text. */
function isStretch({ from, to, isTime, type }: GroupField & { from: number; to: number }): boolean {
  const isHex = type === 'hex' && from === TAG_AT && to === TAG_AT + 1
  return from >= 0 && from < to && to <= TEXT_AT && !isTime && !isHex
}

function hasTag({ from, to }: { from: number; to: number }): boolean {
  return from <= TAG_AT && to > TAG_AT
}

interface Coverage {
  spans: Spans
  shapes: number
  partial: boolean
  empty: boolean
}

/** Returns which lines the expression matches, all with the same spans; `none` when no line of the usual shapes does. */
function coverage(
  regex: TranslatedRegex,
  tail: Omit<AbstractText, 'head' | 'hasTail'>,
): Coverage | 'none' | 'unknown' {
  let spans: Spans | undefined
  let isUnknown = false
  const fits = (tag: Tags, shape: number, hasTail: boolean): boolean =>
    streams.every((stream) => {
      const found = spansOf(regex, shape, stream, tag, { ...tail, hasTail })
      isUnknown ||= found === 'unknown'
      if (typeof found === 'string') return false
      spans ??= found
      return found.every((span, i) =>
        span.every((at, side) => isSame(at, spans?.[i]?.[side] as number, hasTail)),
      )
    })
  // Both tags at once is half the work; an expression such as `F|P` has to be tried with each of them.
  const tags = [[FULL, PARTIAL], [FULL]].find((both) => USUAL.some((shape) => fits(both, shape, true)))
  if (tags === undefined) return isUnknown ? 'unknown' : 'none'
  const all = Array.from({ length: SHAPES }, (_, shape) => shape)
  const shapes = all.filter((shape) => fits(tags, shape, true))
  const isEach = (tag: Tags, hasTail: boolean) => shapes.every((shape) => fits(tag, shape, hasTail))
  const partial = tags.length === 2 || isEach([PARTIAL], true)
  const empty = isEach(tags, false) && (tags.length === 2 || !partial || isEach([PARTIAL], false))
  const mask = shapes.reduce((bits, shape) => bits | (1 << shape), 0)
  return { spans: spans as unknown as Spans, shapes: mask, partial, empty }
}

/** Returns the spans of the groups in the lines of one shape, or why there are none. */
function spansOf(
  { tree, names }: TranslatedRegex,
  shape: number,
  stream: string,
  tag: Tags,
  tail: Omit<AbstractText, 'head'>,
): Spans | 'fails' | 'unknown' {
  const time = timeOfShape(shape)
  const head = [...time, ...bytesOf(` ${stream} `), tag, ...bytesOf(' ')]
  const matcher = new AbstractMatcher(tree, { ...tail, head })
  const result = matcher.match(tree)
  if (result !== 'matches') return result
  const spans: [number, number][] = []
  for (let group = 1; group < names.length; group++) {
    const [from, to] = [matcher.spans[group * 2] as number, matcher.spans[group * 2 + 1] as number]
    const ends = [from, to].map((at) =>
      at < 0 ? ABSENT : at === matcher.end ? LINE_END : at === 0 ? LINE_START : at - time.length,
    ) as [number, number]
    // Within the time, whose length differs.
    if (ends.some((at) => at < 0 && at !== ABSENT && at !== LINE_START)) return 'fails'
    spans.push(ends)
  }
  return spans
}

/** True when the offsets are the same; without a text its start is the end of the line. */
function isSame(at: number, other: number, hasTail: boolean): boolean {
  return at === other || (!hasTail && at === LINE_END && other === TEXT_AT)
}

/** Returns the possible bytes of a time at each offset. */
function timeOfShape(shape: number): number[][] {
  const digits = (shape % MAX_DIGITS) + 1
  const zone = shape < MAX_DIGITS ? 'Z' : 's00:00'
  return [...`0000-00-00T00:00:00.${'0'.repeat(digits)}${zone}`].map((char) =>
    char === '0' ? DIGIT : char === 's' ? [0x2b, 0x2d] : [char.charCodeAt(0)],
  )
}

function bytesOf(text: string): number[][] {
  return [...Buffer.from(text)].map((byte) => [byte])
}
