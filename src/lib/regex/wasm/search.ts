import { LAZY, MATCHED, RUN, SPLIT } from '../compile.ts'
import { NEWLINE, tableOf } from './byte-table.ts'
import {
  type FunctionBody,
  I32_ADD,
  I32_GE_U,
  I32_GT_U,
  I32_LE_S,
  I32_LT_S,
  I32_MUL,
  I32_OR,
  I32_SHR_U,
  I32_SUB,
  Label,
  LOAD32,
  UNREACHABLE,
} from './encoder.ts'
import { Frame } from './frame.ts'
import { writeInstruction, writeOther, writeSplit } from './instructions.ts'
import { FRAME_BYTES, NOTES, NOTES_BYTES, STACK } from './layout.ts'
import type { Places } from './places.ts'
import { writeExtend, writeLazyEnd, writeRunEnd, writeShorten } from './runs.ts'
import { BYTES_PER_STEP_SHIFT, scanForward } from './scan.ts'

/** Instructions that run one after the other, and the label at their start. */
interface Part {
  label: Label | undefined
  write(): void
}

/** Compiles the search to the functions of a module, the first of which is (start, end, steps, rest). */
export function compileSearch(places: Places): { functions: readonly FunctionBody[]; notedPlaces: number } {
  const draft = new Frame(places)
  writeSearch(draft)
  // Each target costs time where it stands, so that only those which are used are written.
  const frame = new Frame(places, draft)
  writeSearch(frame)
  return { functions: frame.functions, notedPlaces: frame.notedPlaces }
}

function writeSearch(w: Frame): void {
  const { f } = w
  const [again, exhausted, next] = [new Label(), new Label(), new Label()]
  f.loop(again).get(w.start).set(w.at).block(exhausted)
  f.get(w.steps).i32(0).op(I32_LT_S).brIf(exhausted)
  f.block(w.full).loop(next)
  writeStart(w)
  f.loop(w.dispatch).block(w.fail)
  writeParts(w)
  f.end()
  writeFail(w, exhausted, next)
  f.end().end().end()
  w.exit(2)
  f.end()
  writeExhausted(w, again)
  f.end().op(UNREACHABLE)
}

/** Finds the next offset at which a match can begin, and begins there. */
function writeStart(w: Frame): void {
  const { f, at, end, places } = w
  const { program } = places
  const first = places.table(program.first)
  if (!program.startsAtText && !program.startsAtLine) {
    f.get(at).get(end).op(I32_GT_U).if()
    w.exit(0)
    f.end()
    scanForward(f, at, end, true, first, w.scratch)
    if (first[256] === 0) {
      f.get(at).get(end).op(I32_GE_U).if()
      w.exit(0)
      f.end()
    }
  }
  for (const slot of places.optionalSlots) f.i32(-1).set(w.slots.get(slot) as number)
  f.i32(STACK).set(w.sp).get(at).tee(w.p).set(w.base)
  f.i32(w.stateOf(program.start)).set(w.state)
}

/**
 * Counts the steps since the last choice, and resumes the latest way that is open or begins at the next
 * offset.
 */
function writeFail(w: Frame, exhausted: Label, next: Label): void {
  const { f, at, end, sp, places } = w
  f.get(w.steps).i32(1).op(I32_SUB).get(w.p).get(w.base).op(I32_SUB)
  f.i32(BYTES_PER_STEP_SHIFT).op(I32_SHR_U, I32_SUB).tee(w.steps).i32(0).op(I32_LT_S).brIf(exhausted)
  if (places.open.size > 0) {
    f.get(sp).i32(STACK).op(I32_GT_U).if()
    f.get(sp).i32(FRAME_BYTES).op(I32_SUB).tee(sp).memory(LOAD32).set(w.state)
    f.get(sp).memory(LOAD32, 4).tee(w.p).set(w.base).br(w.dispatch).end()
  }
  if (places.program.startsAtText) {
    w.exit(0)
    return
  }
  if (places.program.startsAtLine) {
    scanForward(
      f,
      at,
      end,
      true,
      tableOf((c) => c === NEWLINE),
      w.scratch,
    )
    f.get(at).get(end).op(I32_GE_U).if()
    w.exit(0)
    f.end()
  }
  f.get(at).i32(1).op(I32_ADD).set(at).br(next)
}

/** Begins a second search that takes notes, if there are steps left for it and enough space. */
function writeExhausted(w: Frame, again: Label): void {
  const { f, stride } = w
  f.get(w.noted).get(w.rest).i32(0).op(I32_LE_S, I32_OR)
  f.get(w.end).get(w.start).op(I32_SUB).i32(3).op(I32_SHR_U).i32(2).op(I32_ADD).tee(stride)
  f.i32(Math.floor(NOTES_BYTES / Math.max(1, w.notedPlaces)))
    .op(I32_GT_U, I32_OR)
    .if()
  w.exit(2)
  f.end()
  f.i32(NOTES).i32(0).get(stride).i32(w.notedPlaces).op(I32_MUL).fill()
  f.i32(NOTES).get(w.start).i32(3).op(I32_SHR_U, I32_SUB).set(w.noted)
  f.get(w.rest).set(w.steps).i32(0).set(w.rest).br(again)
}

function writeParts(w: Frame): void {
  const { f } = w
  const parts = partsOf(w)
  for (const { label } of parts.toReversed()) if (label !== undefined) f.block(label)
  const targets = w.states.map((name) => w.label(name))
  f.get(w.state).brTable(targets.length > 0 ? targets : [w.fail])
  for (const { label, write } of parts) {
    if (label !== undefined) f.end()
    write()
  }
}

/**
 * Returns the parts in the order of the code: first what is resumed, then the instructions, each before those
 * after it.
 */
function partsOf(w: Frame): Part[] {
  const { places, f } = w
  const parts: Part[] = []
  const add = (at: number, name: string, write: () => void): void => {
    parts.push({ label: w.labelIfUsed(at, name), write })
  }
  for (const slot of places.restored)
    add(slot, 'restore', () =>
      f
        .get(w.p)
        .set(w.slots.get(slot) as number)
        .br(w.fail),
    )
  for (const pc of places.open) {
    if (places.op(pc) === SPLIT) add(pc, 'other', () => writeOther(w, pc))
    if (places.op(pc) === RUN) add(pc, 'shorten', () => writeShorten(w, pc))
    if (places.op(pc) === LAZY) add(pc, 'extend', () => writeExtend(w, pc))
  }
  for (const [i, pc] of places.order.entries()) {
    const adjacent = places.order[i + 1]
    const op = places.op(pc)
    const goOn = (): void => {
      if (op !== MATCHED && places.next(pc) !== adjacent) w.goto(pc, places.next(pc))
    }
    if (op === SPLIT) add(pc, '', () => writeSplit(w, pc, adjacent))
    else if (places.open.has(pc)) {
      add(pc, '', () => writeInstruction(w, pc))
      add(pc, 'end', () => {
        if (op === RUN) writeRunEnd(w, pc)
        else writeLazyEnd(w, pc)
        goOn()
      })
    } else
      add(pc, '', () => {
        writeInstruction(w, pc)
        goOn()
      })
  }
  return parts
}
