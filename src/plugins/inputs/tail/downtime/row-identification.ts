import { basename, dirname, join } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { FsFailure, stat as statOf } from '../../../../lib/fs/file-system.ts'
import type { Glob } from '../discovery/glob.ts'
import { isGzipName } from '../file/compression.ts'
import { isAllHole, isHole } from '../file/fingerprint.ts'
import type { DirectoryNames } from '../rotation/directory-names.ts'
import { liveNamesOf } from '../rotation/names.ts'
import { isFileOf, isSameFile, largestOf } from '../rotation/same-content.ts'
import { MAX_ATTEMPTS, type Sibling, type SiblingScope, siblingAt, siblingsOf } from '../rotation/siblings.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'

interface Identified {
  siblings: Sibling[]
  /** The siblings that are the files of rows. */
  known: Map<Sibling, OffsetRow>
  /** Rows whose file is not among the siblings. */
  missing: OffsetRow[]
}

/** Finds the files of stored rows among the siblings of their path. */
export class RowIdentification {
  readonly #files: OpenFiles
  readonly #glob: Glob

  constructor(files: OpenFiles, glob: Glob) {
    this.#files = files
    this.#glob = glob
  }

  /**
   * Finds the files of rows among the siblings of a path. Tries again while a rotation changes their names.
   */
  identify(
    path: string,
    rows: OffsetRow[],
    scope: SiblingScope,
    names: DirectoryNames | undefined,
  ): Identified {
    for (let attempt = 1; ; attempt++) {
      const siblings = this.siblings(path, rows, scope, attempt === 1 ? names : undefined)
      const known = new Map<Sibling, OffsetRow>()
      const missing: OffsetRow[] = []
      for (const row of rows) {
        const isFree = (s: Sibling): boolean => !known.has(s) && !this.isRead(s)
        const sibling =
          siblings.find((s) => isFree(s) && isSameFile(row, s)) ??
          largestOf(
            siblings.filter((s) => isFree(s) && isFileOf(row, s)),
            isHole(row),
          )
        if (sibling === undefined) missing.push(row)
        else known.set(sibling, row)
      }
      if (
        missing.length === 0 ||
        attempt === MAX_ATTEMPTS ||
        haveSameNames(siblings, this.siblings(path, rows, scope))
      )
        return { siblings, known, missing }
    }
  }

  /**
   * Returns the siblings of the path and the files where those of the rows were last seen, the oldest
   * first.
   */
  siblings(path: string, rows: OffsetRow[], scope: SiblingScope, names?: DirectoryNames): Sibling[] {
    const found = siblingsOf(path, scope, names)
    const paths = new Set(found.map((s) => s.path))
    // A path that is itself a rotated name: `x.log.1` within Path may have become `x.log.2.gz`, a sibling
    // of `x.log`.
    for (const live of livePathsOf(path)) {
      // Only for an existing log: thousands of names may look like rotated names of a log that never existed.
      if (!this.#files.byPath.has(live) || !this.#glob.matches(live)) continue
      for (const sibling of siblingsOf(live, scope, names)) {
        if (paths.has(sibling.path) || sibling.path === path) continue
        paths.add(sibling.path)
        found.push(sibling)
      }
    }
    for (const row of rows) {
      const last = row.target ?? row.name
      const stat = paths.has(last) || last === linkTarget(path) ? undefined : statOf(last)
      if (stat === undefined || stat instanceof FsFailure || !stat.isFile()) continue
      paths.add(last)
      found.unshift(siblingAt(last, stat))
    }
    return found
  }

  /** True when the sibling is open, and has a position or was read already. */
  isRead({ key }: Sibling): boolean {
    const file = this.#files.byKey.get(key)
    return file !== undefined && !(file.newAt !== undefined && file.isUnread)
  }
}

/** Returns the paths from which rotation may have made the path, in the same directory. */
export function livePathsOf(path: string): string[] {
  const directory = dirname(path)
  return [...liveNamesOf(basename(path))].map((name) => join(directory, name))
}

function haveSameNames(a: Sibling[], b: Sibling[]): boolean {
  return a.length === b.length && a.every(({ path, key }, i) => b[i]?.path === path && b[i]?.key === key)
}

/**
 * True when the sibling may be the file of a row that says nothing about the content, as the agent crashed
 * before the first bytes were hashed. The file may have been compressed since, so only the time counts: the
 * sibling changed after the row's file was opened, or, as a .gz keeps the time of the last write, was created.
 */
export function mayBeFileOf(row: OffsetRow, sibling: Sibling): boolean {
  const { created, birthMs = 0 } = row
  const sinceMs = birthMs > 0 && isGzipName(sibling.path) ? birthMs : created * 1000
  return hasUnknownContent(row) && sibling.mtimeMs >= sinceMs
}

function hasUnknownContent(row: OffsetRow): boolean {
  return isAllHole(row) || (row.offset === 0 && !row.fingerprintSize)
}
