import { existsSync, statSync } from 'node:fs'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Counters, Logger } from '../../../../core/services.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import { isFileOf } from '../rotation/same-content.ts'
import {
  FolderNames,
  LOOKS,
  rotatedFrom,
  type Sibling,
  siblingsOf,
  withSiblings,
} from '../rotation/siblings.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import type { Glob } from './glob.ts'

interface AfterDowntimeOptions {
  files: OpenFiles
  positions: Positions
  finder: Glob
  rotated: RotatedFiles
  counters: Counters
  log: Logger
}

/**
 * After downtime: files whose stored row no file under Path has taken up. They were rotated while nobody looked; under
 * `x.log` that is `x.log.1`, `x.log-20261121`, `x.log.2.gz` ... What is left of the known file is read first, then the
 * files that were rotated after it, then the live one. Of a log that was begun in the meantime, or of which the known
 * file is gone, those that were made in the meantime.
 *
 * ```
 *   x.log.3.gz   x.log.2          x.log.1         x.log
 *   (older)      row says 4,711 -> from 0      -> from 0       in this order
 * ```
 * Not promised: a file that was deleted is gone, and one that was moved to another folder is not looked for.
 */
export function resumeRotatedFiles(o: AfterDowntimeOptions): void {
  const byPath = new Map<string, OffsetRow[]>()
  for (const row of o.positions.unclaimed()) {
    const path = pathOf(row, o.finder)
    // Rows of other inputs that share the database are not ours to judge.
    if (!o.finder.matches(path) || isPassedOver(row, path, o.files)) continue
    byPath.set(path, [...(byPath.get(path) ?? []), row])
  }
  const begun = o.files.createdSinceLastScan().map((file) => file.path)
  const names = new FolderNames()
  for (const [path, rows] of byPath) finishPath(path, rows, names, o)
  for (const path of withSiblings(begun, names)) {
    const live = o.files.byPath.get(path)
    if (live !== undefined && !byPath.has(path))
      live.after = openUnseen(path, undefined, names, o, copiedFrom(live, o))
  }
}

/** It is where it was, and not read now: too old for Ignore_Older, or it cannot be opened. Its row waits for it. */
function isPassedOver({ inode }: OffsetRow, path: string, files: OpenFiles): boolean {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat !== undefined && BigInt.asIntN(64, stat.ino) === inode && files.followed(path) === undefined
  } catch {
    // A folder that cannot be searched: nobody knows.
    return true
  }
}

/** Where the file was last: it may have been renamed within Path since it was opened, and rotated there. */
function pathOf({ name, openedAs }: OffsetRow, finder: Glob): string {
  const base = rotatedFrom(name)
  if (openedAs === undefined || openedAs === base) return openedAs ?? name
  if (finder.matches(name)) return name
  return base !== undefined && finder.matches(base) ? base : openedAs
}

function finishPath(path: string, rows: OffsetRow[], names: FolderNames, o: AfterDowntimeOptions): void {
  let left = rows
  let previous: TailFile | undefined
  for (let look = 1; left.length > 0 && look <= LOOKS; look++) {
    const { siblings, known, gone } = identify(path, left, look === 1 ? names : undefined)
    const first = siblings.findIndex((s) => known.has(s) || gone.some((row) => mayBe(row, s)))
    for (const row of gone) {
      if (first >= 0 && siblings.slice(first).some((s) => mayBe(row, s))) o.positions.remove(row)
      else noteGone(row, path, o)
    }
    if (first < 0) {
      const live = o.files.byPath.get(path)
      if (live?.blank !== false) previous = openUnseen(path, previous, names, o, copiedFrom(live, o))
      break
    }
    const opened = openAll(path, siblings.slice(first), known, previous, o)
    previous = opened.last
    // A file that was compressed or renamed since it was looked at is there under another name.
    left = opened.whole ? [] : left.filter((row) => !gone.includes(row) && o.positions.isUnclaimed(row))
  }
  const live = o.files.byPath.get(path)
  if (live !== undefined && previous !== undefined) live.after = previous
}

/**
 * None of the files beside `path` is known, and neither is the one at it: the newest of them, back to the first that was
 * there at the last look. Further back there may be what was read and then compressed, under a new inode.
 */
function openUnseen(
  path: string,
  before: TailFile | undefined,
  names: FolderNames,
  o: AfterDowntimeOptions,
  sinceMs = 0,
): TailFile | undefined {
  let last = before
  for (let look = 1; look <= LOOKS; look++) {
    const found = siblingsOf(path, false, look === 1 ? names : undefined)
    const siblings = found.filter((s) => s.mtimeMs >= sinceMs)
    const seen = siblings.findLastIndex((s) => !o.positions.createdSinceLastScan(s.bornMs))
    const opened = openAll(path, siblings.slice(seen + 1), new Map(), last, o)
    last = opened.last
    if (opened.whole) break
  }
  return last
}

/** Beside a file that was known while it was empty, only copies of what was in it while away are new. */
function copiedFrom(live: TailFile | undefined, { positions }: AfterDowntimeOptions): number {
  return live?.rowId === undefined ? 0 : Math.max(live.bornMs, positions.lastWriteMs)
}

/** Opens them in their order, each to be read behind the one before; not whole: one of them was not there any more. */
function openAll(
  path: string,
  siblings: Sibling[],
  known: Map<Sibling, OffsetRow>,
  before: TailFile | undefined,
  o: AfterDowntimeOptions,
): { last: TailFile | undefined; whole: boolean } {
  let last = before
  for (const sibling of siblings) {
    if (o.files.byKey.has(sibling.key)) continue
    const row = known.get(sibling)
    // A compressed copy has another inode: its row's offset counts decompressed bytes now.
    const wanted = row === undefined ? undefined : asStored(row, sibling)
    const file = o.rotated.open(sibling, path, wanted)
    if (file === undefined && !existsSync(sibling.path)) return { last, whole: false }
    if (row !== undefined) o.positions.claim(row)
    if (file === undefined) continue
    o.log.info(`${sibling.path} was rotated while the agent was away: reading on at ${file.offset}`, { path })
    file.after = last
    last = file
  }
  return { last, whole: true }
}

interface Identified {
  siblings: Sibling[]
  known: Map<Sibling, OffsetRow>
  gone: OffsetRow[]
}

/** Names may change while they are looked at (a rotation goes on): then it is looked again, a few times. */
function identify(path: string, rows: OffsetRow[], names: FolderNames | undefined): Identified {
  for (let look = 1; ; look++) {
    const siblings = siblingsOf(path, false, look === 1 ? names : undefined)
    const known = new Map<Sibling, OffsetRow>()
    const gone: OffsetRow[] = []
    for (const row of rows) {
      const sibling = siblings.find((s) => !known.has(s) && isFileOf(row, s))
      if (sibling === undefined) gone.push(row)
      else known.set(sibling, row)
    }
    if (gone.length === 0 || look === LOOKS || sameNames(siblings, siblingsOf(path))) {
      return { siblings, known, gone }
    }
  }
}

function sameNames(a: Sibling[], b: Sibling[]): boolean {
  return a.length === b.length && a.every(({ path, key }, i) => b[i]?.path === path && b[i]?.key === key)
}

/**
 * Nothing is known of what was in it, as a crash came before its first bytes were looked at, and it may have been
 * compressed since: any file that changed after it was opened is read.
 */
function mayBe(row: OffsetRow, sibling: Sibling): boolean {
  return row.offset === 0 && !row.fingerprintSize && sibling.mtimeMs >= row.created * 1000
}

/** A plain file's offset counts decompressed bytes of its copy; the row of a copy has its own. */
function asStored(row: OffsetRow, sibling: Sibling): OffsetRow {
  if (!sibling.path.endsWith('.gz') || row.name.endsWith('.gz')) return row
  return { ...row, streamOffset: row.streamOffset ?? row.offset, markerSize: 0 }
}

function noteGone(row: OffsetRow, path: string, o: AfterDowntimeOptions): void {
  o.counters.add('files_gone')
  o.log.warn(
    `${path} (inode ${row.inode}) is gone: what was written to it after offset ${row.offset} is not known`,
    {
      offset: row.offset,
      hint: 'it was deleted, or rotated out of its folder, while the agent was away',
    },
  )
  o.positions.remove(row)
}
