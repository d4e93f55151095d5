import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { identityKey } from './file.ts'

/** A file beside a followed one whose name begins with the same words: `x.log.1` beside `x.log`. */
export interface Sibling {
  path: string
  key: string
  inode: bigint
  size: number
  mtimeMs: number
  /** When it was created; 0 where the file system does not say. */
  bornMs: number
}

/** What rotation appends to a name: `.1`, `-20261121`, `.2026-11-21T06:00:00`, `.old`; and `.gz` behind it. */
const ROTATED = /^[._-]?(\d[\dTZ:._+-]*|old|bak)(\.gz)?$/

/**
 * Oldest change first, `path` itself left out. Only names that rotation makes, so that `app.log.json` beside `app.log` is
 * not taken for a part of it; `anyName`: for a caller that knows the identity it looks for.
 */
export function siblingsOf(path: string, anyName = false): Sibling[] {
  const folder = dirname(path)
  const stem = basename(path)
  const found: Sibling[] = []
  for (const name of namesIn(folder)) {
    if (name === stem || !name.startsWith(stem)) continue
    if (!anyName && !ROTATED.test(name.slice(stem.length))) continue
    const candidate = join(folder, name)
    const stat = statSync(candidate, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined || !stat.isFile()) continue
    found.push({
      path: candidate,
      key: identityKey(stat.dev, stat.ino),
      inode: stat.ino,
      size: Number(stat.size),
      mtimeMs: Number(stat.mtimeNs) / 1e6,
      bornMs: Number(stat.birthtimeNs) / 1e6,
    })
  }
  return found.sort((a, b) => a.mtimeMs - b.mtimeMs)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // The folder is gone and what was in it too: there are no siblings then.
    return []
  }
}
