import { createHash } from 'node:crypto'
import { ShipperError } from '../../../core/error.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import { entryMap, findKey, spanOf, textEquals } from '../../../core/msgpack/record.ts'
import type { RegexLimit, RegexUse } from '../../../core/plugin.ts'
import { type TextSpan, textSpanAt } from '../../../lib/multiline/joined-record.ts'
import { type LineMatcher, matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../lib/regex/match-result.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import type { ConcatOptions } from './options.ts'

/**
 * What a record is to the open record of its stream:
 *
 * - `first`: begins a record; an open one is complete
 * - `single`: is one of its own; an open one is complete
 * - `part`: joins the open one, or begins one
 * - `last`: joins the open one, or is one of its own, which is complete then
 * - `pass`: does not join; an open one is complete if there is any
 */
export type Role = 'first' | 'single' | 'part' | 'last' | 'pass'

/** A record with a text that may be joined. */
export interface Part extends TextSpan {
  stream: string
  map: number
}

const TRUE = Buffer.from('true')
const MAX_STREAM_BYTES = 256
const USE: RegexUse = { reason: 'multiline', effect: 'it does not match the record' }
const FIELDS = {
  'docker-fluentd': ['partial_message', 'partial_id', 'partial_ordinal', 'partial_last'],
  'docker-journald': [
    'CONTAINER_PARTIAL_MESSAGE',
    'CONTAINER_PARTIAL_ID',
    'CONTAINER_PARTIAL_ORDINAL',
    'CONTAINER_PARTIAL_LAST',
  ],
  'docker-journald-lowercase': [
    'container_partial_message',
    'container_partial_id',
    'container_partial_ordinal',
    'container_partial_last',
  ],
}

/** Determines what records are to the open ones, in one of the modes of the filter. */
export class PartClassifier {
  readonly #options: ConcatOptions
  readonly #key: Buffer
  /** Keys whose values tell streams apart. */
  readonly #streamKeys: readonly Buffer[]
  /** Key without which a record passes. */
  readonly #neededKey: Buffer | undefined
  /** Key whose value tells whether more parts follow. */
  readonly #markKey: Buffer | undefined
  readonly #moreValue: Buffer
  /** Keys that joined records do not have. */
  readonly removedKeys: readonly Buffer[]
  readonly #start: Expression | undefined
  readonly #end: Expression | undefined
  readonly #continuous: Expression | undefined

  /** Throws E_CONFIG_BAD_VALUE when the options exclude each other. */
  constructor(options: ConcatOptions, limit: RegexLimit | undefined) {
    check(options)
    this.#options = options
    this.#key = Buffer.from(options.key)
    const [message = '', id = '', ordinal = '', last = ''] = FIELDS[options.partialMetadataFormat]
    const streams = [options.streamIdentityKey]
    const removed: (string | undefined)[] = []
    let needed: string | undefined
    let mark: string | undefined
    if (options.usePartialMetadata) {
      streams.push(id)
      // Journald does not mark the last part as a message.
      needed = options.partialMetadataFormat === 'docker-fluentd' ? message : id
      mark = last
      if (!options.keepPartialMetadata) removed.push(message, id, ordinal, last)
    } else if (options.usePartialCriLogtag) {
      streams.push(options.partialCriStreamKey)
      needed = mark = options.partialCriLogtagKey
      removed.push(options.partialCriStreamKey)
      if (!options.keepPartialKey) removed.push(mark)
    } else if (options.partialKey !== undefined) {
      needed = mark = options.partialKey
      if (!options.keepPartialKey) removed.push(mark)
    }
    this.#streamKeys = keys(streams)
    this.removedKeys = keys(removed)
    this.#neededKey = needed === undefined ? undefined : Buffer.from(needed)
    this.#markKey = mark === undefined ? undefined : Buffer.from(mark)
    this.#moreValue = Buffer.from(options.partialValue ?? '')
    this.#start = expression(options.multilineStartRegexp, 'Multiline_Start_Regexp', limit)
    this.#end = expression(options.multilineEndRegexp, 'Multiline_End_Regexp', limit)
    this.#continuous = expression(options.continuousLineRegexp, 'Continuous_Line_Regexp', limit)
  }

  /** Reads the entry at `at`; returns undefined when it passes without regard to open records. */
  read(buf: Buffer, at: number, end: number): Part | undefined {
    const map = entryMap(buf, at, end)
    const text = map < 0 ? undefined : textSpanAt(buf, findKey(buf, map, end, this.#key))
    if (text === undefined) return undefined
    if (this.#neededKey !== undefined && findKey(buf, map, end, this.#neededKey) < 0) return undefined
    if (this.#options.usePartialCriLogtag && !this.#hasLogtag(buf, map, end)) return undefined
    let stream = ''
    for (const key of this.#streamKeys) stream += `${valueKey(buf, findKey(buf, map, end, key), end)}\0`
    return { ...text, map, stream }
  }

  /** `parts`: number of parts of the open record, 0 when there is none. */
  classify(buf: Buffer, part: Part, end: number, parts: number): Role {
    const { nLines } = this.#options
    if (nLines !== undefined) return parts + 1 >= nLines ? 'last' : 'part'
    if (this.#markKey !== undefined) return this.#isLast(buf, part.map, end) ? 'last' : 'part'
    const { textAt, textEnd } = part
    const isLast = this.#end?.matches(buf, textAt, textEnd) === true
    if (this.#start?.matches(buf, textAt, textEnd) === true) return isLast ? 'single' : 'first'
    if (isLast) return 'last'
    if (parts === 0) return this.#start === undefined ? 'part' : 'pass'
    return this.#continuous === undefined || this.#continuous.matches(buf, textAt, textEnd) ? 'part' : 'pass'
  }

  #hasLogtag(buf: Buffer, map: number, end: number): boolean {
    const at = findKey(buf, map, end, this.#markKey as Buffer)
    return at >= 0 && spanOf(buf, at) !== undefined
  }

  #isLast(buf: Buffer, map: number, end: number): boolean {
    const at = findKey(buf, map, end, this.#markKey as Buffer)
    if (this.#options.usePartialMetadata) return at >= 0 && isText(buf, at, TRUE)
    if (!this.#options.usePartialCriLogtag) return !isText(buf, at, this.#moreValue)
    const span = spanOf(buf, at)
    // `F`, or `F:` and further marks.
    if (span === undefined || buf[span.start] !== 0x46) return false
    return span.end === span.start + 1 || buf[span.start + 1] === 0x3a
  }
}

/** True when the value is this text; true and false are equal to the words. */
function isText(buf: Buffer, at: number, text: Buffer): boolean {
  const type = buf[at]
  if (type === 0xc3 || type === 0xc2) return text.toString() === (type === 0xc3 ? 'true' : 'false')
  return textEquals(buf, at, text)
}

/** Returns a text that is equal for equal values: a long one is hashed. */
function valueKey(buf: Buffer, at: number, end: number): string {
  if (at < 0) return ''
  const next = skip(buf, at, end)
  if (next - at <= MAX_STREAM_BYTES) return buf.toString('latin1', at, next)
  return createHash('sha256').update(buf.subarray(at, next)).digest('latin1')
}

class Expression {
  readonly #source: string
  readonly #matcher: LineMatcher
  readonly #owner: string
  readonly #limit: RegexLimit | undefined

  constructor(source: string, owner: string, limit: RegexLimit | undefined) {
    this.#source = source
    this.#owner = owner
    this.#limit = limit
    this.#matcher = matcherOf(translateOnigmo(source), limit?.stepsPerByte)
  }

  matches(buf: Buffer, start: number, end: number): boolean {
    const result = this.#matcher.match(buf, start, end)
    if (result === TOO_MANY_STEPS) this.#limit?.reached(this.#source, this.#owner, USE)
    return result === MATCH
  }
}

function expression(
  source: string | undefined,
  owner: string,
  limit: RegexLimit | undefined,
): Expression | undefined {
  return source === undefined ? undefined : new Expression(source, owner, limit)
}

function keys(names: readonly (string | undefined)[]): Buffer[] {
  return names.filter((name) => name !== undefined).map((name) => Buffer.from(name))
}

/** Checks what fluent-plugin-concat checks: exactly one way to join, and its options. */
function check(options: ConcatOptions): void {
  const ways: [string, boolean][] = [
    ['n_lines', options.nLines !== undefined],
    [
      'multiline_start_regexp or multiline_end_regexp',
      options.multilineStartRegexp !== undefined || options.multilineEndRegexp !== undefined,
    ],
    ['partial_key', options.partialKey !== undefined],
    ['use_partial_metadata', options.usePartialMetadata],
    ['use_partial_cri_logtag', options.usePartialCriLogtag],
  ]
  const used = ways.filter(([, isUsed]) => isUsed).map(([name]) => name)
  const all = ways.map(([name]) => name).join(', ')
  if (used.length === 0) throw bad('nothing says which records belong together', `set one of ${all}`)
  if (used.length > 1) throw bad(`${used.join(' and ')} exclude each other`, 'keep one of them')
  if (options.partialKey !== undefined && options.partialValue === undefined)
    throw bad(
      '"partial_key" needs "partial_value"',
      'set the value that parts have, e.g. true',
      'partial_key',
    )
  if (options.usePartialCriLogtag && options.partialCriLogtagKey === undefined)
    throw bad(
      '"use_partial_cri_logtag" needs "partial_cri_logtag_key"',
      'set the key, e.g. logtag',
      'use_partial_cri_logtag',
    )
}

function bad(message: string, hint: string, option?: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { hint, ...(option && { option }) })
}
