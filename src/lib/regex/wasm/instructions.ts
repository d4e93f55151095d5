import { CLASS_ESCAPES } from '../char-class.ts'
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
  QUOTED,
  RUN,
  SAVE,
  SET,
  TEXT,
  TEXT_END,
  TEXT_START,
  UNTIL,
  WORD_EDGE,
} from '../compile.ts'
import { NEWLINE, tableOf } from './byte-table.ts'
import { testByte } from './byte-tests.ts'
import {
  I32_ADD,
  I32_AND,
  I32_EQ,
  I32_EQZ,
  I32_LT_U,
  I32_NE,
  I32_OR,
  I32_SUB,
  I32_XOR,
  I64_NE,
  LOAD8,
  LOAD16,
  LOAD32,
  LOAD64,
  STORE32,
} from './encoder.ts'
import type { Frame } from './frame.ts'
import { SPANS } from './layout.ts'
import { writeEscaped, writeLazy, writeRun } from './runs.ts'

const WORD = tableOf((c) => CLASS_ESCAPES.w?.has(c) === true)

/**
 * Writes the instruction at `pc`, without the jump to the next one and without what is resumed; not a split.
 */
export function writeInstruction(w: Frame, pc: number): void {
  const { places, f } = w
  const operand = (n: number): number => places.operand(pc, n)
  switch (places.op(pc)) {
    case MATCHED:
      writeMatched(w)
      break
    case TEXT:
      writeText(w, operand(2), operand(3))
      break
    case SET:
      w.load()
      w.test(places.table(operand(2)))
      f.op(I32_EQZ).brIf(w.fail).get(w.p).i32(1).op(I32_ADD).set(w.p)
      break
    case RUN:
    case FIELD:
    case UNTIL:
      writeRun(w, pc)
      break
    case LAZY:
      writeLazy(w, pc)
      break
    case SAVE:
      w.save(operand(2), w.p)
      break
    case FORGET:
      for (let slot = operand(2); slot <= operand(3); slot++) if (w.slots.has(slot)) w.save(slot)
      break
    case ESCAPED:
    case QUOTED:
      writeEscaped(w, pc)
      if (operand(5) !== NO_SLOT) w.saveSpan(operand(5), w.from, w.p)
      break
    default:
      writeAnchor(w, places.op(pc))
      f.op(I32_EQZ).brIf(w.fail)
  }
}

/**
 * Writes the choice between two branches by the next byte. `adjacent`: the instruction that follows in the
 * code.
 */
export function writeSplit(w: Frame, pc: number, adjacent: number | undefined): void {
  const { f, places } = w
  const [one, other] = [places.next(pc), places.operand(pc, 2)]
  const isOpen = places.open.has(pc)
  if (isOpen || places.loops.has(pc)) w.failIfSeen()
  if (places.loops.has(pc)) f.get(w.steps).i32(1).op(I32_SUB).set(w.steps)
  w.load()
  w.test(places.table(places.operand(pc, 3)))
  f.if()
  if (isOpen) {
    w.test(places.table(places.operand(pc, 4)))
    f.if()
    w.push(pc, 'other', w.p)
    f.end()
  }
  if (one !== adjacent) w.goto(pc, one)
  f.else()
  if (other !== adjacent) w.goto(pc, other)
  f.end()
}

/** Writes what resumes the split at `pc`. */
export function writeOther(w: Frame, pc: number): void {
  w.clear(pc)
  w.goto(pc, w.places.operand(pc, 2))
}

function writeMatched(w: Frame): void {
  const { f } = w
  f.i32(SPANS).get(w.at).memory(STORE32).i32(SPANS).get(w.p).memory(STORE32, 4)
  for (const [slot, local] of w.slots)
    f.i32(SPANS)
      .get(local)
      .memory(STORE32, slot * 4)
  w.exit(1)
}

/** Compares a text by words; it is stored in reverse. */
function writeText(w: Frame, at: number, length: number): void {
  const { f, p, places } = w
  const bytes = Array.from({ length }, (_, i) => places.program.texts[at - i] as number)
  const word = (i: number, size: number): bigint =>
    bytes.slice(i, i + size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
  // Without a newline in it, the text differs from the newline at the end.
  if (bytes.includes(NEWLINE)) f.get(w.end).get(p).i32(length).op(I32_ADD, I32_LT_U).brIf(w.fail)
  let i = 0
  for (; i + 8 <= length; i += 8) f.get(p).memory(LOAD64, i).i64(word(i, 8)).op(I64_NE).brIf(w.fail)
  for (const [size, load] of [
    [4, LOAD32],
    [2, LOAD16],
    [1, LOAD8],
  ] as const) {
    if (i + size > length) continue
    f.get(p)
      .memory(load, i)
      .i32(Number(BigInt.asIntN(32, word(i, size))))
      .op(I32_NE)
      .brIf(w.fail)
    i += size
  }
  f.get(p).i32(length).op(I32_ADD).set(p)
}

/** Pushes whether the anchor holds at the offset; a newline stands at the end of the text. */
function writeAnchor(w: Frame, op: number): void {
  const { f, p, start, end } = w
  const byteIs = (offset: number, byte: number): void => {
    f.get(p).i32(offset).op(I32_ADD).memory(LOAD8).i32(byte).op(I32_EQ)
  }
  switch (op) {
    case LINE_START:
      f.get(p).get(start).op(I32_EQ)
      byteIs(-1, NEWLINE)
      f.op(I32_OR)
      break
    case LINE_END:
      byteIs(0, NEWLINE)
      break
    case TEXT_START:
      f.get(p).get(start).op(I32_EQ)
      break
    case TEXT_END:
      f.get(p).get(end).op(I32_EQ)
      break
    case LAST_END:
      f.get(p).get(end).op(I32_EQ).get(p).i32(1).op(I32_ADD).get(end).op(I32_EQ)
      byteIs(0, NEWLINE)
      f.op(I32_AND, I32_OR)
      break
    default:
      writeWordEdge(w)
      if (op !== WORD_EDGE) f.op(I32_EQZ)
  }
}

function writeWordEdge({ f, p, start, scratch: { c } }: Frame): void {
  f.get(p).i32(1).op(I32_SUB).memory(LOAD8).set(c)
  testByte(f, c, WORD)
  f.get(p).get(start).op(I32_NE, I32_AND).get(p).memory(LOAD8).set(c)
  testByte(f, c, WORD)
  f.op(I32_XOR)
}
