import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'

const LINE = /^(\d+)\/(\d+) /gm

/**
 * Returns, by line number, the files below `root` that contain each line of the row, compressed with gzip or
 * not.
 */
export function linesPresent(root: string, row: number): Map<number, string[]> {
  const found = new Map<number, string[]>()
  for (const entry of entriesBelow(root)) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    for (const [, ofRow, n] of textOf(path).matchAll(LINE)) {
      if (Number(ofRow) !== row) continue
      const names = found.get(Number(n)) ?? []
      found.set(Number(n), [...names, relative(root, path)])
    }
  }
  return found
}

function entriesBelow(root: string): Dirent[] {
  return existsSync(root) ? readdirSync(root, { recursive: true, withFileTypes: true }) : []
}

function textOf(path: string): string {
  const bytes = readFileSync(path)
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1')
}
