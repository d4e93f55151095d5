import type { Position } from '../../lib/segments/types.ts'

/** Returns a negative number when `a` comes before `b`, 0 when they are the same place, else a positive number. */
export function comparePlaces(a: Position, b: Position): number {
  return a.segment - b.segment || a.offset - b.offset
}

export function isSamePlace(a: Position, b: Position): boolean {
  return a.segment === b.segment && a.offset === b.offset
}
