import { FsFailure, fstat, isMissing, lstat } from '../fs/file-system.ts'

/** Returns false when another process has removed or renamed an open file or its folder: what is written to it would not be found again. */
export function isInPlace(fd: number, path: string): boolean {
  const found = lstat(path)
  // A file that cannot be examined counts as existing.
  if (found instanceof FsFailure) return !isMissing(found)
  const own = fstat(fd)
  return own instanceof FsFailure || (own.ino === found.ino && own.dev === found.dev)
}
