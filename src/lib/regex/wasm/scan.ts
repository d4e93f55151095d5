import { type ByteTable, complement, NEWLINE, rangesOf, sizeOf } from './byte-table.ts'
import { isVectorTable, testByte, testVector } from './byte-tests.ts'
import {
  FunctionBody,
  I32_ADD,
  I32_AND,
  I32_CLZ,
  I32_CTZ,
  I32_EQZ,
  I32_LE_S,
  I32_LT_U,
  I32_OR,
  I32_SHL,
  I32_SHR_U,
  I32_SUB,
  I32_XOR,
  Label,
  LOAD8,
  RETURN,
  SELECT,
  STORE8,
} from './encoder.ts'

const LANES = 16
/** A run of no more different bytes than these, as of blanks, is taken to be too short for vectors. */
const SHORT_RUN_BYTES = 2
/** Bytes that were passed count as a step each 16: about as long as another way takes. */
export const BYTES_PER_STEP_SHIFT = 4

/** Locals that a scan overwrites: a byte, a mask, and a vector. */
interface Scratch {
  c: number
  q: number
  v: number
}

/**
 * Moves the local `p` to the first byte from it on at which the table of stops has a 1, or to `limit`.
 * `isEnd`: the limit is the end of the text, where a newline stands.
 */
export function scanForward(
  f: FunctionBody,
  p: number,
  limit: number,
  isEnd: boolean,
  stops: ByteTable,
  scratch: Scratch,
): void {
  const { c, q, v } = scratch
  if (rangesOf(complement(stops)).length === 0) return
  const isGuarded = isEnd && stops[NEWLINE] === 1
  const again = new Label()
  const isShort = sizeOf(complement(stops)) <= SHORT_RUN_BYTES
  if (isShort || !isVectorTable(stops)) {
    scanBytes(f, p, isGuarded ? undefined : limit, stops, c)
    return
  }
  f.loop(again).get(p).vectorLoad().set(v)
  testVector(f, v, stops)
  f.tee(q).if()
  f.get(p).get(q).op(I32_CTZ, I32_ADD).set(p)
  f.else()
  f.get(p).i32(LANES).op(I32_ADD)
  if (isGuarded) f.set(p).br(again)
  else f.tee(p).get(limit).op(I32_LT_U).brIf(again)
  f.end().end()
  if (!isGuarded) f.get(p).get(limit).get(p).get(limit).op(I32_LT_U, SELECT).set(p)
}

/** Moves `p` byte by byte, which is faster for a few. */
export function scanBytes(
  f: FunctionBody,
  p: number,
  limit: number | undefined,
  stops: ByteTable,
  c: number,
): void {
  const [done, again] = [new Label(), new Label()]
  f.block(done).loop(again)
  if (limit !== undefined) f.get(limit).get(p).op(I32_LE_S).brIf(done)
  f.get(p).memory(LOAD8).set(c)
  testByte(f, c, stops)
  f.brIf(done).get(p).i32(1).op(I32_ADD).set(p).br(again)
  f.end().end()
}

/** Moves `p` back by at least one byte, to one that the table accepts, but not below `low`. */
export function scanBack(
  f: FunctionBody,
  p: number,
  low: number,
  table: ByteTable,
  { c, q, v }: Scratch,
): void {
  const again = new Label()
  f.get(p).i32(1).op(I32_SUB).set(p)
  if (rangesOf(complement(table)).length === 0) return
  if (!isVectorTable(table)) {
    const done = new Label()
    f.block(done).loop(again).get(p).get(low).op(I32_LE_S).brIf(done)
    f.get(p).memory(LOAD8).set(c)
    testByte(f, c, table)
    f.brIf(done).get(p).i32(1).op(I32_SUB).set(p).br(again).end().end()
    return
  }
  // The highest bit stands for the byte at `p`; the space before a line is large enough for the vectors.
  f.loop(again)
    .get(p)
    .i32(LANES - 1)
    .op(I32_SUB)
    .vectorLoad()
    .set(v)
  testVector(f, v, table)
  f.tee(q).if()
  f.get(p)
    .get(q)
    .op(I32_CLZ)
    .i32(32 - LANES)
    .op(I32_SUB, I32_SUB)
    .set(p)
  f.else()
  f.get(low).get(p).i32(LANES).op(I32_SUB).tee(p).op(I32_LT_U).brIf(again)
  f.end().end()
  f.get(low).get(p).get(p).get(low).op(I32_LE_S, SELECT).set(p)
}

/**
 * A function (notes, p): sets the note of the offset `p` and returns another number than 0 when it was set
 * before.
 */
export function seenFunction(): FunctionBody {
  const f = new FunctionBody(2)
  const [notes, p] = [0, 1]
  const [byte, bit] = [f.local(), f.local()]
  f.get(notes).get(p).i32(3).op(I32_SHR_U, I32_ADD).tee(notes).memory(LOAD8).set(byte)
  f.i32(1).get(p).i32(7).op(I32_AND, I32_SHL).set(bit)
  f.get(byte).get(bit).op(I32_AND).if().i32(1).op(RETURN).end()
  f.get(notes).get(byte).get(bit).op(I32_OR).memory(STORE8)
  f.i32(0)
  return f
}

/**
 * A function (notes, p, end): moves `p` to the first stop or to the end, and notes each offset on the way.
 * Returns where it stopped, or the complement of the first offset that was noted before.
 */
export function walkFunction(stops: ByteTable, seen: number): FunctionBody {
  const f = new FunctionBody(3)
  const [notes, p, end] = [0, 1, 2]
  const c = f.local()
  const again = new Label()
  f.loop(again).get(notes).get(p).call(seen).if().get(p).i32(-1).op(I32_XOR, RETURN).end()
  if (stops[NEWLINE] === 0) f.get(end).get(p).op(I32_LE_S).if().get(p).op(RETURN).end()
  f.get(p).memory(LOAD8).set(c)
  testByte(f, c, stops)
  f.op(I32_EQZ).if().get(p).i32(1).op(I32_ADD).set(p).br(again).end().end()
  f.get(p)
  return f
}
