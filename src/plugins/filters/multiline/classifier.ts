import { ShipperError } from '../../../core/error.ts'
import { entryMap, findKey, spanOf } from '../../../core/msgpack/record.ts'
import type { FilterContext } from '../../../core/plugin.ts'
import { isContainerFormat, traceStateMachine } from '../../../lib/multiline/builtin-rules.ts'
import {
  type Candidate,
  type FollowedRecord,
  type Follower,
  LineClassifier,
} from '../../../lib/multiline/classifier.ts'
import { findText, type TextSpan } from '../../../lib/multiline/joined-record.ts'
import { type LineRole, makeStateMachine, type StateMachine } from '../../../lib/multiline/state-machine.ts'
import type { MultilineFilterOptions } from './options.ts'

/** A record of a chunk that has a text, and the properties by which it is joined with others. */
export interface TextRecord extends TextSpan {
  /** Records of one tag are only joined when their keys are equal. */
  groupKey: string
  /** True when more parts of the same line follow. */
  isPartial: boolean
}

/** Determines the role of a record relative to the open record before it. */
export interface RecordClassifier {
  /** Key of the text. */
  readonly contentKey: Buffer
  /** True when a record without text ends the open records of its tag, as in fluent-bit. */
  readonly textlessEnds: boolean
  /** Reads the entry at `at`; returns undefined when it has no text and is not joined. */
  read(buf: Buffer, at: number, end: number): TextRecord | undefined
  classify(buf: Buffer, text: TextRecord, record: FollowedRecord | undefined): LineRole
  /**
   * Result of `classify`: the machine of the record, the state after it, and the machines that may still turn
   * out to match.
   */
  readonly machine: StateMachine | undefined
  readonly state: number
  readonly rivals: readonly Follower[] | undefined
  /** True when the open record keeps its held records even though this record does not join it. */
  readonly keepsHeld: boolean
}

/**
 * Classifies by the rules of multiline parsers. A record is read once for all of them: keys that the filter
 * does not name are those of the first parser that names one. Throws E_CONFIG_BAD_VALUE for an unknown
 * parser.
 */
export class RuleClassifier implements RecordClassifier {
  readonly textlessEnds = true
  readonly #classifier: LineClassifier
  readonly contentKey: Buffer
  readonly #groupKey: Buffer
  readonly #patternKey: Buffer | undefined
  /** Text that is matched against the rules, when it is not the one that is joined. */
  #matched: TextSpan | undefined

  constructor(options: MultilineFilterOptions, ctx: FilterContext) {
    const names = options.multilineParser.flat()
    if (names.length === 0) throw bad('"multiline.parser" is missing', 'set one, e.g. java')
    const own = names.map((name) => ctx.multiline(name)).filter((parser) => parser !== undefined)
    const pattern = own.find(({ keyPattern }) => keyPattern)?.keyPattern
    this.contentKey = Buffer.from(
      options.multilineKeyContent ?? own.find(({ keyContent }) => keyContent)?.keyContent ?? 'log',
    )
    this.#groupKey = Buffer.from(
      options.groupKey ?? own.find(({ keyGroup }) => keyGroup)?.keyGroup ?? 'stream',
    )
    this.#patternKey = pattern === undefined ? undefined : Buffer.from(pattern)
    const joined = names.filter((name) => !isContainerFormat(name))
    if (joined.length < names.length)
      ctx.log.warn(
        '"docker" and "cri" of multiline.parser have no effect in a filter: they join lines of files, in the input tail',
      )
    this.#classifier = new LineClassifier(joined.map((name) => candidateFor(name, ctx)))
  }

  get machine(): StateMachine | undefined {
    return this.#classifier.machine
  }

  get state(): number {
    return this.#classifier.state
  }

  get rivals(): readonly Follower[] | undefined {
    return this.#classifier.rivals
  }

  get keepsHeld(): boolean {
    return this.#classifier.keepsHeld
  }

  read(buf: Buffer, at: number, end: number): TextRecord | undefined {
    const text = findText(buf, at, end, this.contentKey)
    if (text === undefined) return undefined
    if (this.#patternKey !== undefined) this.#matched = findText(buf, at, end, this.#patternKey)
    const key = findKey(buf, entryMap(buf, at, end), end, this.#groupKey)
    const group = key < 0 ? undefined : spanOf(buf, key)
    return {
      ...text,
      groupKey: group === undefined ? '' : buf.toString('latin1', group.start, group.end),
      isPartial: false,
    }
  }

  classify(buf: Buffer, text: TextRecord, record: FollowedRecord | undefined): LineRole {
    const { textAt, textEnd } = this.#matched ?? text
    const newline = textEnd > textAt && buf[textEnd - 1] === 10 ? 1 : 0
    const matched = buf.toString('latin1', textAt, textEnd - newline)
    return this.#classifier.classify(record, matched, undefined, newline === 1)
  }
}

const PARTIAL = Buffer.from('partial_message')
const ID = Buffer.from('partial_id')
const LAST = Buffer.from('partial_last')

/**
 * Classifies parts of a message as marked by Docker's fluentd driver: parts with one partial_id, up to
 * `partial_last: true`.
 */
export class PartialClassifier implements RecordClassifier {
  readonly textlessEnds = false
  readonly machine = undefined
  readonly state = 0
  readonly rivals = undefined
  readonly keepsHeld = false
  readonly contentKey: Buffer

  constructor(options: MultilineFilterOptions) {
    this.contentKey = Buffer.from(options.multilineKeyContent ?? 'log')
  }

  read(buf: Buffer, at: number, end: number): TextRecord | undefined {
    const map = entryMap(buf, at, end)
    const mark = map < 0 ? -1 : findKey(buf, map, end, PARTIAL)
    if (mark < 0 || !isTrue(buf, mark)) return undefined
    const text = findText(buf, at, end, this.contentKey)
    const idAt = findKey(buf, map, end, ID)
    const id = idAt < 0 ? undefined : spanOf(buf, idAt)
    if (text === undefined || id === undefined) return undefined
    const last = findKey(buf, map, end, LAST)
    return {
      ...text,
      groupKey: buf.toString('latin1', id.start, id.end),
      isPartial: last < 0 || !isTrue(buf, last),
    }
  }

  classify(_buf: Buffer, text: TextRecord, record: unknown): LineRole {
    if (record === undefined) return text.isPartial ? 'start' : 'alone'
    return text.isPartial ? 'join' : 'last'
  }
}

/** Returns true for true, and for the word in any case, as in fluent-bit. */
function isTrue(buf: Buffer, at: number): boolean {
  if (buf[at] === 0xc3) return true
  const text = spanOf(buf, at)
  return text !== undefined && buf.toString('latin1', text.start, text.end).toLowerCase() === 'true'
}

function candidateFor(name: string, ctx: FilterContext): Candidate {
  const options = ctx.multiline(name)
  const trace = options === undefined ? traceStateMachine(name) : undefined
  if (trace !== undefined) return { machine: trace, ownLinesOnly: false }
  if (options === undefined)
    throw bad(`there is no multiline parser "${name}"`, 'add a [MULTILINE_PARSER] section with this name')
  if (options.parser !== undefined)
    throw bad(
      `multiline parser "${name}" has a parser of its own`,
      'the filter gets parsed records: remove Parser from it',
    )
  return { machine: makeStateMachine(name, options, ctx.regexLimit), ownLinesOnly: false }
}

function bad(message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option: 'multiline.parser', hint })
}

/** Returns true for a key that begins with `partial_`. */
export function isMark(buf: Buffer, at: number): boolean {
  const key = spanOf(buf, at)
  return key !== undefined && buf.toString('latin1', key.start, key.end).startsWith('partial_')
}
