import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './bootstrap.mjs'
import { INGREDIENTS } from './ingredients.mjs'

/** Length of commit ids. Fixed, because git's own choice varies and the id is part of the binary, which is reproducible. */
const ID_LENGTH = 10

/** Reads package.json, which is the only source of the version and of the license (an SPDX id). */
export function packageJson(): { version: string; license: string } {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
}

/** Returns the short id of the commit, with `-dirty` if the sources differ from it; `unknown` outside a git work tree. */
export function commitOf(root = ROOT): string {
  const id = git(root, 'rev-parse', 'HEAD')?.slice(0, ID_LENGTH)
  if (id === undefined) return 'unknown'
  return changes(root, INGREDIENTS) === '' ? id : `${id}-dirty`
}

/** Returns the lines of `git status` for changed or new files in these paths; empty outside a git work tree. */
export function changes(root: string, paths: string[]): string {
  return git(root, 'status', '--porcelain', '--untracked-files=normal', '--', ...paths) ?? ''
}

/** Returns the time of a build in seconds since 1970: SOURCE_DATE_EPOCH or the commit time; undefined without both. */
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
    // --git-dir: a directory inside the work tree of another project does not belong to that project.
    const all = ['-C', root, `--git-dir=${join(root, '.git')}`, `--work-tree=${root}`, ...args]
    return execFileSync('git', all, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}
