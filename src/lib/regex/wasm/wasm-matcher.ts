import { SHARED_PAGES, sharedMemory } from '../../wasm/shared-memory.ts'
import { INSTRUCTION_SIZE, type Program } from '../compile.ts'
import { MATCH, type MatchResult, moduleStepLimit, TOO_MANY_STEPS } from '../match-result.ts'
import { NEWLINE } from './byte-table.ts'
import { encodeModule } from './encoder.ts'
import { LINE, MAX_GROUPS, MAX_TEXT_BYTES, SPANS, STEPS_LEFT } from './layout.ts'
import { Places } from './places.ts'
import { compileSearch } from './search.ts'

/** Number of instructions beyond which the module would take too long to compile. */
const MAX_INSTRUCTIONS = 2000
/** Steps that a search takes without notes: per byte, and others. Nearly all lines are done by then. */
export const PLAIN_STEPS_PER_BYTE = 4
export const BASE_PLAIN_STEPS = 256

/** Largest number that the module counts down from. */
export const MAX_STEPS = 2 ** 31 - 2

/**
 * A search of the text at the addresses [start, end) of the shared memory, with a newline at its end: `steps` without notes and `rest` with
 * them. It stores the spans of a match and the number of steps that are left.
 */
type Search = (start: number, end: number, steps: number, rest: number) => MatchResult

/** Memory that all matchers use. */
class Arena {
  readonly memory = sharedMemory()
  readonly line = Buffer.from(this.memory.buffer, LINE, MAX_TEXT_BYTES + 1)
  readonly spans = new Int32Array(this.memory.buffer, SPANS, MAX_GROUPS * 2)
  readonly stepsLeft = new Int32Array(this.memory.buffer, STEPS_LEFT, 1)
}

let arena: Arena | undefined

interface WasmMatcherOptions {
  /** Steps that a search may take per byte of the text. */
  stepsPerByte: number
  /** Where the matcher stores the spans. */
  spans?: Int32Array
  /** Steps without notes, instead of those that suit a text; -1: notes are taken from the start. */
  plainSteps?: number
}

/**
 * Matches an expression against bytes by a WebAssembly module of its own, in the order and with the result of
 * `Backtracker`. A search backtracks without notes as long as this takes few steps. Then it begins anew, and
 * notes where it was: a failure depends on nothing but the place in the expression and the offset, so that
 * each is tried once, and the number of steps is at most the product of both.
 */
export class WasmMatcher {
  /** Start and end of each group, or -1; group 0 is the entire match. */
  readonly spans: Int32Array
  readonly search: Search
  readonly #arena: Arena
  /** The spans that it stores. */
  readonly slots: Int32Array
  readonly #stepsPerByte: number
  readonly #plainSteps: number | undefined
  #limit = 0

  constructor(
    search: Search,
    memory: Arena,
    slots: Iterable<number>,
    spans: Int32Array,
    options: WasmMatcherOptions,
  ) {
    this.search = search
    this.#arena = memory
    this.slots = Int32Array.of(0, 1, ...slots)
    this.spans = spans
    this.#stepsPerByte = options.stepsPerByte
    this.#plainSteps = options.plainSteps
  }

  /**
   * Searches src[start, end), the entire text. The result is TOO_MANY_STEPS also for a text or a stack that
   * is larger than the memory.
   */
  match(src: Buffer, start: number, end: number): MatchResult {
    const length = end - start
    if (length > MAX_TEXT_BYTES) return TOO_MANY_STEPS
    const { line, spans: found } = this.#arena
    src.copy(line, 0, start, end)
    line[length] = NEWLINE
    const limit = Math.min(moduleStepLimit(this.#stepsPerByte, length), MAX_STEPS)
    this.#limit = limit
    const plain = this.#plainSteps ?? Math.min(PLAIN_STEPS_PER_BYTE * length + BASE_PLAIN_STEPS, limit)
    const result = this.search(LINE, LINE + length, plain, limit - plain)
    if (result !== MATCH) return result
    const spans = this.spans
    const slots = this.slots
    const shift = start - LINE
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number
      const at = found[slot] as number
      spans[slot] = at < 0 ? at : at + shift
    }
    return result
  }

  /** Number of steps that the last search took; meaningless after one of another matcher. */
  get steps(): number {
    return this.#limit - (this.#arena.stepsLeft[0] as number)
  }
}

/** Returns true for a program of which a module can be made: one that is plain and not very large. */
export function isCompilable(program: Program): boolean {
  return (
    program.isPlain &&
    program.code.length <= MAX_INSTRUCTIONS * INSTRUCTION_SIZE &&
    program.groups < MAX_GROUPS
  )
}

/**
 * Returns the number of places at which a search notes what it has tried, each of which costs a few steps per byte at most; 0
 * for an expression that tries nothing twice, as it begins at one place and never has a choice.
 */
export function notedPlacesOf(program: Program): number {
  const places = new Places(program)
  const isOnePass = (program.startsAtText || program.startsAtLine) && places.open.size === 0
  return isOnePass ? 0 : compileSearch(places).notedPlaces
}

/**
 * Compiles a program to a matcher, on the spot. Returns undefined for one that is not plain, or very large.
 */
export function compileWasm(program: Program, options: WasmMatcherOptions): WasmMatcher | undefined {
  if (!isCompilable(program)) return undefined
  const places = new Places(program)
  const { functions } = compileSearch(places)
  arena ??= new Arena()
  const module = new WebAssembly.Module(encodeModule(functions, SHARED_PAGES))
  const { exports } = new WebAssembly.Instance(module, { m: { m: arena.memory } })
  const spans = options.spans ?? new Int32Array((program.groups + 1) * 2)
  spans.fill(-1)
  return new WasmMatcher(exports.match as Search, arena, places.slots, spans, options)
}
