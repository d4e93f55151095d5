import {
  ESCAPED,
  FIELD,
  FORGET,
  LAZY,
  MATCHED,
  NO_SLOT,
  NONE,
  type Program,
  QUOTED,
  RUN,
  SAVE,
  SPLIT,
  UNTIL,
} from '../compile.ts'
import { END } from '../first-bytes.ts'
import { type ByteTable, overlaps } from './byte-table.ts'

/**
 * What the compiler has to know of a program: its instructions in the order of the code, and what may be
 * tried again.
 */
export class Places {
  readonly program: Program
  /** Reachable instructions; all jumps but those of loops lead to later ones. */
  readonly order: readonly number[]
  /** Instructions that leave a way open. */
  readonly open = new Set<number>()
  /** Splits of loops. */
  readonly loops = new Set<number>()

  /** Slots that a match sets, and those that it may leave out. */
  readonly slots = new Set<number>()
  readonly optionalSlots = new Set<number>()

  /** Slots whose values have to be kept for what is resumed: set before an open way and after it. */
  readonly restored = new Set<number>()

  readonly #tables = new Map<number, ByteTable>()
  /** Slots that may be set after an instruction left a way open, by the instruction. */
  readonly #setAfter = new Map<number, ReadonlySet<number>>()

  constructor(program: Program) {
    this.program = program
    this.order = reachable(program)
    for (const pc of this.order) {
      if (this.#isOpen(pc)) this.open.add(pc)
      if (this.op(pc) === SPLIT && Math.max(this.next(pc), this.operand(pc, 2)) > pc) this.loops.add(pc)
      for (const slot of this.#slotsAt(pc)) {
        this.slots.add(slot < 0 ? ~slot : slot)
        if (slot >= 0) this.optionalSlots.add(slot)
      }
    }
    this.#findRestored()
  }

  /**
   * Returns the slots that no instruction had set when this one left a way open, but that may be set when it
   * is resumed.
   */
  cleared(pc: number): number[] {
    return [...(this.#setAfter.get(pc) ?? [])].filter((slot) => !this.restored.has(slot))
  }

  #findRestored(): void {
    const sets = new Map(this.order.map((pc) => [pc, this.#optionalSlotsAt(pc)]))
    const slotsOf = (places: Iterable<number>): Set<number> =>
      new Set([...places].flatMap((pc) => sets.get(pc) ?? []))
    const before = new Map<number, number[]>(this.order.map((pc) => [pc, []]))
    for (const pc of this.order) for (const to of jumps(this.program, pc)) before.get(to)?.push(pc)
    for (const pc of this.open) {
      const after = slotsOf(closure([this.next(pc)], (at) => jumps(this.program, at)))
      this.#setAfter.set(pc, after)
      for (const slot of slotsOf(closure(before.get(pc) ?? [], (at) => before.get(at) ?? [])))
        if (after.has(slot)) this.restored.add(slot)
    }
  }

  #optionalSlotsAt(pc: number): number[] {
    if (this.op(pc) !== FORGET) return this.#slotsAt(pc).filter((slot) => slot >= 0)
    const [first, last] = [this.operand(pc, 2), this.operand(pc, 3)]
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  }

  /** Returns the slots that an instruction sets, complemented as there. */
  #slotsAt(pc: number): number[] {
    const pair = (slot: number): number[] => [slot, slot < 0 ? slot - 1 : slot + 1]
    switch (this.op(pc)) {
      case SAVE:
        return [this.operand(pc, 2)]
      case FIELD:
      case UNTIL:
        return pair(this.operand(pc, 5))
      case ESCAPED:
      case QUOTED:
        return this.operand(pc, 5) === NO_SLOT ? [] : pair(this.operand(pc, 5))
      default:
        return []
    }
  }

  op(pc: number): number {
    return this.program.code[pc] as number
  }

  next(pc: number): number {
    return this.operand(pc, 1)
  }

  operand(pc: number, n: number): number {
    return this.program.code[pc + n] as number
  }

  /** Returns the table at an offset of the tables of the program. */
  table(at: number): ByteTable {
    const known = this.#tables.get(at)
    if (known !== undefined) return known
    const table = this.program.tables.subarray(at, at + END + 1)
    this.#tables.set(at, table)
    return table
  }

  /** Returns true when nothing from this instruction on can fail. */
  #cannotFail(at: number): boolean {
    let pc = at
    while (this.op(pc) === SAVE) pc = this.next(pc)
    return this.op(pc) === MATCHED
  }

  #isOpen(pc: number): boolean {
    switch (this.op(pc)) {
      case RUN:
        return this.operand(pc, 5) !== NONE && !this.#cannotFail(this.next(pc))
      case LAZY:
        return !this.#cannotFail(this.next(pc))
      case SPLIT:
        return (
          overlaps(this.table(this.operand(pc, 3)), this.table(this.operand(pc, 4))) &&
          !this.#cannotFail(this.next(pc))
        )
      default:
        return false
    }
  }
}

function reachable(program: Program): number[] {
  return [...closure([program.start], (pc) => jumps(program, pc))].sort((a, b) => b - a)
}

/** Returns the instructions that may follow one. */
function jumps({ code }: Program, pc: number): number[] {
  if (code[pc] === MATCHED) return []
  const next = code[pc + 1] as number
  return code[pc] === SPLIT ? [next, code[pc + 2] as number] : [next]
}

function closure(from: Iterable<number>, next: (pc: number) => readonly number[]): Set<number> {
  const found = new Set(from)
  for (const pc of found) for (const to of next(pc)) found.add(to)
  return found
}
