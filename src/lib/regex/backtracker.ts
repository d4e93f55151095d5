import {
  ASIDE,
  AT_TARGET,
  ATOMIC,
  BACK,
  BEHIND,
  ESCAPED,
  FIELD,
  FORGET,
  LAST_END,
  LAZY,
  LINE_END,
  LINE_START,
  MATCHED,
  NO_SLOT,
  NONE,
  NOT_AHEAD,
  NOT_BEHIND,
  PROGRESS,
  type Program,
  QUOTED,
  RUN,
  SAVE,
  SET,
  SPLIT,
  TEXT,
  TEXT_END,
  TEXT_START,
  UNTIL,
  WORD_EDGE,
} from './compile.ts'
import { END } from './first-bytes.ts'
import { MATCH, type MatchResult, NO_MATCH, TOO_MANY_STEPS } from './match-result.ts'

/** Kinds of stack frames: another branch; a run that can be shortened, or extended; a slot to restore; none. */
const BRANCH = 0
export const SHORTEN = 1
export const EXTEND = 2
const RESTORE = 3
const MARK = 4
/** Returned instead of an offset: the limit of steps is reached. */
export const SPENT = -2
/** Passing a byte takes about an eighth of the time of an instruction. */
const BYTES_PER_STEP_SHIFT = 3
/** Numbers per frame: its kind and three operands. */
const FRAME_SIZE = 4

/**
 * Matches an expression against bytes in place, without creating strings or allocating. It backtracks in the
 * same order as RegExp and so to the same result, but only where the next byte leaves two branches open.
 *
 * A step is one instruction, or eight bytes that instructions pass. Steps are added up over all starts of a search; those
 * since the last choice are added when it fails, so that the limit can be exceeded by the length of the text.
 */
export class Backtracker {
  /** Start and end of each group, or -1; group 0 is the entire match. Slots for the matcher's own use follow. */
  readonly spans: Int32Array
  // Not private: NotedBacktracker has another loop over the same state.
  protected readonly program: Program
  protected readonly code: Int32Array
  protected readonly tables: Uint8Array
  protected depth = 0
  /** Frames below are not resumed: those from outside a lookaround. */
  protected base = 0
  /** Next instruction after a split or after backtracking. */
  protected pc = 0
  /** Steps of the last search. */
  steps = 0
  protected limit = 0
  readonly #texts: Uint8Array
  #stack = new Int32Array(64 * FRAME_SIZE)
  /** Offset from which the current lookbehind looks. */
  #target = 0

  constructor(program: Program, spans: Int32Array = new Int32Array(program.slots)) {
    this.program = program
    this.code = program.code
    this.tables = program.tables
    this.#texts = program.texts
    this.spans = spans
  }

  /** Searches for the expression in src[start, end), the entire text, in at most `limit` steps. */
  search(src: Buffer, start: number, end: number, limit: number): MatchResult {
    const { startsAtLine, startsAtText, first } = this.program
    this.steps = 0
    this.limit = limit
    const tables = this.tables
    for (let at = start; at <= end; at++) {
      if (startsAtText || tables[first + (at < end ? (src[at] as number) : END)] === 1) {
        const spans = this.spans
        // Faster than fill() for so few.
        for (let i = 0; i < spans.length; i++) spans[i] = NONE
        this.depth = this.base = 0
        const p = this.run(src, this.program.start, at, start, end)
        if (p >= 0) {
          spans[0] = at
          spans[1] = p
          return MATCH
        }
        if (p === SPENT) return TOO_MANY_STEPS
      }
      if (startsAtText) return NO_MATCH
      if (!startsAtLine) continue
      // At a newline, so that `at++` moves to the start of the next line.
      at = newlineFrom(src, at, end)
      if (at < 0) return NO_MATCH
    }
    return NO_MATCH
  }

  /** Executes the instructions from `at` on up to MATCHED; returns the offset there, -1 or SPENT. */
  protected run(src: Buffer, at: number, from: number, start: number, end: number): number {
    const code = this.code
    const limit = this.limit
    let pc = at
    let p = from
    /** Offset from which the bytes are not counted yet. */
    let counted = from
    let steps = 0
    for (;;) {
      steps++
      let next: number
      switch (code[pc]) {
        case MATCHED:
          this.steps += steps + ((p - counted) >> BYTES_PER_STEP_SHIFT)
          return p
        case UNTIL:
          next = this.#until(src, pc, p, end)
          break
        case TEXT:
          next = this.#text(src, pc, p, end)
          break
        case FIELD:
          next = this.#run(src, pc, p, end)
          break
        case QUOTED:
          next = this.#quoted(src, pc, p, end)
          break
        case SPLIT:
          next = this.split(src, pc, p, end)
          if (next < 0) break
          pc = this.pc
          continue
        case RUN:
          next = this.#run(src, pc, p, end)
          break
        case SAVE:
          this.#store(code[pc + 2] as number, p)
          next = p
          break
        default:
          next = this.step(src, pc, p, start, end)
      }
      if (next >= 0) {
        p = next
        pc = code[pc + 1] as number
        continue
      }
      if (next === SPENT) return SPENT
      steps += (p - counted) >> BYTES_PER_STEP_SHIFT
      if (steps + this.steps > limit) return SPENT
      p = this.backtrack(src)
      if (p < 0) {
        this.steps += steps
        return -1
      }
      counted = p
      pc = this.pc
    }
  }

  /** Executes one instruction; returns the offset after the bytes it matched, -1 or SPENT. */
  protected step(src: Buffer, pc: number, p: number, start: number, end: number): number {
    const code = this.code
    const a = code[pc + 2] as number
    switch (code[pc]) {
      case ESCAPED:
        return this.#escaped(src, pc, p, end)
      case SET:
        return p < end && this.tables[a + (src[p] as number)] === 1 ? p + 1 : -1
      case TEXT:
        return this.#text(src, pc, p, end)
      case SAVE:
        this.#store(a, p)
        return p
      case LAZY:
        return this.#lazy(src, pc, p, end)
      case FORGET:
        for (let slot = a; slot <= (code[pc + 3] as number); slot++) this.#save(slot, NONE)
        return p
      case ASIDE:
        return this.#aside(src, pc, p, start, end)
      case AT_TARGET:
        return p === this.#target ? p : -1
      case BACK:
        return this.#back(src, a, p, end)
      case PROGRESS:
        return p === this.spans[a] ? -1 : p
      default:
        return isAnchor(code[pc] as number, src, start, end, p) ? p : -1
    }
  }

  /** Runs a lookaround or an atomic group; only what it captured is kept of a positive one. */
  #aside(src: Buffer, pc: number, p: number, start: number, end: number): number {
    const code = this.code
    const kind = code[pc + 3] as number
    const isBehind = kind === BEHIND || kind === NOT_BEHIND
    const min = isBehind ? (code[pc + 4] as number) : 0
    const max = isBehind ? (code[pc + 5] as number) : 0
    const last = max < 0 || p - max < start ? start : p - max
    let found = -1
    const depth = this.depth
    for (let from = p - min; found === -1 && from >= last; from--) {
      // Without a frame below, captures would not be restored.
      this.push(MARK, 0, 0, 0)
      const [base, target] = [this.base, this.#target]
      this.base = this.depth
      this.#target = p
      found = this.run(src, code[pc + 2] as number, from, start, end)
      this.base = base
      this.#target = target
      if (found === SPENT || this.steps > this.limit) return SPENT
      const isNegative = kind === NOT_AHEAD || kind === NOT_BEHIND
      if (found >= 0 && !isNegative) this.#keepCaptures(depth)
      else this.#undo(depth)
    }
    if (kind === ATOMIC) return found
    return found >= 0 === (kind === NOT_AHEAD || kind === NOT_BEHIND) ? -1 : p
  }

  /** Discards the frames above `depth` except those that restore captures. */
  #keepCaptures(depth: number): void {
    const stack = this.#stack
    let to = depth * FRAME_SIZE
    for (let at = to; at < this.depth * FRAME_SIZE; at += FRAME_SIZE) {
      if (stack[at] !== RESTORE) continue
      stack.copyWithin(to, at, at + FRAME_SIZE)
      to += FRAME_SIZE
    }
    this.steps += this.depth - depth
    this.depth = to / FRAME_SIZE
  }

  /** Restores the captures and discards the frames above `depth`. */
  #undo(depth: number): void {
    const stack = this.#stack
    this.steps += this.depth - depth
    while (this.depth > depth) {
      const top = --this.depth * FRAME_SIZE
      if (stack[top] === RESTORE) this.spans[stack[top + 1] as number] = stack[top + 2] as number
    }
  }

  /** Matches what a group captured; a group that took no part matches the empty text, as in RegExp. */
  #back(src: Buffer, slot: number, from: number, end: number): number {
    const [first, last] = [this.spans[slot] as number, this.spans[slot + 1] as number]
    if (first < 0 || last < first) return from
    const to = from + last - first
    if (to > end) return -1
    for (let i = 0; i < last - first; i++)
      if (src[from + i] !== src[first + i]) {
        this.steps += i >> BYTES_PER_STEP_SHIFT
        return -1
      }
    return to
  }

  /** Chooses a branch by the next byte; when both are possible the other one is pushed on the stack. */
  protected split(src: Buffer, pc: number, p: number, end: number): number {
    const code = this.code
    const tables = this.tables
    const c = p < end ? (src[p] as number) : END
    const isThis = tables[(code[pc + 3] as number) + c] === 1
    const isOther = tables[(code[pc + 4] as number) + c] === 1
    if (isThis && isOther) this.push(BRANCH, code[pc + 2] as number, p, 0)
    this.pc = code[isThis ? pc + 1 : pc + 2] as number
    return isThis || isOther ? p : -1
  }

  #text(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const texts = this.#texts
    const to = from + (code[pc + 3] as number)
    if (to > end) return -1
    // The text is stored in reverse.
    let at = code[pc + 2] as number
    for (let p = from; p < to; p++)
      if (src[p] !== texts[at--]) {
        this.steps += (p - from) >> BYTES_PER_STEP_SHIFT
        return -1
      }
    return to
  }

  #until(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const byte = code[pc + 2] as number
    let p = from
    while (p < end && src[p] !== byte) p++
    this.saveField(code[pc + 5] as number, from, p)
    return p
  }

  #escaped(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const tables = this.tables
    const plain = code[pc + 2] as number
    const escapeByte = code[pc + 3] as number
    const any = code[pc + 4] as number
    let p = from
    for (;;) {
      while (p < end && tables[plain + (src[p] as number)] === 1) p++
      if (p >= end || src[p] !== escapeByte) break
      // Nothing after the run can begin with the escape, so an incomplete pair is not a match.
      if (p + 1 >= end || tables[any + (src[p + 1] as number)] === 0) {
        this.steps += (p - from) >> BYTES_PER_STEP_SHIFT
        return -1
      }
      p += 2
    }
    if (code[pc + 5] !== NO_SLOT) this.saveField(code[pc + 5] as number, from, p)
    return p
  }

  #quoted(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const quote = code[pc + 2] as number
    const escapeByte = code[pc + 3] as number
    let p = from
    while (p < end && src[p] !== quote) p++
    // Rare: a quote is escaped when it follows an odd number of escapes.
    if (p > from && src[p - 1] === escapeByte) p = quoteAfter(src, from, p, end, quote, escapeByte)
    if (p < 0) {
      this.steps += (end - from) >> BYTES_PER_STEP_SHIFT
      return -1
    }
    if (code[pc + 5] !== NO_SLOT) this.saveField(code[pc + 5] as number, from, p)
    return p
  }

  #run(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const tables = this.tables
    const set = code[pc + 2] as number
    const min = from + (code[pc + 3] as number)
    const limit = limitOf(code, pc, from, end)
    let p = from
    while (p < limit && tables[set + (src[p] as number)] === 1) p++
    if (p < min) {
      this.steps += (p - from) >> BYTES_PER_STEP_SHIFT
      return -1
    }
    if (code[pc] === FIELD) this.saveField(code[pc + 5] as number, from, p)
    else if (p > min && code[pc + 5] !== NONE) this.push(SHORTEN, pc, min, p)
    return p
  }

  #lazy(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const tables = this.tables
    const set = code[pc + 2] as number
    const min = from + (code[pc + 3] as number)
    const limit = limitOf(code, pc, from, end)
    let p = from
    while (p < min && p < limit && tables[set + (src[p] as number)] === 1) p++
    if (p < min) {
      this.steps += (p - from) >> BYTES_PER_STEP_SHIFT
      return -1
    }
    this.push(EXTEND, pc, limit, p)
    return p
  }

  /**
   * Resumes at the latest alternative; returns the offset from which it continues, or -1 when none is left.
   */
  protected backtrack(src: Buffer): number {
    const code = this.code
    const stack = this.#stack
    while (this.depth > this.base) {
      const top = (this.depth - 1) * FRAME_SIZE
      const kind = stack[top] as number
      const a = stack[top + 1] as number
      if (kind === SHORTEN || kind === EXTEND) {
        const p = kind === SHORTEN ? this.#shorten(src, a, top) : this.extend(src, a, top)
        if (p < 0) continue
        this.pc = code[a + 1] as number
        return p
      }
      this.depth--
      const b = stack[top + 2] as number
      if (kind === RESTORE) {
        this.spans[a] = b
        this.steps++
      } else {
        this.pc = a
        return b
      }
    }
    return -1
  }

  /** Shortens the run at `pc` to the next offset where what follows it can begin. */
  #shorten(src: Buffer, pc: number, top: number): number {
    const code = this.code
    const tables = this.tables
    const stack = this.#stack
    const follow = code[pc + 5] as number
    const min = stack[top + 2] as number
    const from = stack[top + 3] as number
    let p = from
    do p--
    while (p > min && tables[follow + (src[p] as number)] === 0)
    this.steps += (from - p) >> BYTES_PER_STEP_SHIFT
    if (p > min) stack[top + 3] = p
    else this.depth--
    return p
  }

  /** Extends the lazy run at `pc` by one byte. */
  protected extend(src: Buffer, pc: number, top: number): number {
    const code = this.code
    const tables = this.tables
    const stack = this.#stack
    const p = stack[top + 3] as number
    if (p < (stack[top + 2] as number) && tables[(code[pc + 2] as number) + (src[p] as number)] === 1) {
      stack[top + 3] = p + 1
      return p + 1
    }
    this.depth--
    return -1
  }

  protected saveField(slot: number, from: number, to: number): void {
    if (slot < 0) {
      this.spans[~slot] = from
      this.spans[~slot + 1] = to
      return
    }
    this.#save(slot, from)
    this.#save(slot + 1, to)
  }

  #store(slot: number, p: number): void {
    if (slot < 0) this.spans[~slot] = p
    else this.#save(slot, p)
  }

  #save(place: number, p: number): void {
    const spans = this.spans
    if (this.depth > 0) this.push(RESTORE, place, spans[place] as number, 0)
    spans[place] = p
  }

  protected push(kind: number, a: number, b: number, c: number): void {
    const top = this.depth++ * FRAME_SIZE
    if (top === this.#stack.length) {
      const larger = new Int32Array(top * 2)
      larger.set(this.#stack)
      this.#stack = larger
    }
    const stack = this.#stack
    stack[top] = kind
    stack[top + 1] = a
    stack[top + 2] = b
    stack[top + 3] = c
  }
}

/** Returns the offset of the first newline of src[at, end), or -1; reads nothing behind the text. */
function newlineFrom(src: Buffer, at: number, end: number): number {
  let p = at
  // The byte behind a line of a file is a newline, which bounds the fast search.
  if (src[end] === 10) p = src.indexOf(10, at)
  else while (p < end && src[p] !== 10) p++
  return p < end ? p : -1
}

/**
 * Returns the offset of the first unescaped quote from `p` on, or `end` if there is none; -1 for an escape at
 * the end.
 */
function quoteAfter(
  src: Buffer,
  from: number,
  at: number,
  end: number,
  quote: number,
  escapeByte: number,
): number {
  let p = at
  for (;;) {
    let first = p
    while (first > from && src[first - 1] === escapeByte) first--
    if ((p - first) % 2 === 0) return p
    if (p >= end) return -1
    p++
    while (p < end && src[p] !== quote) p++
  }
}

/** Returns the largest offset where the run at `pc` that begins at `from` can end. */
function limitOf(code: Int32Array, pc: number, from: number, end: number): number {
  const max = code[pc + 4] as number
  return max < 0 || from + max > end ? end : from + max
}

function isAnchor(op: number, src: Buffer, start: number, end: number, p: number): boolean {
  switch (op) {
    case LINE_START:
      return p === start || src[p - 1] === 10
    case LINE_END:
      return p === end || src[p] === 10
    case TEXT_START:
      return p === start
    case TEXT_END:
      return p === end
    case LAST_END:
      return p === end || (p === end - 1 && src[p] === 10)
    default:
      return isWordEdge(src, start, end, p) === (op === WORD_EDGE)
  }
}

function isWordEdge(src: Buffer, start: number, end: number, p: number): boolean {
  return (p > start && isWord(src[p - 1] as number)) !== (p < end && isWord(src[p] as number))
}

function isWord(c: number): boolean {
  const letter = c | 0x20
  return (letter >= 0x61 && letter <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x5f
}
