import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { SERIES } from '../forward/series.ts'

/** Files of the agent. */
const OF_AGENT = /\.(?:db|db-.*|conf)$/

/** Returns where lines are now, for the report of a failure: a line of text for each place. */
export function placesOf(dir: string, lines: readonly { series: number; at: number }[]): string {
  const files = contentsIn(dir)
  return lines
    .map(({ series, at }) => {
      const n = String(series * SERIES + at)
      const found = files.flatMap(({ name, bytes }) =>
        offsetsOf(bytes, n).map((offset) => `${name} at ${offset}`),
      )
      return `  line ${n}: ${found.join(', ') || 'in no file, or split'}\n`
    })
    .join('')
}

/** Returns the files of the folder with their sizes and inodes, a line for each. */
export function filesIn(dir: string): string {
  return entriesIn(dir)
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false })
      return `  ${relative(dir, path)} ${stat?.size ?? 'gone'} bytes, inode ${stat?.ino}\n`
    })
    .join('')
}

function contentsIn(dir: string): { name: string; bytes: Buffer }[] {
  return entriesIn(dir).map((path) => ({ name: relative(dir, path), bytes: contentOf(path) }))
}

function contentOf(path: string): Buffer {
  try {
    const bytes = readFileSync(path)
    return path.endsWith('.gz') ? gunzipSync(bytes) : bytes
  } catch {
    // A link to nothing or a copy that is being made: no line is there.
    return Buffer.alloc(0)
  }
}

function offsetsOf(bytes: Buffer, n: string): number[] {
  const offsets: number[] = []
  const text = `${n} `
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1))
    if (at === 0 || !isDigit(bytes[at - 1] as number)) offsets.push(at)
  return offsets
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

function entriesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry: Dirent) => !entry.isDirectory() && !OF_AGENT.test(entry.name))
    .map((entry: Dirent) => join(entry.parentPath, entry.name))
    .sort()
}
