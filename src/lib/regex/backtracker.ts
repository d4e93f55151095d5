import {
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

/** Kinds of stack frames: another branch; a run that can be shortened, or extended; a slot to restore. */
const BRANCH = 0
const SHORTEN = 1
const EXTEND = 2
const RESTORE = 3
/** Numbers per frame: its kind and three operands. */
const FRAME_SIZE = 4

/**
 * Matches an expression against bytes in place, without creating strings or allocating. It backtracks in the
 * same order as RegExp and so to the same result, but only where the next byte leaves two branches open.
 */
export class Backtracker {
  /** Start and end of each group, or -1; group 0 is the entire match. */
  readonly spans: Int32Array
  readonly #program: Program
  readonly #code: Int32Array
  readonly #tables: Uint8Array
  readonly #texts: Uint8Array
  #stack = new Int32Array(64 * FRAME_SIZE)
  #depth = 0
  /** Next instruction after a split or after backtracking. */
  #pc = 0

  constructor(program: Program) {
    this.#program = program
    this.#code = program.code
    this.#tables = program.tables
    this.#texts = program.texts
    this.spans = new Int32Array((program.groups + 1) * 2)
  }

  /** Searches for the expression in src[start, end), the entire text. */
  match(src: Buffer, start: number, end: number): boolean {
    const { startsAtLine, startsAtText, first } = this.#program
    if (startsAtText) return this.#matchAt(src, start, end, start)
    const tables = this.#tables
    for (let at = start; at <= end; at++) {
      if (tables[first + (at < end ? (src[at] as number) : END)] === 1 && this.#matchAt(src, start, end, at))
        return true
      if (!startsAtLine) continue
      // At a newline, so that `at++` moves to the start of the next line.
      at = src.indexOf(10, at)
      if (at < 0 || at >= end) return false
    }
    return false
  }

  #matchAt(src: Buffer, start: number, end: number, from: number): boolean {
    const code = this.#code
    const spans = this.spans
    // Faster than fill() for so few.
    for (let i = 0; i < spans.length; i++) spans[i] = NONE
    this.#depth = 0
    let pc = this.#program.start
    let p = from
    for (;;) {
      switch (code[pc]) {
        case MATCHED:
          spans[0] = from
          spans[1] = p
          return true
        case UNTIL:
          p = this.#until(src, pc, p, end)
          break
        case TEXT:
          p = this.#text(src, pc, p, end)
          break
        case FIELD:
          p = this.#run(src, pc, p, end)
          break
        case QUOTED:
          p = this.#quoted(src, pc, p, end)
          break
        case SPLIT:
          p = this.#split(src, pc, p, end)
          if (p < 0) break
          pc = this.#pc
          continue
        case RUN:
          p = this.#run(src, pc, p, end)
          break
        case SAVE:
          this.#store(code[pc + 2] as number, p)
          break
        default:
          p = this.#step(src, pc, p, start, end)
      }
      if (p >= 0) pc = code[pc + 1] as number
      else {
        p = this.#backtrack(src)
        if (p < 0) return false
        pc = this.#pc
      }
    }
  }

  /** Executes one instruction; returns the offset after the bytes it matched, or -1. */
  #step(src: Buffer, pc: number, p: number, start: number, end: number): number {
    switch (this.#code[pc]) {
      case ESCAPED:
        return this.#escaped(src, pc, p, end)
      case SET:
        return p < end && this.#tables[(this.#code[pc + 2] as number) + (src[p] as number)] === 1 ? p + 1 : -1
      case LAZY:
        return this.#lazy(src, pc, p, end)
      case FORGET:
        for (let slot = this.#code[pc + 2] as number; slot <= (this.#code[pc + 3] as number); slot++)
          this.#save(slot, NONE)
        return p
      default:
        return isAnchor(this.#code[pc] as number, src, start, end, p) ? p : -1
    }
  }

  /** Chooses a branch by the next byte; when both are possible the other one is pushed on the stack. */
  #split(src: Buffer, pc: number, p: number, end: number): number {
    const code = this.#code
    const tables = this.#tables
    const c = p < end ? (src[p] as number) : END
    const isThis = tables[(code[pc + 3] as number) + c] === 1
    const isOther = tables[(code[pc + 4] as number) + c] === 1
    if (isThis && isOther) this.#push(BRANCH, code[pc + 2] as number, p, 0)
    this.#pc = code[isThis ? pc + 1 : pc + 2] as number
    return isThis || isOther ? p : -1
  }

  #text(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.#code
    const texts = this.#texts
    const to = from + (code[pc + 3] as number)
    if (to > end) return -1
    // The text is stored in reverse.
    let at = code[pc + 2] as number
    for (let p = from; p < to; p++) if (src[p] !== texts[at--]) return -1
    return to
  }

  #until(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.#code
    const byte = code[pc + 2] as number
    let p = from
    while (p < end && src[p] !== byte) p++
    this.#saveField(code[pc + 5] as number, from, p)
    return p
  }

  #escaped(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.#code
    const tables = this.#tables
    const plain = code[pc + 2] as number
    const escapeByte = code[pc + 3] as number
    const any = code[pc + 4] as number
    let p = from
    for (;;) {
      while (p < end && tables[plain + (src[p] as number)] === 1) p++
      if (p >= end || src[p] !== escapeByte) break
      // Nothing after the run can begin with the escape, so an incomplete pair is not a match.
      if (p + 1 >= end || tables[any + (src[p + 1] as number)] === 0) return -1
      p += 2
    }
    if (code[pc + 5] !== NO_SLOT) this.#saveField(code[pc + 5] as number, from, p)
    return p
  }

  #quoted(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.#code
    const quote = code[pc + 2] as number
    const escapeByte = code[pc + 3] as number
    let p = from
    while (p < end && src[p] !== quote) p++
    // Rare: a quote is escaped when it follows an odd number of escapes.
    if (p > from && src[p - 1] === escapeByte) p = quoteAfter(src, from, p, end, quote, escapeByte)
    if (p < 0) return -1
    if (code[pc + 5] !== NO_SLOT) this.#saveField(code[pc + 5] as number, from, p)
    return p
  }

  #run(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.#code
    const tables = this.#tables
    const set = code[pc + 2] as number
    const min = from + (code[pc + 3] as number)
    const limit = limitOf(code, pc, from, end)
    let p = from
    while (p < limit && tables[set + (src[p] as number)] === 1) p++
    if (p < min) return -1
    if (code[pc] === FIELD) this.#saveField(code[pc + 5] as number, from, p)
    else if (p > min && code[pc + 5] !== NONE) this.#push(SHORTEN, pc, min, p)
    return p
  }

  #lazy(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.#code
    const tables = this.#tables
    const set = code[pc + 2] as number
    const min = from + (code[pc + 3] as number)
    const limit = limitOf(code, pc, from, end)
    let p = from
    while (p < min && p < limit && tables[set + (src[p] as number)] === 1) p++
    if (p < min) return -1
    this.#push(EXTEND, pc, limit, p)
    return p
  }

  /**
   * Resumes at the latest alternative; returns the offset from which it continues, or -1 when none is left.
   */
  #backtrack(src: Buffer): number {
    const code = this.#code
    const stack = this.#stack
    while (this.#depth > 0) {
      const top = (this.#depth - 1) * FRAME_SIZE
      const kind = stack[top] as number
      const a = stack[top + 1] as number
      if (kind === SHORTEN || kind === EXTEND) {
        const p = kind === SHORTEN ? this.#shorten(src, a, top) : this.#extend(src, a, top)
        if (p < 0) continue
        this.#pc = code[a + 1] as number
        return p
      }
      this.#depth--
      const b = stack[top + 2] as number
      if (kind === RESTORE) this.spans[a] = b
      else {
        this.#pc = a
        return b
      }
    }
    return -1
  }

  /** Shortens the run at `pc` to the next offset where what follows it can begin. */
  #shorten(src: Buffer, pc: number, top: number): number {
    const code = this.#code
    const tables = this.#tables
    const stack = this.#stack
    const follow = code[pc + 5] as number
    const min = stack[top + 2] as number
    let p = stack[top + 3] as number
    do p--
    while (p > min && tables[follow + (src[p] as number)] === 0)
    if (p > min) stack[top + 3] = p
    else this.#depth--
    return p
  }

  /** Extends the lazy run at `pc` by one byte. */
  #extend(src: Buffer, pc: number, top: number): number {
    const code = this.#code
    const tables = this.#tables
    const stack = this.#stack
    const p = stack[top + 3] as number
    if (p < (stack[top + 2] as number) && tables[(code[pc + 2] as number) + (src[p] as number)] === 1) {
      stack[top + 3] = p + 1
      return p + 1
    }
    this.#depth--
    return -1
  }

  #saveField(slot: number, from: number, to: number): void {
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
    if (this.#depth > 0) this.#push(RESTORE, place, spans[place] as number, 0)
    spans[place] = p
  }

  #push(kind: number, a: number, b: number, c: number): void {
    const top = this.#depth++ * FRAME_SIZE
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
