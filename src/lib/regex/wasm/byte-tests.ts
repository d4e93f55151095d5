import { type ByteTable, complement, maskOf, type Range, rangesOf } from './byte-table.ts'
import {
  type FunctionBody,
  I32_AND,
  I32_EQ,
  I32_EQZ,
  I32_GE_U,
  I32_LE_U,
  I32_LT_U,
  I32_NE,
  I32_OR,
  I32_SUB,
  I32_WRAP_I64,
  I32_XOR,
  I64_EXTEND_I32_U,
  I64_SHR_U,
  SELECT,
  V_AND,
  V_BITMASK,
  V_EQ,
  V_GE_U,
  V_LE_U,
  V_NE,
  V_OR,
  V_SHR_U,
  V_SUB,
  V_SWIZZLE,
} from './encoder.ts'

/** Ranges that are compared one by one; beyond that a table of bits is cheaper. */
const MAX_RANGES = 4
const LANES = 16
const ALL_LANES = 0xffff
const ASCII_END = 0x80

/** Pushes 1 if the table accepts the byte in the local `c`, else another number or 0: a condition. */
export function testByte(f: FunctionBody, c: number, table: ByteTable): void {
  const ranges = rangesOf(table)
  const others = rangesOf(complement(table))
  if (others.length === 0) f.i32(1)
  else if (ranges.length === 0) f.i32(0)
  else if (ranges.length === 1) inRange(f, c, ranges[0] as Range)
  else if (others.length === 1) notInRange(f, c, others[0] as Range)
  else if (ranges.length === 2) {
    for (const range of ranges) inRange(f, c, range)
    f.op(I32_OR)
  } else if (others.length === 2) {
    for (const range of others) notInRange(f, c, range)
    f.op(I32_AND)
  } else inMask(f, c, table)
}

function inRange(f: FunctionBody, c: number, [first, last]: Range): void {
  if (first === last) f.get(c).i32(first).op(I32_EQ)
  else if (first === 0) f.get(c).i32(last).op(I32_LE_U)
  else
    f.get(c)
      .i32(first)
      .op(I32_SUB)
      .i32(last - first)
      .op(I32_LE_U)
}

function notInRange(f: FunctionBody, c: number, [first, last]: Range): void {
  if (first === last) f.get(c).i32(first).op(I32_NE)
  else {
    inRange(f, c, [first, last])
    f.op(I32_EQZ)
  }
}

/** Shifts the mask of 64 bytes in which `c` is; a shift takes `c` modulo 64. */
function inMask(f: FunctionBody, c: number, table: ByteTable): void {
  const masks = [0, 64, 128, 192].map((first) => maskOf(table, first)) as [bigint, bigint, bigint, bigint]
  const [, , third, fourth] = masks
  const pair = (low: bigint, high: bigint): void => {
    if (low === high) f.i64(low)
    else f.i64(high).i64(low).get(c).i32(64).op(I32_AND, SELECT)
  }
  const isUniform = third === fourth && (third === 0n || BigInt.asIntN(64, third) === -1n)
  pair(masks[0], masks[1])
  if (!isUniform) {
    pair(third, fourth)
    f.get(c).i32(ASCII_END).op(I32_LT_U, SELECT)
  }
  f.get(c).op(I64_EXTEND_I32_U, I64_SHR_U, I32_WRAP_I64).i32(1).op(I32_AND)
  if (!isUniform) return
  if (third === 0n) f.get(c).i32(ASCII_END).op(I32_LT_U, I32_AND)
  else f.get(c).i32(ASCII_END).op(I32_GE_U, I32_OR)
}

/** Returns true when `testVector` knows the table: few ranges, or one value for all bytes beyond ASCII. */
export function isVectorTable(table: ByteTable): boolean {
  const others = complement(table)
  return fewestRanges(table) <= MAX_RANGES || isAscii(table) || isAscii(others)
}

function fewestRanges(table: ByteTable): number {
  return Math.min(rangesOf(table).length, rangesOf(complement(table)).length)
}

/** Pushes a mask with a bit for each of the 16 bytes in the local `v` that the table accepts. */
export function testVector(f: FunctionBody, v: number, table: ByteTable): void {
  const others = complement(table)
  const isShort = fewestRanges(table) <= MAX_RANGES
  const isInverted = isShort ? rangesOf(others).length < rangesOf(table).length : !isAscii(table)
  const tested = isInverted ? others : table
  if (isShort) anyRange(f, v, rangesOf(tested))
  else byNibbles(f, v, tested)
  if (isInverted) f.i32(ALL_LANES).op(I32_XOR)
}

function splat(f: FunctionBody, byte: number): FunctionBody {
  return f.vectorOf(new Array(LANES).fill(byte))
}

function anyRange(f: FunctionBody, v: number, ranges: readonly Range[]): void {
  if (ranges.length === 0) {
    f.i32(0)
    return
  }
  for (const [i, [first, last]] of ranges.entries()) {
    f.get(v)
    if (first === last) splat(f, first).vector(V_EQ)
    else if (first === 0) splat(f, last).vector(V_LE_U)
    else if (last === 0xff) splat(f, first).vector(V_GE_U)
    else {
      splat(f, first).vector(V_SUB)
      splat(f, last - first).vector(V_LE_U)
    }
    if (i > 0) f.vector(V_OR)
  }
  f.vector(V_BITMASK)
}

function isAscii(table: ByteTable): boolean {
  return table.subarray(ASCII_END, 256).every((bit) => bit === 0)
}

/**
 * Looks up a column of eight bytes by the lower half of each byte, and its bit in the column by the upper
 * half.
 */
function byNibbles(f: FunctionBody, v: number, table: ByteTable): void {
  const columns = Array.from({ length: LANES }, (_, low) => {
    let column = 0
    for (let high = 0; high < 8; high++) if (table[(high << 4) | low] === 1) column |= 1 << high
    return column
  })
  const bits = Array.from({ length: LANES }, (_, high) => (high < 8 ? 1 << high : 0))
  f.vectorOf(columns).get(v)
  splat(f, 0x0f).vector(V_AND).vector(V_SWIZZLE)
  f.vectorOf(bits).get(v).i32(4).vector(V_SHR_U).vector(V_SWIZZLE).vector(V_AND)
  splat(f, 0).vector(V_NE).vector(V_BITMASK)
}
