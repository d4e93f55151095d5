import { isAscii } from 'node:buffer'
import type { RegexLimit } from '../../core/plugin.ts'
import { utf8SequenceLength } from '../../core/utf8.ts'
import { Backtracker } from '../regex/backtracker.ts'
import { withCharacters } from '../regex/characters.ts'
import { compileProgram } from '../regex/compile.ts'
import { END } from '../regex/first-bytes.ts'
import {
  DEFAULT_STEPS_PER_BYTE,
  MATCH,
  type MatchResult,
  NO_MATCH,
  stepLimit,
  TOO_MANY_STEPS,
} from '../regex/match-result.ts'
import { type TranslatedRegex, translateOnigmo } from '../regex/onigmo.ts'
import { RubyFailure } from './failure.ts'
import { characters, readText, textBytes } from './text.ts'

/** Steps per byte of a text that a search for all matches may take besides those of a single search. */
const SCAN_STEPS_PER_BYTE = 4

/** A match: the groups as text, null for one that took no part, and what is before and after it. */
export class MatchedText {
  readonly groups: readonly (string | null)[]
  readonly names: readonly (string | undefined)[]
  readonly before: string
  readonly after: string

  constructor(
    groups: readonly (string | null)[],
    names: readonly (string | undefined)[],
    before: string,
    after: string,
  ) {
    this.groups = groups
    this.names = names
    this.before = before
    this.after = after
  }

  /** Returns the group of this name; undefined when the expression has none. */
  named(name: string): string | null | undefined {
    const at = this.names.lastIndexOf(name)
    return at < 0 ? undefined : (this.groups[at] ?? null)
  }
}

/**
 * A backtracker that continues a search where the last match ended: anchors and lookbehinds see the entire
 * text.
 */
class Searcher extends Backtracker {
  /** Searches in src[0, end) from `from` on. Steps are added to those of the searches before. */
  searchFrom(src: Buffer, from: number, end: number, limit: number): MatchResult {
    const { startsAtText, start, first } = this.program
    const tables = this.tables
    this.limit = limit
    for (let at = from; at <= end; at++) {
      if (startsAtText && at > 0) return NO_MATCH
      // A match does not begin within a character.
      if (at > from && at < end && ((src[at] as number) & 0xc0) === 0x80) continue
      if (!startsAtText && tables[first + (at < end ? (src[at] as number) : END)] !== 1) continue
      this.spans.fill(-1)
      this.depth = this.base = 0
      const stop = this.run(src, start, at, 0, end)
      if (stop === -2 || this.steps > limit) return TOO_MANY_STEPS
      if (stop < 0) continue
      this.spans[0] = at
      this.spans[1] = stop
      return MATCH
    }
    return NO_MATCH
  }
}

/** A regular expression of the configuration, for searches in texts. */
export class RubyRegex {
  readonly #source: string
  readonly #regex: TranslatedRegex
  readonly #searcher: Searcher
  /** Searches in text that is not only ASCII. */
  #wideSearcher: Searcher | undefined
  readonly #names: readonly (string | undefined)[]
  readonly #limit: RegexLimit | undefined

  /** Throws E_PARSER_REGEX for an unsupported expression. */
  constructor(source: string, limit?: RegexLimit) {
    this.#regex = translateOnigmo(source)
    this.#source = source
    this.#searcher = new Searcher(this.#regex.program)
    this.#names = this.#regex.names
    this.#limit = limit
  }

  /** Calls `each` with the spans of every match, in order, until it returns false. */
  scan(bytes: Buffer, each: (spans: Int32Array) => boolean): void {
    const searcher = this.#searcherFor(bytes)
    searcher.steps = 0
    const perByte = this.#limit?.stepsPerByte ?? DEFAULT_STEPS_PER_BYTE
    const limit = stepLimit(perByte, bytes.length) + SCAN_STEPS_PER_BYTE * bytes.length
    for (let from = 0; from <= bytes.length; ) {
      const result = searcher.searchFrom(bytes, from, bytes.length, limit)
      if (result === NO_MATCH) return
      if (result === TOO_MANY_STEPS) throw this.#tooManySteps()
      const { spans } = searcher
      const [start, end] = [spans[0] as number, spans[1] as number]
      if (!each(spans)) return
      // An empty match is followed by the next character.
      from = end > start ? end : end + nextCharacter(bytes, end)
    }
  }

  #searcherFor(bytes: Buffer): Searcher {
    if (isAscii(bytes)) return this.#searcher
    this.#wideSearcher ??= new Searcher(compileProgram(withCharacters(this.#regex.tree)))
    return this.#wideSearcher
  }

  /** Returns the first match, or undefined. */
  match(text: string): MatchedText | undefined {
    const bytes = textBytes(text)
    let found: MatchedText | undefined
    this.scan(bytes, (spans) => {
      const [from, to] = [spans[0] as number, spans[1] as number]
      found = new MatchedText(
        this.groups(bytes, spans),
        this.#names,
        readText(bytes, 0, from),
        readText(bytes, to, bytes.length),
      )
      return false
    })
    return found
  }

  /** Returns the texts of the groups of a match. */
  groups(bytes: Buffer, spans: Int32Array): (string | null)[] {
    return this.#names.map((_, i) => {
      const [from, to] = [spans[i * 2] as number, spans[i * 2 + 1] as number]
      return from < 0 ? null : readText(bytes, from, to)
    })
  }

  get names(): readonly (string | undefined)[] {
    return this.#names
  }

  /** Returns the number of characters before the first match, or -1. */
  index(text: string): number {
    const found = this.match(text)
    return found === undefined ? -1 : characters(found.before)
  }

  #tooManySteps(): RubyFailure {
    this.#limit?.reached(this.#source, 'Record', {
      reason: 'expression',
      effect: 'the expression fails on the record',
    })
    return new RubyFailure(`the regular expression ${this.#source} takes too many steps`)
  }
}

function nextCharacter(bytes: Buffer, at: number): number {
  return at < bytes.length ? Math.abs(utf8SequenceLength(bytes, at, bytes.length)) : 1
}
