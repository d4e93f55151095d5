import { Backtracker, EXTEND, SHORTEN, SPENT } from './backtracker.ts'
import {
  ASIDE,
  ESCAPED,
  FIELD,
  INSTRUCTION_SIZE,
  LAZY,
  MATCHED,
  NO_SLOT,
  NONE,
  type Program,
  QUOTED,
  RUN,
  SPLIT,
  UNTIL,
} from './compile.ts'
import type { MatchResult } from './match-result.ts'

/** Maximum size of the notes in 32-bit words; longer texts are left to the limit of steps. */
const MAX_WORDS = 1_000_000
/** Words that are kept between searches. */
const KEPT_WORDS = 16_384

const kept = new Uint32Array(KEPT_WORDS)

/**
 * Matches like Backtracker, and notes at which offsets an instruction was tried: it cannot succeed there later, because
 * whether the rest matches depends on the place and the offset only. So the time is linear in the text. It is
 * used when plain backtracking has taken too many steps.
 *
 * There is a bit for each offset and each instruction that chooses or scans. The notes hold for all starts of a
 * search. What is set depends on the instruction:
 *
 * - split, run or lazy run with a maximum: it was entered here
 * - run without a maximum: what follows was tried here, and so at every later offset that the run can reach
 * - run that never backtracks: a run that passes here was tried
 *
 * Lookarounds run without notes.
 */
export class NotedBacktracker extends Backtracker {
  /** Number of the note of each instruction, or -1. */
  readonly #noteOf: Int32Array
  readonly #count: number
  #notes = kept
  #start = 0
  /** Bits per instruction. */
  #stride = 0

  constructor(program: Program, spans: Int32Array) {
    super(program, spans)
    this.#noteOf = new Int32Array(program.code.length / INSTRUCTION_SIZE).fill(-1)
    this.#count = this.#number()
  }

  /** Numbers the instructions outside of lookarounds that need notes. */
  #number(): number {
    const { code, start } = this.program
    const seen = new Set<number>()
    const open = [start]
    let count = 0
    for (let pc = open.pop(); pc !== undefined; pc = open.pop()) {
      if (seen.has(pc)) continue
      seen.add(pc)
      const op = code[pc] as number
      if (NOTED[op] === true) this.#noteOf[pc / INSTRUCTION_SIZE] = count++
      if (op === SPLIT) open.push(code[pc + 2] as number)
      if (op !== MATCHED) open.push(code[pc + 1] as number)
    }
    return count
  }

  /** Returns false when the notes of a text of `length` bytes would be too large. */
  fits(length: number): boolean {
    return this.#words(length) <= MAX_WORDS
  }

  #words(length: number): number {
    return Math.ceil((this.#count * (length + 1)) / 32)
  }

  override search(src: Buffer, start: number, end: number, limit: number): MatchResult {
    const words = this.#words(end - start)
    this.#notes = words <= KEPT_WORDS ? kept : new Uint32Array(words)
    this.#notes.fill(0, 0, words)
    this.#start = start
    this.#stride = end - start + 1
    const result = super.search(src, start, end, limit)
    this.#notes = kept
    return result
  }

  protected override run(src: Buffer, at: number, from: number, start: number, end: number): number {
    if (this.base > 0) return super.run(src, at, from, start, end)
    const code = this.code
    let pc = at
    let p = from
    for (;;) {
      this.steps++
      if (this.steps > this.limit) return SPENT
      const op = code[pc] as number
      if (op === MATCHED) return p
      const next = NOTED[op] === true ? this.#noted(op, src, pc, p, end) : this.step(src, pc, p, start, end)
      if (next >= 0) {
        // Lookarounds count their own steps.
        if (op !== ASIDE) this.steps += next - p
        p = next
        pc = op === SPLIT ? this.pc : (code[pc + 1] as number)
        continue
      }
      if (next === SPENT) return SPENT
      p = this.backtrack(src)
      if (p < 0) return -1
      pc = this.pc
    }
  }

  #noted(op: number, src: Buffer, pc: number, p: number, end: number): number {
    switch (op) {
      case SPLIT:
        return this.#isNew(pc, p) ? this.split(src, pc, p, end) : -1
      case ESCAPED:
      case QUOTED:
        return this.#escapedRun(op, src, pc, p, end)
      case LAZY:
        return this.#lazyRun(src, pc, p, end)
      default:
        if (op === RUN && this.code[pc + 5] !== NONE) return this.#greedyRun(src, pc, p, end)
        return this.#wholeRun(op, src, pc, p, end)
    }
  }

  /** Sets the note of the instruction at an offset; returns true when it was not set. */
  #isNew(pc: number, p: number): boolean {
    const bit = (this.#noteOf[pc / INSTRUCTION_SIZE] as number) * this.#stride + p - this.#start
    const word = this.#notes[bit >>> 5] as number
    const mask = 1 << (bit & 31)
    if ((word & mask) !== 0) return false
    this.#notes[bit >>> 5] = word | mask
    return true
  }

  #has(pc: number, p: number): boolean {
    const bit = (this.#noteOf[pc / INSTRUCTION_SIZE] as number) * this.#stride + p - this.#start
    return ((this.#notes[bit >>> 5] as number) & (1 << (bit & 31))) !== 0
  }

  /** Matches the longest run and never a shorter one. */
  #wholeRun(op: number, src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const set = code[pc + 2] as number
    const max = code[pc + 4] as number
    if (max >= 0 && !this.#isNew(pc, from)) return -1
    const limit = max < 0 || from + max > end ? end : from + max
    let p = from
    for (; p < limit && (op === UNTIL ? src[p] !== set : this.tables[set + (src[p] as number)] === 1); p++)
      if (max < 0 && this.#has(pc, p)) break
    // A run that passes a noted offset ends where the earlier one did.
    const isTried = max < 0 && this.#has(pc, p)
    const isLong = p - from >= (code[pc + 3] as number)
    if (max < 0 && (isTried || isLong)) for (let q = from; q <= p; q++) this.#isNew(pc, q)
    if (isTried || !isLong) {
      this.steps += p - from
      return -1
    }
    if (op !== RUN) this.saveField(code[pc + 5] as number, from, p)
    return p
  }

  #greedyRun(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const tables = this.tables
    const set = code[pc + 2] as number
    const max = code[pc + 4] as number
    if (max >= 0 && !this.#isNew(pc, from)) return -1
    const min = from + (code[pc + 3] as number)
    const limit = max < 0 || from + max > end ? end : from + max
    let p = from
    while (p < min && p < limit && tables[set + (src[p] as number)] === 1) p++
    if (p < min || (max < 0 && !this.#isNew(pc, p))) {
      this.steps += p - from
      return -1
    }
    while (p < limit && tables[set + (src[p] as number)] === 1 && (max >= 0 || this.#isNew(pc, p + 1))) p++
    if (p > min) this.push(SHORTEN, pc, min, p)
    return p
  }

  #lazyRun(src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const max = code[pc + 4] as number
    const min = from + (code[pc + 3] as number)
    if (max >= 0 && !this.#isNew(pc, from)) return -1
    const limit = max < 0 || from + max > end ? end : from + max
    let p = from
    while (p < min && p < limit && this.tables[(code[pc + 2] as number) + (src[p] as number)] === 1) p++
    if (p < min || (max < 0 && !this.#isNew(pc, p))) {
      this.steps += p - from
      return -1
    }
    this.push(EXTEND, pc, limit, p)
    return p
  }

  protected override extend(src: Buffer, pc: number, top: number): number {
    const p = super.extend(src, pc, top)
    if (p < 0 || this.base > 0 || (this.code[pc + 4] as number) >= 0 || this.#isNew(pc, p)) return p
    this.depth--
    return -1
  }

  #escapedRun(op: number, src: Buffer, pc: number, from: number, end: number): number {
    const code = this.code
    const a = code[pc + 2] as number
    const escapeByte = code[pc + 3] as number
    let p = from
    for (;;) {
      if (!this.#isNew(pc, p)) break
      const c = p < end ? (src[p] as number) : -1
      if (c === escapeByte) {
        if (p + 1 >= end || this.tables[(code[pc + 4] as number) + (src[p + 1] as number)] === 0) break
        p += 2
      } else if (c >= 0 && (op === QUOTED ? c !== a : this.tables[a + c] === 1)) p++
      else {
        if (code[pc + 5] !== NO_SLOT) this.saveField(code[pc + 5] as number, from, p)
        return p
      }
    }
    this.steps += p - from
    return -1
  }
}

/** True for the op codes of instructions with notes. */
const NOTED = Array.from({ length: 32 }, (_, op) =>
  [SPLIT, RUN, LAZY, FIELD, UNTIL, ESCAPED, QUOTED].includes(op),
)
