import { PathPattern } from './discovery/path-pattern.ts'
import type { Positions } from './tracking/positions.ts'

/**
 * Returns a test for paths that an earlier run scanned. A pattern that is new in Path gets a first scan of
 * its own.
 */
export function scannedPaths(
  { scannedBefore }: Positions,
  patterns: readonly string[],
): (path: string) => boolean {
  if (scannedBefore.length === patterns.length) return () => true
  const before = scannedBefore.map((text) => new PathPattern(text))
  return (path) => before.some((pattern) => pattern.matches(path))
}
