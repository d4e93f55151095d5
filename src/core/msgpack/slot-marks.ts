/**
 * Returns the mark after `mark`, for a table whose slots are valid when they have the current mark: a value that no slot has, which
 * saves clearing them. A new table has zeros, and 0 is no mark.
 */
export function nextMark(marks: Int32Array, mark: number): number {
  const next = (mark + 1) | 0
  if (next !== 0) return next
  marks.fill(0)
  return 1
}
