import { existsSync, statSync } from 'node:fs'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import { isFileOf } from '../rotation/same-content.ts'
import {
  DirectoryNames,
  MAX_ATTEMPTS,
  pathsWithSiblings,
  type Sibling,
  siblingsOf,
  unrotatedPath,
} from '../rotation/siblings.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import type { Glob } from './glob.ts'

interface AfterDowntimeOptions {
  files: OpenFiles
  positions: Positions
  glob: Glob
  rotated: RotatedFiles
  counters: TailCounters
  log: Logger
}

/**
 * Opens files that were rotated while the agent was not running. Their stored rows were claimed by no file under Path;
 * the files of `x.log` are `x.log.1`, `x.log-20261121`, `x.log.2.gz` ... The rest of the known file is read first, then
 * the files that were rotated after it, then the live one. For a log that was begun meanwhile, or whose known file no
 * longer exists, only the files that were created meanwhile are read.
 *
 * ```
 *   x.log.3.gz   x.log.2          x.log.1         x.log
 *   (older)      row says 4,711 -> from 0      -> from 0       in this order
 * ```
 * Not promised: a deleted file is lost, and one that was moved to another directory is not searched for.
 */
export function resumeRotatedFiles(options: AfterDowntimeOptions): void {
  const { files, positions, glob } = options
  const rowsByPath = new Map<string, OffsetRow[]>()
  for (const row of positions.unclaimed()) {
    const path = pathOf(row, glob)
    // Rows of other inputs that share the database are left alone.
    if (!glob.matches(path) || isSkipped(row, path, files)) continue
    rowsByPath.set(path, [...(rowsByPath.get(path) ?? []), row])
  }
  const newPaths = files.createdSinceLastScan().map((file) => file.path)
  const names = new DirectoryNames()
  for (const [path, rows] of rowsByPath) resumePath(path, rows, names, options)
  for (const path of pathsWithSiblings(newPaths, names)) {
    const live = files.byPath.get(path)
    if (live !== undefined && !rowsByPath.has(path))
      live.readAfter(openUnseen(path, undefined, names, options, copiesSinceMs(live, options)))
  }
}

/**
 * True when the file of the row is still at its path but not read now: too old for Ignore_Older, or unreadable. Its row
 * is kept.
 */
function isSkipped({ inode }: OffsetRow, path: string, files: OpenFiles): boolean {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat !== undefined && BigInt.asIntN(64, stat.ino) === inode && files.openFileAt(path) === undefined
  } catch {
    // A directory that cannot be searched: the file may still be there.
    return true
  }
}

/**
 * Returns the path that the file of a row had last: it may have been renamed within Path since it was opened, and
 * rotated there.
 */
function pathOf({ name, openedAs }: OffsetRow, glob: Glob): string {
  const base = unrotatedPath(name)
  if (openedAs === undefined || openedAs === base) return openedAs ?? name
  if (glob.matches(name)) return name
  return base !== undefined && glob.matches(base) ? base : openedAs
}

/** Opens the rotated files of one path, of which at least one is known by a row. */
function resumePath(
  path: string,
  rows: OffsetRow[],
  names: DirectoryNames,
  options: AfterDowntimeOptions,
): void {
  const { files, positions } = options
  const live = files.byPath.get(path)
  let remaining = rows
  let previous: TailFile | undefined
  for (let attempt = 1; remaining.length > 0 && attempt <= MAX_ATTEMPTS; attempt++) {
    const { siblings, known, missing } = identify(path, remaining, attempt === 1 ? names : undefined)
    const first = siblings.findIndex((s) => known.has(s) || missing.some((row) => mayBe(row, s)))
    for (const row of missing) {
      if (first >= 0 && siblings.slice(first).some((s) => mayBe(row, s))) positions.remove(row)
      else removeMissing(row, path, options)
    }
    if (first < 0) {
      if (live?.stored.hasNoFingerprint !== false)
        previous = openUnseen(path, previous, names, options, copiesSinceMs(live, options))
      break
    }
    const opened = openInOrder(path, siblings.slice(first), known, previous, options)
    previous = opened.last
    // A file that was compressed or renamed meanwhile has another name now.
    remaining = opened.isComplete
      ? []
      : remaining.filter((row) => !missing.includes(row) && positions.isUnclaimed(row))
  }
  if (live !== undefined && previous !== undefined) live.readAfter(previous)
}

/**
 * Opens the newest siblings of a path when none of them is known, nor the live file: back to the first one that existed
 * at the last scan. Older ones may have been read and compressed later, under a new inode.
 */
function openUnseen(
  path: string,
  before: TailFile | undefined,
  names: DirectoryNames,
  options: AfterDowntimeOptions,
  sinceMs: number,
): TailFile | undefined {
  let last = before
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const found = siblingsOf(path, false, attempt === 1 ? names : undefined)
    const siblings = found.filter((s) => s.mtimeMs >= sinceMs)
    const seen = siblings.findLastIndex((s) => !options.positions.createdSinceLastScan(s.birthMs))
    const opened = openInOrder(path, siblings.slice(seen + 1), new Map(), last, options)
    last = opened.last
    if (opened.isComplete) break
  }
  return last
}

/**
 * Returns the time since when siblings of the live file are unread. If it was known while it was empty, only copies
 * made of it while the agent was not running are.
 */
function copiesSinceMs(live: TailFile | undefined, { positions }: AfterDowntimeOptions): number {
  return live?.stored.id === undefined ? 0 : Math.max(live.identity.birthMs, positions.lastWriteMs)
}

/** Opens siblings in their order, each to be read after the one before. Not complete: one of them no longer existed. */
function openInOrder(
  path: string,
  siblings: Sibling[],
  known: Map<Sibling, OffsetRow>,
  before: TailFile | undefined,
  { files, positions, rotated, log }: AfterDowntimeOptions,
): { last: TailFile | undefined; isComplete: boolean } {
  let last = before
  for (const sibling of siblings) {
    if (files.byKey.has(sibling.key)) continue
    const row = known.get(sibling)
    const file = rotated.open(sibling, path, row === undefined ? undefined : rowForSibling(row, sibling))
    if (file === undefined && !existsSync(sibling.path)) return { last, isComplete: false }
    if (row !== undefined) positions.claim(row)
    if (file === undefined) continue
    const { offset } = file.cursor
    log.info(
      `${sibling.path} was rotated while the agent was not running: reading it from offset ${offset}`,
      {
        path,
      },
    )
    file.readAfter(last)
    last = file
  }
  return { last, isComplete: true }
}

interface Identified {
  siblings: Sibling[]
  known: Map<Sibling, OffsetRow>
  /** Rows whose file is not among the siblings. */
  missing: OffsetRow[]
}

/**
 * Finds the files of rows among the siblings of a path; several times if names change meanwhile because a rotation goes
 * on.
 */
function identify(path: string, rows: OffsetRow[], names: DirectoryNames | undefined): Identified {
  for (let attempt = 1; ; attempt++) {
    const siblings = siblingsOf(path, false, attempt === 1 ? names : undefined)
    const known = new Map<Sibling, OffsetRow>()
    const missing: OffsetRow[] = []
    for (const row of rows) {
      const sibling = siblings.find((s) => !known.has(s) && isFileOf(row, s))
      if (sibling === undefined) missing.push(row)
      else known.set(sibling, row)
    }
    if (missing.length === 0 || attempt === MAX_ATTEMPTS || haveSameNames(siblings, siblingsOf(path))) {
      return { siblings, known, missing }
    }
  }
}

function haveSameNames(a: Sibling[], b: Sibling[]): boolean {
  return a.length === b.length && a.every(({ path, key }, i) => b[i]?.path === path && b[i]?.key === key)
}

/**
 * True when the sibling may be the file of a row that tells nothing of its content, because of a crash before its first
 * bytes were hashed. It may have been compressed since: every file that changed after the row's was opened counts.
 */
function mayBe(row: OffsetRow, sibling: Sibling): boolean {
  return row.offset === 0 && !row.fingerprintSize && sibling.mtimeMs >= row.created * 1000
}

/**
 * Returns the row as it applies to the sibling. The offset of a plain file counts decompressed bytes of its compressed
 * copy, which has another inode; the row of a .gz has its own.
 */
function rowForSibling(row: OffsetRow, sibling: Sibling): OffsetRow {
  if (!sibling.path.endsWith('.gz') || row.name.endsWith('.gz')) return row
  return { ...row, offset: 0, streamOffset: row.streamOffset ?? row.offset, markerSize: 0 }
}

/** Removes, counts and logs a row whose file no longer exists. */
function removeMissing(
  row: OffsetRow,
  path: string,
  { positions, counters, log }: AfterDowntimeOptions,
): void {
  counters.add('files_gone', 1, 'missing')
  log.warn(`${path} (inode ${row.inode}) no longer exists: data after offset ${row.offset} may be lost`, {
    offset: row.offset,
    hint: 'it was deleted, or moved to another directory, while the agent was not running',
  })
  positions.remove(row)
}
