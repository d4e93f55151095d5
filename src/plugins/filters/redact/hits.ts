import { ShipperError } from '../../../core/error.ts'
import type { RegexLimit, RegexUse } from '../../../core/plugin.ts'
import { type LineMatcher, matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../lib/regex/match-result.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import type { TextScanner } from './text-scanner.ts'

/** Matches of a pattern in one text: with more the record fails. */
const MAX_MATCHES = 10_000

/** Bytes that are searched again after empty matches of a pattern in one text, those of each search: a text of 20,000 bytes has them. */
const MAX_SEARCHED = 200_000_000

const FAILED: RegexUse = { reason: 'redact', effect: 'On_Error says what becomes of the record' }

interface Pattern {
  name: string
  expression: string
  matcher: LineMatcher
}

/** The secrets of one text, in order, without overlap. */
export class Hits {
  readonly starts: number[] = []
  readonly ends: number[] = []
  readonly kinds: string[] = []
  readonly #scanner: TextScanner
  readonly #patterns: Pattern[]
  readonly #limit: RegexLimit | undefined

  constructor(scanner: TextScanner, patterns: readonly string[][], limit: RegexLimit | undefined) {
    this.#scanner = scanner
    this.#limit = limit
    this.#patterns = patterns.map(([name = '', expression = '']) => ({
      name,
      expression,
      matcher: matcherOf(translateOnigmo(expression), limit?.stepsPerByte),
    }))
  }

  get count(): number {
    return this.starts.length
  }

  /** Finds the secrets of the text buf[start, end). Throws E_FILTER_FAILED when an expression reaches its limit. */
  find(buf: Buffer, start: number, end: number): void {
    this.clear()
    const scanner = this.#scanner
    if (!scanner.isIdle)
      for (let from = start; from < end && scanner.next(buf, from, start, end); from = scanner.end)
        this.add(scanner.kind, scanner.start, scanner.end)
    if (this.#patterns.length === 0) return
    const known = this.count
    for (const pattern of this.#patterns) this.#match(pattern, buf, start, end)
    if (this.count > known) this.#sort()
  }

  clear(): void {
    this.starts.length = this.ends.length = this.kinds.length = 0
  }

  add(kind: string, start: number, end: number): void {
    this.starts.push(start)
    this.ends.push(end)
    this.kinds.push(kind)
  }

  #match({ name, expression, matcher }: Pattern, buf: Buffer, start: number, end: number): void {
    const failed = (what: string) =>
      new ShipperError('E_FILTER_FAILED', `the pattern ${name} ${what} on a text of ${end - start} bytes`)
    let matches = 0
    let searched = 0
    for (let from = start; from <= end; ) {
      const result = matcher.match(buf, from, end)
      if (result === TOO_MANY_STEPS) {
        this.#limit?.reached(expression, name, FAILED)
        throw failed('reached Regex_Step_Limit')
      }
      if (result !== MATCH) return
      const [at = 0, stop = 0] = matcher.spans
      if (stop > at) {
        if (++matches > MAX_MATCHES) throw failed(`matches more than ${MAX_MATCHES} times`)
        this.add(name, at, stop)
        from = stop
      } else {
        searched += end - from
        if (searched > MAX_SEARCHED) throw failed('matches the empty text too often')
        from = stop + 1
      }
    }
  }

  /** Puts the hits in order, and cuts off what belongs to the one before. */
  #sort(): void {
    const hits = this.starts.map((start, i) => ({
      start,
      end: this.ends[i] as number,
      kind: this.kinds[i] as string,
    }))
    hits.sort((a, b) => a.start - b.start || b.end - a.end)
    this.clear()
    let last = -1
    for (const { start, end, kind } of hits) {
      if (end <= last) continue
      this.add(kind, Math.max(start, last), end)
      last = end
    }
  }
}
