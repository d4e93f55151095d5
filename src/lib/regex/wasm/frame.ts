import { type ByteTable, NEWLINE } from './byte-table.ts'
import { testByte } from './byte-tests.ts'
import {
  FunctionBody,
  I32_ADD,
  I32_AND,
  I32_EQ,
  I32_GE_U,
  I32_MUL,
  I32_NE,
  I32_OR,
  I32_SHR_S,
  I32_SUB,
  I32_XOR,
  Label,
  LOAD8,
  RETURN,
  STORE32,
  V128,
} from './encoder.ts'
import { FRAME_BYTES, STACK, STACK_END, STEPS_LEFT } from './layout.ts'
import type { Places } from './places.ts'
import { seenFunction, walkFunction } from './scan.ts'

/** Index of the function that notes an offset; that of the search is 0. */
const SEEN = 1

/**
 * The function that searches while it is written: its locals and targets, and what several instructions need.
 */
export class Frame {
  readonly places: Places
  readonly f = new FunctionBody(4)
  /**
   * Parameters: start and end of the text, steps of the current search, and steps left for another one with
   * notes.
   */
  readonly start = 0
  readonly end = 1
  readonly steps = 2
  readonly rest = 3
  /** The offset; that of the match; that from which the bytes are not counted yet. */
  readonly p = this.f.local()
  readonly at = this.f.local()
  readonly base = this.f.local()
  readonly sp = this.f.local()
  /** Number of the target of the dispatch. */
  readonly state = this.f.local()
  /** Address of the notes of the first place less that of the text in bits; 0 while none are taken. */
  readonly noted = this.f.local()
  /** Bytes of notes per place. */
  readonly stride = this.f.local()
  readonly low = this.f.local()
  readonly from = this.f.local()
  readonly limit = this.f.local()
  readonly scratch = { c: this.f.local(), q: this.f.local(), v: this.f.local(V128) }
  /** Local of each slot of the spans. */
  readonly slots = new Map<number, number>()
  /** Targets: where a way that failed is given up; where the stack is full; the start of the dispatch. */
  readonly fail = new Label()
  readonly full = new Label()
  readonly dispatch = new Label()
  /** Targets of the dispatch, in the order of their numbers, and all targets, by name. */
  readonly states: string[]
  readonly targets = new Set<string>()
  readonly #known: ReadonlySet<string> | undefined
  readonly #labels = new Map<string, Label>()
  readonly #walks: { stops: ByteTable; func: number }[] = []
  readonly #functions: FunctionBody[] = [seenFunction()]
  #notedPlaces = 0

  /** `draft`: a frame of the same program, which found the targets; without it each part is a target. */
  constructor(places: Places, draft?: Frame) {
    this.places = places
    this.#known = draft?.targets
    this.states = draft?.states ?? []
    for (const slot of places.slots) this.slots.set(slot, this.f.local())
  }

  get functions(): readonly FunctionBody[] {
    return [this.f, ...this.#functions]
  }

  /** Number of places for which notes are taken. */
  get notedPlaces(): number {
    return this.#notedPlaces
  }

  /** Returns the label of a part of the instruction at `at`, or of a slot, to jump there. */
  target(at: number, part = ''): Label {
    const name = `${at}${part}`
    this.targets.add(name)
    return this.label(name)
  }

  /** Returns the label of a part; undefined when nothing jumps there. */
  labelIfUsed(at: number, part: string): Label | undefined {
    const name = `${at}${part}`
    return this.#known?.has(name) === false ? undefined : this.label(name)
  }

  label(name: string): Label {
    const label = this.#labels.get(name) ?? new Label()
    this.#labels.set(name, label)
    return label
  }

  /** Returns the number by which the dispatch knows a part. */
  stateOf(at: number, part = ''): number {
    const name = `${at}${part}`
    this.targets.add(name)
    const known = this.states.indexOf(name)
    return known >= 0 ? known : this.states.push(name) - 1
  }

  /** Leaves the function with a result. */
  exit(result: number): void {
    const { f } = this
    f.i32(STEPS_LEFT).get(this.steps).get(this.rest).op(I32_ADD).memory(STORE32)
    f.i32(result).op(RETURN)
  }

  /** Continues at an instruction: a later one directly, one before through the dispatch. */
  goto(from: number, to: number): void {
    const { f } = this
    if (to < from) f.br(this.target(to))
    else f.i32(this.stateOf(to)).set(this.state).br(this.dispatch)
  }

  /**
   * Leaves a way open, which a part resumes, with the values of two locals; the first one becomes the offset.
   */
  push(at: number, part: string, a: number, b?: number): void {
    const { f, sp } = this
    f.get(sp).i32(STACK_END).op(I32_GE_U).brIf(this.full)
    f.get(sp).i32(this.stateOf(at, part)).memory(STORE32)
    f.get(sp).get(a).memory(STORE32, 4)
    if (b !== undefined) f.get(sp).get(b).memory(STORE32, 8)
    f.get(sp).i32(FRAME_BYTES).op(I32_ADD).set(sp)
  }

  /** Stores a local, or -1, in a slot, which is complemented when it need not be restored. */
  save(slot: number, value?: number): void {
    const { f, places } = this
    const local = this.slots.get(slot < 0 ? ~slot : slot) as number
    if (places.restored.has(slot)) {
      f.get(this.sp).i32(STACK).op(I32_NE)
      if (value === undefined) f.get(local).i32(-1).op(I32_NE, I32_AND)
      f.if()
      this.push(slot, 'restore', local)
      f.end()
    }
    if (value === undefined) f.i32(-1)
    else f.get(value)
    f.set(local)
  }

  /** Clears the slots that were set since the instruction at `pc` left a way open. */
  clear(pc: number): void {
    for (const slot of this.places.cleared(pc)) {
      const local = this.slots.get(slot)
      if (local !== undefined) this.f.i32(-1).set(local)
    }
  }

  /** Stores both ends of a group. */
  saveSpan(slot: number, from: number, to: number): void {
    this.save(slot, from)
    this.save(slot < 0 ? slot - 1 : slot + 1, to)
  }

  /** Gives up when this place was tried at this offset before; only while notes are taken. */
  failIfSeen(): void {
    const { f } = this
    f.get(this.noted).if()
    this.#notes()
    f.get(this.p).call(SEEN).brIf(this.fail)
    f.end()
  }

  /**
   * Moves to the first stop or to the end, notes each offset on the way, and counts each as a step. Sets the
   * local `q` to a negative number if it stopped at an offset that was noted before.
   */
  walk(stops: ByteTable): void {
    const { f, p, steps } = this
    const { c, q } = this.scratch
    this.#notes()
    f.get(p).get(this.end).call(this.#walkTo(stops)).tee(q)
    f.get(q).i32(31).op(I32_SHR_S, I32_XOR).set(c)
    f.get(steps).get(c).get(p).op(I32_SUB, I32_SUB).set(steps)
    f.get(c).set(p)
  }

  /** Pushes the address of the notes of a new place. */
  #notes(): void {
    this.f
      .get(this.noted)
      .get(this.stride)
      .i32(this.#notedPlaces++)
      .op(I32_MUL, I32_ADD)
  }

  #walkTo(stops: ByteTable): number {
    const known = this.#walks.find((each) => each.stops.every((bit, c) => bit === stops[c]))
    if (known !== undefined) return known.func
    const func = this.#functions.push(walkFunction(stops, SEEN))
    this.#walks.push({ stops, func })
    return func
  }

  /** Loads the byte at the offset to the local `c`. */
  load(): void {
    this.f.get(this.p).memory(LOAD8).set(this.scratch.c)
  }

  /**
   * Pushes whether the table accepts the byte in `c`, which is that at the offset: a newline may be the end
   * of the text.
   */
  test(table: ByteTable): void {
    const { f, p, end } = this
    const [atEnd, atNewline] = [table[256] === 1, table[NEWLINE] === 1]
    testByte(f, this.scratch.c, table)
    if (atEnd === atNewline) return
    if (atEnd) f.get(p).get(end).op(I32_EQ, I32_OR)
    else f.get(p).get(end).op(I32_NE, I32_AND)
  }
}
