import { ShipperError } from '../../../core/error.ts'
import { FsFailure, readRegular, stat } from '../../../lib/fs/file-system.ts'
import { Automaton } from './automaton.ts'
import { type PatternBounds, PatternSet, START, WHOLE } from './pattern-set.ts'

/** Maximum size of a file of patterns. */
const MAX_FILE_BYTES = 32_000_000
/** Maximum number of patterns. */
const MAX_PATTERNS = 1_000_000
/** Maximum length of a pattern. */
const MAX_PATTERN_BYTES = 4096
/** Maximum size of all patterns that are searched for anywhere in a text: they take ten times as much memory. */
const MAX_ANYWHERE_BYTES = 2_000_000

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const HASH = 0x23
const PERCENT = 0x25

/** The byte that stands for each byte: itself, or the lower case of an ASCII letter. */
function foldTable(ignoreCase: boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, b) => (ignoreCase && b >= 0x41 && b <= 0x5a ? b + 0x20 : b))
}

/**
 * The patterns of a file, one a line:
 *
 * ```
 *   file    = *( line LF ) [ line ]
 *   line    = *OCTET [ CR ]                  ; an empty one, and one that begins with "#", is passed over
 *   partial = *"%" text *"%"                 ; mode partial: with "%" before it the text may be anywhere, without at the start
 * ```
 * Blanks at the end of a pattern belong to it, but a value that is the pattern without them matches too.
 */
export class Patterns {
  readonly #set: PatternSet
  readonly #anywhere: Automaton | undefined
  /** True when a pattern consists of `%`. */
  readonly #all: boolean

  constructor(content: Buffer, mode: 'exact' | 'partial', ignoreCase: boolean) {
    const fold = foldTable(ignoreCase)
    const set = new PatternSet(fold, boundsOf(content))
    const anywhere: Buffer[] = []
    let anywhereBytes = 0
    let all = false
    forEachPattern(content, (from, to) => {
      let start = from
      let end = to
      if (mode === 'partial') {
        while (start < end && content[start] === PERCENT) start++
        while (end > start && content[end - 1] === PERCENT) end--
        if (start === end) all = true
        else if (start > from) {
          anywhereBytes += end - start
          if (anywhereBytes > MAX_ANYWHERE_BYTES) throw tooMuch()
          anywhere.push(content.subarray(start, end))
          return
        }
        if (start === end) return
        set.add(content, start, end, START)
      } else set.add(content, start, end, WHOLE)
      const text = end
      while (end > start && isBlank(content[end - 1] as number)) end--
      if (end > start && end < text) set.add(content, start, end, WHOLE)
    })
    this.#set = set
    this.#all = all
    this.#anywhere = anywhere.length === 0 ? undefined : new Automaton(fold, anywhere)
  }

  /** Reads the patterns of a file; throws E_CONFIG_BAD_VALUE when it cannot be read or is beyond a limit. */
  static read(path: string, mode: 'exact' | 'partial', ignoreCase: boolean): Patterns {
    const content = readRegular(path, MAX_FILE_BYTES)
    if (content instanceof FsFailure) {
      const hint = 'create it, or let File name a file of at most 32 MB that this user may read'
      throw bad(`cannot read the patterns from ${path}: ${content.message}`, hint)
    }
    try {
      return new Patterns(withoutMark(content), mode, ignoreCase)
    } catch (error) {
      if (!(error instanceof ShipperError)) throw error
      throw bad(`${path}: ${error.message}`, error.hint)
    }
  }

  /** Number of different patterns that are compared, and of states of the automaton for those that may be anywhere. */
  get sizes(): { compared: number; states: number } {
    return { compared: this.#set.size, states: this.#anywhere?.size ?? 0 }
  }

  /** True when the text buf[start, end) is in the list, or in mode partial begins with or contains one of it. */
  match(buf: Buffer, start: number, end: number): boolean {
    if (this.#all || this.#set.matches(buf, start, end)) return true
    return this.#anywhere?.isIn(buf, start, end) ?? false
  }
}

const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf)

function withoutMark(content: Buffer): Buffer {
  return content.indexOf(BYTE_ORDER_MARK) === 0 ? content.subarray(BYTE_ORDER_MARK.length) : content
}

/** Memory for each byte of a file, which is there twice while it is read, and for each pattern; of the shortest lines. */
const FILE_FACTOR = 2
const PATTERN_BYTES = 32
const MIN_LINE_BYTES = 2
/** Memory for each byte of the patterns with `%` before them, while the automaton is made. */
const AUTOMATON_FACTOR = 20

/** Returns the memory that the list of a file may take; undefined when the file cannot be looked at. */
export function listMemory(path: string, mode: 'exact' | 'partial'): number | undefined {
  const found = stat(path)
  if (found instanceof FsFailure) return undefined
  const size = Math.min(Number(found.size), MAX_FILE_BYTES)
  const patterns = Math.min(size / MIN_LINE_BYTES, MAX_PATTERNS)
  const ofAutomaton = mode === 'partial' ? AUTOMATON_FACTOR * Math.min(size, MAX_ANYWHERE_BYTES) : 0
  return Math.ceil(FILE_FACTOR * size + PATTERN_BYTES * patterns + ofAutomaton)
}

function forEachPattern(content: Buffer, handle: (start: number, end: number) => void): void {
  for (let start = 0; start < content.length; ) {
    const found = content.indexOf(LINE_FEED, start)
    const next = found < 0 ? content.length : found
    const end = next > start && content[next - 1] === CARRIAGE_RETURN ? next - 1 : next
    if (end > start && content[start] !== HASH) handle(start, end)
    start = next + 1
  }
}

/** Returns how much space the patterns of a file need at most; throws when one of them, or their number, is beyond a limit. */
function boundsOf(content: Buffer): PatternBounds {
  const bounds = { patterns: 0, bytes: 0, longest: 0 }
  let lines = 0
  forEachPattern(content, (start, end) => {
    const length = end - start
    if (++lines > MAX_PATTERNS)
      throw bad(
        `there are more than ${MAX_PATTERNS} patterns`,
        'use several filters, each with a part of the list',
      )
    if (length > MAX_PATTERN_BYTES) {
      const line = countOf(content.subarray(0, start), LINE_FEED) + 1
      throw bad(`line ${line} has more than ${MAX_PATTERN_BYTES} bytes`, 'a pattern is one line: shorten it')
    }
    // One with blanks at its end, which % may follow, is added a second time, without them.
    let last = end - 1
    while (last > start && content[last] === PERCENT) last--
    const times = isBlank(content[last] as number) ? 2 : 1
    bounds.patterns += times
    bounds.bytes += times * length
    bounds.longest = Math.max(bounds.longest, length)
  })
  return bounds
}

function countOf(content: Buffer, byte: number): number {
  let count = 0
  for (let at = content.indexOf(byte); at >= 0; at = content.indexOf(byte, at + 1)) count++
  return count
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09
}

function tooMuch(): ShipperError {
  const message = `the patterns that begin with % have more than ${MAX_ANYWHERE_BYTES} bytes`
  return bad(message, 'leave out some of them, or the % where the text is at the start of the value')
}

function bad(message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option: 'file', hint })
}
