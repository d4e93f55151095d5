import { QUOTED, RUN, UNTIL } from '../compile.ts'
import { END } from '../first-bytes.ts'
import { type ByteTable, complement, either, NEWLINE, tableOf } from './byte-table.ts'
import { testByte } from './byte-tests.ts'
import {
  I32_ADD,
  I32_AND,
  I32_EQ,
  I32_EQZ,
  I32_GE_U,
  I32_GT_U,
  I32_LT_S,
  I32_LT_U,
  I32_NE,
  I32_SHR_U,
  I32_SUB,
  Label,
  LOAD8,
  LOAD32,
  SELECT,
  STORE32,
} from './encoder.ts'
import type { Frame } from './frame.ts'
import { FRAME_BYTES } from './layout.ts'
import { BYTES_PER_STEP_SHIFT, scanBack, scanBytes, scanForward } from './scan.ts'

/** Bytes of a set that are tested one after the other instead of in a loop. */
const MAX_UNROLLED = 8

interface Run {
  set: ByteTable
  stops: ByteTable
  min: number
  /** -1: no limit. */
  max: number
}

function runAt({ places }: Frame, pc: number): Run {
  const operand = (n: number): number => places.operand(pc, n)
  const set = places.op(pc) === UNTIL ? tableOf((c) => c < END && c !== operand(2)) : places.table(operand(2))
  return { set, stops: complement(set), min: operand(3), max: operand(4) }
}

/** Writes a run that takes as many bytes as it can, and leaves the shorter ones open. */
export function writeRun(w: Frame, pc: number): void {
  const { f, p, low, places } = w
  const run = runAt(w, pc)
  const isField = places.op(pc) !== RUN
  const isOpen = places.open.has(pc)
  if (isField) f.get(p).set(w.from)
  if (run.min === run.max) required(w, run)
  else if (run.max < 0) unlimited(w, run, isOpen)
  else limited(w, run)
  if (isField) w.saveSpan(places.operand(pc, 5), w.from, p)
  if (!isOpen) return
  f.get(p).get(low).op(I32_GT_U).if()
  w.push(pc, 'shorten', p, low)
  f.end()
}

/** Writes what follows a run each time that it ends, the first one or a shorter one. */
export function writeRunEnd(w: Frame, pc: number): void {
  // A run without a limit notes the bytes that it passes.
  if (w.places.operand(pc, 4) >= 0) w.failIfSeen()
}

/** Writes what resumes the run at `pc`: it is made shorter, down to where what follows can begin. */
export function writeShorten(w: Frame, pc: number): void {
  const { f, p, low, base, sp, steps, places } = w
  w.clear(pc)
  f.get(sp).memory(LOAD32, 8).set(low)
  scanBack(f, p, low, places.table(places.operand(pc, 5)), w.scratch)
  f.get(steps).get(base).get(p).op(I32_SUB).i32(BYTES_PER_STEP_SHIFT).op(I32_SHR_U, I32_SUB).set(steps)
  f.get(p).tee(base).get(low).op(I32_GT_U).if()
  f.get(sp).get(p).memory(STORE32, 4)
  f.get(sp).i32(FRAME_BYTES).op(I32_ADD).set(sp)
  f.end().br(w.target(pc, 'end'))
}

/** Writes the bytes that a lazy run has to take. */
export function writeLazy(w: Frame, pc: number): void {
  const { f, p, end, low, limit } = w
  const run = runAt(w, pc)
  if (run.max >= 0) f.get(p).set(low)
  required(w, run)
  if (run.max < 0) return
  f.get(low).i32(run.max).op(I32_ADD).tee(limit).get(end).get(limit).get(end)
  f.op(I32_LT_U, SELECT).set(limit)
}

/** Writes what resumes the lazy run at `pc`: it takes one byte more; that it can was known before. */
export function writeExtend(w: Frame, pc: number): void {
  const { f, p } = w
  w.clear(pc)
  f.get(w.sp).memory(LOAD32, 8).set(w.limit)
  f.get(p).i32(1).op(I32_ADD).set(p).br(w.target(pc, 'end'))
}

/** Writes what follows each time that a lazy run has taken more: on to where what follows it can begin. */
export function writeLazyEnd(w: Frame, pc: number): void {
  const { f, p, limit, places, scratch } = w
  const { set, max } = runAt(w, pc)
  const follow = places.table(places.operand(pc, 5))
  const stops = either(follow, complement(set))
  if (!places.open.has(pc)) return
  if (max < 0) {
    f.get(w.noted).if()
    w.walk(stops)
    f.get(scratch.q).i32(0).op(I32_LT_S).brIf(w.fail)
    f.else()
    scanForward(f, p, w.end, true, stops, scratch)
    f.end()
  } else scanForward(f, p, limit, false, stops, scratch)
  w.load()
  w.test(follow)
  f.op(I32_EQZ).brIf(w.fail)
  w.test(set)
  if (max >= 0) f.get(p).get(limit).op(I32_LT_U, I32_AND)
  f.if()
  w.push(pc, 'extend', p, limit)
  f.end()
  if (max >= 0) w.failIfSeen()
}

/** Matches the minimum of the run. */
function required(w: Frame, { set, stops, min }: Run): void {
  const { f, p, end, limit, scratch } = w
  if (min > MAX_UNROLLED) {
    f.get(p).i32(min).op(I32_ADD).tee(limit).get(end).op(I32_GT_U).brIf(w.fail)
    scanBytes(f, p, limit, stops, scratch.c)
    f.get(p).get(limit).op(I32_NE).brIf(w.fail)
  } else if (min > 0) {
    if (set[NEWLINE] === 1) f.get(end).get(p).i32(min).op(I32_ADD, I32_LT_U).brIf(w.fail)
    for (let i = 0; i < min; i++) {
      f.get(p).memory(LOAD8, i).set(scratch.c)
      testByte(f, scratch.c, set)
      f.op(I32_EQZ).brIf(w.fail)
    }
    f.get(p).i32(min).op(I32_ADD).set(p)
  }
}

/**
 * Takes as many bytes as there are. With notes it ends before an offset that it reached before: from there on
 * everything was tried.
 */
function unlimited(w: Frame, run: Run, isOpen: boolean): void {
  const { f, p, low, scratch } = w
  const { min, stops } = run
  if (isOpen || min > 0) f.get(p).i32(min).op(I32_ADD).set(low)
  f.get(w.noted).if()
  required(w, run)
  w.walk(stops)
  f.get(scratch.q).i32(0).op(I32_LT_S).if()
  if (isOpen) {
    f.get(p).get(low).op(I32_EQ).brIf(w.fail)
    f.get(p).i32(1).op(I32_SUB).set(p)
  } else f.br(w.fail)
  f.end().else()
  scanForward(f, p, w.end, true, stops, scratch)
  if (min > 0) f.get(p).get(low).op(I32_LT_U).brIf(w.fail)
  f.end()
}

function limited(w: Frame, { set, stops, min, max }: Run): void {
  const { f, p, end, low, limit, scratch } = w
  f.get(p).i32(min).op(I32_ADD).set(low)
  if (max === 1) {
    w.load()
    w.test(set)
    f.if().get(p).i32(1).op(I32_ADD).set(p).end()
    return
  }
  f.get(p).i32(max).op(I32_ADD).tee(limit).get(end).get(limit).get(end).op(I32_LT_U, SELECT).set(limit)
  if (max > MAX_UNROLLED) scanForward(f, p, limit, false, stops, scratch)
  else scanBytes(f, p, limit, stops, scratch.c)
  if (min > 0) f.get(p).get(low).op(I32_LT_U).brIf(w.fail)
}

/** Writes a run of bytes of a set, and of pairs of the escape and a byte after it. */
export function writeEscaped(w: Frame, pc: number): void {
  const { f, p, end, places, scratch } = w
  const [set, escapeByte] = [places.operand(pc, 2), places.operand(pc, 3)]
  const any = places.table(places.operand(pc, 4))
  const stops =
    places.op(pc) === QUOTED ? tableOf((c) => c === set || c === escapeByte) : complement(places.table(set))
  const again = new Label()
  f.get(p).set(w.from)
  f.loop(again).get(w.noted).if()
  w.walk(stops)
  f.get(scratch.q).i32(0).op(I32_LT_S).brIf(w.fail)
  f.else()
  scanForward(f, p, end, true, stops, scratch)
  f.end()
  w.load()
  w.test(tableOf((c) => c === escapeByte))
  f.if().get(p).i32(1).op(I32_ADD).get(end).op(I32_GE_U).brIf(w.fail)
  f.get(p).memory(LOAD8, 1).set(scratch.c)
  testByte(f, scratch.c, any)
  f.op(I32_EQZ).brIf(w.fail).get(p).i32(2).op(I32_ADD).set(p).br(again).end().end()
}
