import { FsFailure, writeAt, writeParts } from '../fs/file-system.ts'

/** Writes all parts at `position`, one after the other. */
export function writeAll(fd: number, parts: readonly Buffer[], position: number): FsFailure | undefined {
  let left = parts.filter(({ length }) => length > 0)
  let at = position
  while (left.length > 0) {
    const [first] = left
    const wrote = left.length === 1 ? writeAt(fd, first as Buffer, at) : writeParts(fd, left, at)
    if (wrote instanceof FsFailure) return wrote
    if (wrote === 0) return new FsFailure('ENOSPC', 'nothing was written')
    at += wrote
    left = without(left, wrote)
  }
  return undefined
}

/** Returns the parts without their first `bytes`. */
function without(parts: readonly Buffer[], bytes: number): Buffer[] {
  let skip = bytes
  return parts.flatMap((part) => {
    const rest = part.subarray(Math.min(skip, part.length))
    skip -= part.length - rest.length
    return rest.length > 0 ? [rest] : []
  })
}
