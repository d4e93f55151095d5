import { Glob } from '../../../src/plugins/inputs/tail/discovery/glob.ts'
import type { SearchLimits } from '../../../src/plugins/inputs/tail/discovery/search.ts'

interface GlobUnderTest {
  glob: Glob
  warnings: string[]
  /** Directories that could not be read, with the reason. */
  unreadable: string[]
  counters: Map<string, number>
}

/** Creates a Glob for a Path and an Exclude_Path, and keeps what it logs and counts. */
export function globOf(patterns: string[], excludes: string[] = [], limits?: SearchLimits): GlobUnderTest {
  const warnings: string[] = []
  const unreadable: string[] = []
  const counters = new Map<string, number>()
  const glob = new Glob({
    patterns,
    excludes,
    hidden: [],
    errors: { record: (folder, error) => void unreadable.push(`${folder}: ${error}`), clear() {} },
    counters: {
      add: (name, ...[by = 1]) => void counters.set(name, (counters.get(name) ?? 0) + by),
      get: (name: string) => counters.get(name) ?? 0,
    },
    log: { error() {}, warn: (message) => void warnings.push(message), info() {}, debug() {} },
    ...(limits === undefined ? {} : { limits }),
  })
  return { glob, warnings, unreadable, counters }
}
