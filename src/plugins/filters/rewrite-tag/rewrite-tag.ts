import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import type { OptionsOf } from '../../../core/options/option.ts'
import { Places } from '../../../core/places.ts'
import type { Deferral, Filter, FilterContext } from '../../../core/plugin.ts'
import type { Counters } from '../../../core/services.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { bodyAt } from '../../../lib/records/entry-parts.ts'
import { TagText } from '../../../lib/records/template.ts'
import { matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH } from '../../../lib/regex/match-result.ts'
import { type TranslatedRegex, translateOnigmo } from '../../../lib/regex/onigmo.ts'
import { COUNTERS } from './counters.ts'
import { type Group, Groups, recordsOf } from './groups.ts'
import type { REWRITE_TAG_OPTIONS } from './options.ts'
import { Rule, rulesOf } from './rule.ts'

/** Most filters that may give one record another tag, one after the other. */
export const MAX_REWRITES = 8

type Options = OptionsOf<typeof REWRITE_TAG_OPTIONS>
type Reason = keyof (typeof COUNTERS)['not_rewritten']['reasons']

/** In place of the group of a record: it stays, or no rule matches it. */
const STAYS = -1
const UNMATCHED = -2

/**
 * Sends records that a rule matches to the beginning of the way under another tag. Each chunk is read twice: the first time to
 * find the tags, so that the records of one tag become one chunk, whose size is then known; the second time to copy them.
 */
export class RewriteTag implements Filter {
  readonly #ctx: FilterContext
  readonly #counters: Counters<typeof COUNTERS>
  readonly #rules: readonly Rule[]
  readonly #dropsUnmatched: boolean
  readonly #cut: TranslatedRegex | undefined
  readonly #tag = new TagText()
  /** Tag for which `#tag` is set. */
  #tagOf: string | undefined
  readonly #newTag = new JsonText()
  readonly #groups = new Groups()
  /** Group, or STAYS or UNMATCHED, and end of each record of the current chunk. */
  #found = new Int32Array(0)
  #ends = new Int32Array(0)
  /** Reason for which matching records of the current chunk stay. */
  #refused: Reason | undefined
  readonly #logged = new Set<Reason>()

  constructor(options: Options, ctx: FilterContext) {
    this.#ctx = ctx
    this.#counters = ctx.counters
    this.#dropsUnmatched = options.unmatched === 'drop'
    this.#cut = options.removeFromTag === undefined ? undefined : translateOnigmo(options.removeFromTag)
    this.#rules = rulesOf(options.rule).map((text) => {
      checkLabel(text.label, ctx.labels)
      return new Rule(text, {
        limit: ctx.regexLimit,
        valuesAsText: options.valuesAsText,
        capitalizes: options.capitalizeCaptures,
      })
    })
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    const { rewrites } = chunk
    // As fluent-bit, which passes over records from the emitter of the filter.
    if (rewrites.at(-1) === this.#ctx.name) return
    this.#refused = rewrites.includes(this.#ctx.name)
      ? 'repeated'
      : rewrites.length >= MAX_REWRITES
        ? 'too_many'
        : undefined
    const groups = this.#groups
    groups.clear()
    for (const rule of this.#rules) rule.group = undefined
    const records = this.#findAll(chunk)
    if (groups.list.length === 0 && !this.#dropsUnmatched) return
    groups.takeBuffers(deferral.buffers)
    const dropped = this.#copyAll(chunk, records)
    if (dropped > 0) this.#counters.add('unmatched_dropped', dropped)
    for (const group of groups.list) if (group.count > 0) this.#send(group, chunk, deferral)
  }

  /** Finds the group of each record; returns their number. */
  #findAll(chunk: Chunk): number {
    const { buf, end } = chunk
    this.#reserve(chunk.count)
    let records = 0
    for (let at = chunk.start; at < end; records++) {
      const next = skip(buf, at, end)
      if (next <= at) throw new Error(`chunk ${chunk.id} contains an incomplete entry`)
      if (records === this.#ends.length) this.#reserve(records * 2)
      const body = bodyAt(buf, at, next)
      this.#found[records] = body < 0 ? STAYS : this.#groupOf(buf, body, next, chunk.tag, next - at)
      this.#ends[records] = next
      at = next
    }
    return records
  }

  #reserve(records: number): void {
    if (records <= this.#ends.length) return
    const [found, ends] = [this.#found, this.#ends]
    this.#found = new Int32Array(records)
    this.#ends = new Int32Array(records)
    this.#found.set(found)
    this.#ends.set(ends)
  }

  /** Adds a record to the group of its new tag; returns twice its number, plus one if it is kept, or STAYS or UNMATCHED. */
  #groupOf(buf: Buffer, map: number, end: number, tag: string, bytes: number): number {
    for (let i = 0; i < this.#rules.length; i++) {
      const rule = this.#rules[i] as Rule
      if (!rule.matches(buf, map, end)) continue
      if (this.#refused !== undefined) return this.#stay(this.#refused, tag)
      rule.group ??= this.#numberOf(rule, buf, map, end, tag)
      const number = rule.group
      if (!rule.template.isPerTag) rule.group = undefined
      const group = this.#groups.list[number]
      if (group === undefined) return this.#stay('missing', tag)
      if (group.tag === undefined) return this.#stay('unusable', tag)
      if (this.#ctx.mayReroute?.() === false) return this.#stay('copies', tag)
      group.bytes += bytes
      group.count++
      return number * 2 + (rule.keep ? 1 : 0)
    }
    return UNMATCHED
  }

  /** Returns the number of the group of a record that a rule matches; -1 when something is missing for its tag. */
  #numberOf(rule: Rule, buf: Buffer, map: number, end: number, tag: string): number {
    const out = this.#newTag
    out.reset()
    if (!rule.template.write(out, this.#tagText(tag), buf, map, end, rule)) return -1
    const tagEnd = out.at
    if (rule.label !== undefined) out.raw(`\0${rule.label}`)
    return this.#groups.find(out.buf, tagEnd, out.at, rule.label)
  }

  #tagText(tag: string): TagText {
    if (this.#tagOf === tag) return this.#tag
    this.#tagOf = tag
    return this.#tag.set(this.#cut === undefined ? tag : withoutMatch(tag, this.#cut))
  }

  /** Counts a record that keeps its tag, and logs the first of each reason. */
  #stay(reason: Reason, tag: string): number {
    this.#counters.add('not_rewritten', 1, reason)
    if (this.#logged.has(reason)) return STAYS
    this.#logged.add(reason)
    const what = COUNTERS.not_rewritten.reasons[reason]
    this.#ctx.log.warn(`a record keeps its tag: ${what}; further ones are only counted`, { tag })
    return STAYS
  }

  /** Copies records to the buffers of their groups and moves those that stay together; returns the number of dropped ones. */
  #copyAll(chunk: Chunk, records: number): number {
    const { buf, start, places } = chunk
    let to = start
    let kept = 0
    let dropped = 0
    let left = 0
    for (let at = start, i = 0; i < records; i++) {
      const found = this.#found[i] as number
      const end = this.#ends[i] as number
      if (found >= 0) {
        const group = this.#groups.list[found >> 1] as Group
        group.end += buf.copy(group.buf, group.end, at, end)
        if (places !== undefined) {
          group.places ??= new Places(group.count)
          group.places.append(places, i, i + 1)
        }
      }
      const isDropped = found === UNMATCHED && this.#dropsUnmatched
      if (isDropped) dropped++
      else if (found < 0 || (found & 1) === 1) {
        if (to !== at) buf.copyWithin(to, at, end)
        to += end - at
        kept++
      } else left++
      if (isDropped || (found >= 0 && (found & 1) === 0)) places?.drop(i)
      at = end
    }
    chunk.reroutedRecords += left
    chunk.end = to
    chunk.count = kept
    return dropped
  }

  #send(group: Group, chunk: Chunk, deferral: Deferral): void {
    const { tag, label, count } = group
    if (tag === undefined) return
    this.#counters.add('rewritten', count)
    this.#ctx.reroute(recordsOf(group, tag, chunk), deferral.buffers, deferral.defer(), label)
  }
}

function checkLabel(label: string | undefined, labels: ReadonlySet<string> | undefined): void {
  if (label === undefined || labels?.has(label) === true) return
  const message = labels === undefined ? `there are no labels, so no ${label}` : `there is no label ${label}`
  throw new ShipperError('E_CONFIG_BAD_VALUE', message, {
    hint: 'labels are in configurations of fluentd only; leave it out to begin at the first filter',
    option: 'rule',
  })
}

/** Returns a tag without the first text that an expression matches. */
export function withoutMatch(tag: string, expression: TranslatedRegex): string {
  const bytes = Buffer.from(tag)
  const matcher = matcherOf(expression)
  if (matcher.match(bytes, 0, bytes.length) !== MATCH) return tag
  const [start = 0, end = 0] = matcher.spans
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]).toString()
}
