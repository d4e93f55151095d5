import { ShipperError } from '../../../core/error.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import { entryMap, findKey, mapBody, mapPairs, spanOf, textEquals } from '../../../core/msgpack/record.ts'
import type { FilterContext } from '../../../core/plugin.ts'
import { isContainerFormat, traceStateMachine } from '../../../lib/multiline/builtin-rules.ts'
import { type Decision, LineClassifier } from '../../../lib/multiline/classifier.ts'
import { type TextPlace, textOf } from '../../../lib/multiline/joined-record.ts'
import { type LineRole, makeStateMachine, type StateMachine } from '../../../lib/multiline/state-machine.ts'
import type { MultilineFilterOptions } from './options.ts'

/** A record of a chunk: its text, and what joins it with others. */
export interface Part extends TextPlace {
  /** Which group it could be of, within its tag. */
  group: string
  /** Not the end of its line. */
  isPart: boolean
}

/** Finds out what a record is to the group before it. */
export interface RecordClassifier {
  /** Key of the text. */
  readonly content: Buffer
  /** Undefined: it has no text and is of no group. */
  look(buf: Buffer, at: number, end: number): Part | undefined
  verdict(
    buf: Buffer,
    part: Part,
    group: { machine: StateMachine | undefined; state: number } | undefined,
  ): LineRole
  /** After `verdict`. */
  readonly machine: StateMachine | undefined
  readonly state: number
}

/**
 * By the rules of multiline parsers. A record is read once for all of them: the keys that the filter does not name are
 * those of the first that names one. Throws E_CONFIG_BAD_VALUE for a name that is none.
 */
export class RuleClassifier implements RecordClassifier {
  readonly #decider: LineClassifier
  readonly content: Buffer
  readonly #groupKey: Buffer
  readonly #pattern: Buffer | undefined
  /** Where the text that the rules are for is, when it is not the one that is joined. */
  #matched: TextPlace | undefined

  constructor(o: MultilineFilterOptions, ctx: FilterContext) {
    const names = o.multilineParser.flat()
    if (names.length === 0) throw bad('"multiline.parser" is missing', 'name one, e.g. java')
    const own = names.map((name) => ctx.multiline(name)).filter((options) => options !== undefined)
    const pattern = own.find(({ keyPattern }) => keyPattern)?.keyPattern
    this.content = Buffer.from(
      o.multilineKeyContent ?? own.find(({ keyContent }) => keyContent)?.keyContent ?? 'log',
    )
    this.#groupKey = Buffer.from(o.groupKey ?? own.find(({ keyGroup }) => keyGroup)?.keyGroup ?? 'stream')
    this.#pattern = pattern === undefined ? undefined : Buffer.from(pattern)
    this.#decider = new LineClassifier(names.map((name) => decision(name, ctx)))
  }

  get machine(): StateMachine | undefined {
    return this.#decider.machine
  }

  get state(): number {
    return this.#decider.state
  }

  look(buf: Buffer, at: number, end: number): Part | undefined {
    const text = textOf(buf, at, end, this.content)
    if (text === undefined) return undefined
    if (this.#pattern !== undefined) this.#matched = textOf(buf, at, end, this.#pattern)
    const key = findKey(buf, entryMap(buf, at, end), end, this.#groupKey)
    const group = key < 0 ? undefined : spanOf(buf, key)
    return {
      ...text,
      group: group === undefined ? '' : buf.toString('latin1', group.start, group.end),
      isPart: false,
    }
  }

  verdict(
    buf: Buffer,
    part: Part,
    group: { machine: StateMachine | undefined; state: number } | undefined,
  ): LineRole {
    const { textAt, textEnd } = this.#matched ?? part
    const newline = textEnd > textAt && buf[textEnd - 1] === 10 ? 1 : 0
    return this.#decider.decide(group, buf.toString('latin1', textAt, textEnd - newline))
  }
}

const PARTIAL = Buffer.from('partial_message')
const ID = Buffer.from('partial_id')
const LAST = Buffer.from('partial_last')

/** Parts of a message as Docker's fluentd driver marks them: those of one partial_id, up to `partial_last: true`. */
export class PartialClassifier implements RecordClassifier {
  readonly machine = undefined
  readonly state = 0
  readonly content: Buffer

  constructor(o: MultilineFilterOptions) {
    this.content = Buffer.from(o.multilineKeyContent ?? 'log')
  }

  look(buf: Buffer, at: number, end: number): Part | undefined {
    const map = entryMap(buf, at, end)
    if (map < 0 || findKey(buf, map, end, PARTIAL) < 0) return undefined
    const text = textOf(buf, at, end, this.content)
    const idAt = findKey(buf, map, end, ID)
    const id = idAt < 0 ? undefined : spanOf(buf, idAt)
    if (text === undefined || id === undefined) return undefined
    const last = findKey(buf, map, end, LAST)
    return {
      ...text,
      group: buf.toString('latin1', id.start, id.end),
      isPart: last < 0 || !isTrue(buf, last),
    }
  }

  verdict(_buf: Buffer, part: Part, group: unknown): LineRole {
    if (group === undefined) return part.isPart ? 'start' : 'alone'
    return part.isPart ? 'join' : 'last'
  }
}

const TRUE = Buffer.from('true')

function isTrue(buf: Buffer, at: number): boolean {
  return buf[at] === 0xc3 || textEquals(buf, at, TRUE)
}

function decision(name: string, ctx: FilterContext): Decision {
  const trace = traceStateMachine(name)
  if (trace !== undefined) return { machine: trace, ownLinesOnly: false }
  if (isContainerFormat(name))
    throw bad(`"${name}" joins lines of files`, 'name it in multiline.parser of the input tail')
  const options = ctx.multiline(name)
  if (options === undefined)
    throw bad(`there is no multiline parser "${name}"`, 'write a [MULTILINE_PARSER] section of this name')
  if (options.parser !== undefined)
    throw bad(
      `multiline parser "${name}" has a parser of its own`,
      'records are read already: leave Parser out',
    )
  return { machine: makeStateMachine(name, options), ownLinesOnly: false }
}

function bad(message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { hint })
}

/** The entry at `at` without the pairs whose keys begin with `partial_`: what is behind `out[to]` then. */
export function withoutMarks(buf: Buffer, at: number, end: number, out: Buffer): number {
  const map = entryMap(buf, at, end)
  let to = buf.copy(out, 0, at, map)
  const headAt = to
  to += 5
  let pairs = 0
  let pair = mapBody(buf, map)
  for (let i = mapPairs(buf, map); i > 0; i--) {
    const next = skip(buf, skip(buf, pair, end), end)
    const key = spanOf(buf, pair)
    if (key === undefined || !buf.toString('latin1', key.start, key.end).startsWith('partial_')) {
      to += buf.copy(out, to, pair, next)
      pairs++
    }
    pair = next
  }
  out[headAt] = 0xdf
  out.writeUInt32BE(pairs, headAt + 1)
  return to
}
