import type { OutputState, Position } from './types.ts'

/** Returns a negative number when `a` is before `b`, and 0 when they are equal. */
export function compare(a: Position, b: Position): number {
  return a.segment - b.segment || a.offset - b.offset
}

export function isSame(a: Position, b: Position): boolean {
  return compare(a, b) === 0
}

export function later(a: Position, b: Position): Position {
  return compare(a, b) < 0 ? b : a
}

export function isSameState(a: OutputState, b: OutputState): boolean {
  return (
    compare(a.position, b.position) === 0 &&
    a.open.length === b.open.length &&
    a.open.every((at, i) => compare(at, b.open[i] as Position) === 0)
  )
}

/** True when an output in this state needs nothing before `end` of the segment. */
export function isPast(state: OutputState | undefined, segment: number, end: number): boolean {
  if (state === undefined) return false
  const { position, open } = state
  if (position.segment < segment || (position.segment === segment && position.offset < end)) return false
  return !open.some((at) => at.segment === segment)
}
