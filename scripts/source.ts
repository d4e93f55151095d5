import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './bootstrap.mjs'
import { INGREDIENTS } from './ingredients.mjs'

/** Always as many, whatever git thinks is enough: the id is part of the binary, and the same input gives the same bytes. */
const ID_LENGTH = 10

/** What package.json alone says: the version, and the SPDX id of our licence. */
export function ofPackage(): { version: string; license: string } {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
}

/** Short id of the commit, `-dirty` behind it when the sources differ from it; `unknown` outside a git work tree. */
export function commitOf(root = ROOT): string {
  const id = git(root, 'rev-parse', 'HEAD')?.slice(0, ID_LENGTH)
  if (id === undefined) return 'unknown'
  return changes(root, INGREDIENTS) === '' ? id : `${id}-dirty`
}

/** What git calls changed or new, a line each, of these paths or of all; empty outside a git work tree. */
export function changes(root: string, paths: string[]): string {
  return git(root, 'status', '--porcelain', '--untracked-files=normal', '--', ...paths) ?? ''
}

/** Seconds since 1970 of what is built: SOURCE_DATE_EPOCH, else the commit's time; undefined where there is neither. */
export function sourceTime(root = ROOT, env = process.env): number | undefined {
  const text = env.SOURCE_DATE_EPOCH || git(root, 'log', '-1', '--format=%ct')
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    throw new Error(`SOURCE_DATE_EPOCH is not a number of seconds: ${text}`)
  return seconds
}

function git(root: string, ...args: string[]): string | undefined {
  try {
    // --git-dir: a folder below another project's work tree is not of that project.
    const all = ['-C', root, `--git-dir=${join(root, '.git')}`, `--work-tree=${root}`, ...args]
    return execFileSync('git', all, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}
