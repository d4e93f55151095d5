import { END } from '../first-bytes.ts'

/** Bytes that a position accepts: 1 or 0 for each byte, and for END. */
export type ByteTable = Uint8Array

/** First and last byte. */
export type Range = readonly [number, number]

export const NEWLINE = 10

/** Returns a table of the bytes, and END when given, for which `has` is true. */
export function tableOf(has: (byte: number) => boolean): ByteTable {
  const table = new Uint8Array(END + 1)
  for (let c = 0; c <= END; c++) table[c] = has(c) ? 1 : 0
  return table
}

const complements = new WeakMap<ByteTable, ByteTable>()
const ranges = new WeakMap<ByteTable, readonly Range[]>()

export function complement(table: ByteTable): ByteTable {
  const known = complements.get(table)
  if (known !== undefined) return known
  const other = new Uint8Array(END + 1)
  for (let c = 0; c <= END; c++) other[c] = 1 - (table[c] as number)
  complements.set(table, other)
  return other
}

export function either(a: ByteTable, b: ByteTable): ByteTable {
  return tableOf((c) => a[c] === 1 || b[c] === 1)
}

export function overlaps(a: ByteTable, b: ByteTable): boolean {
  return a.some((bit, c) => bit === 1 && b[c] === 1)
}

/** Returns the ranges of bytes, without END, that the table accepts. */
export function rangesOf(table: ByteTable): readonly Range[] {
  const known = ranges.get(table)
  if (known !== undefined) return known
  const found: Range[] = []
  for (let c = 0; c < END; c++) {
    if (table[c] === 0) continue
    const first = c
    while (c + 1 < END && table[c + 1] === 1) c++
    found.push([first, c])
  }
  ranges.set(table, found)
  return found
}

/** Returns the number of bytes, without END, that the table accepts. */
export function sizeOf(table: ByteTable): number {
  return rangesOf(table).reduce((n, [first, last]) => n + last - first + 1, 0)
}

/** Returns the 64 bytes from `first` on as a mask. */
export function maskOf(table: ByteTable, first: number): bigint {
  let mask = 0n
  for (let i = 0; i < 64; i++) if (table[first + i] === 1) mask |= 1n << BigInt(i)
  return mask
}
