import { dirname } from 'node:path'
import type { SourceLocation } from '../../core/error.ts'

/** Files with code of users. Modules are those of the process, so this list is too; it grows only with the configuration. */
const files = new Set<string>()

/** Folder of the files within the binary. */
const BUNDLED = '/$bunfs/'

/** Notes that the code of this file, an absolute path, and of what it imports runs in this process. */
export function noteUserCode(path: string): void {
  files.add(path)
}

/** True when code of users runs in this process. */
export function hasUserCode(): boolean {
  return files.size > 0
}

/**
 * Returns the innermost place of an error's stack that is in a file of users, or beside or below one; undefined when there is none,
 * as for a thrown value that is no error. Never throws, whatever the error is.
 */
export function userCodePlace(error: unknown): SourceLocation | undefined {
  if (files.size === 0) return undefined
  return framesOf(error).find(({ file }) => isOfUser(file))
}

/** Returns the places of a stack that are not in the binary, from the innermost on. */
export function framesOf(error: unknown): SourceLocation[] {
  try {
    const { stack } = error as { stack?: string }
    return [...String(stack).matchAll(FRAME)]
      .map(([, file = '', line, col]) => ({ file, line: Number(line), col: Number(col) }))
      .filter(({ file }) => !file.startsWith(BUNDLED))
  } catch {
    return []
  }
}

function isOfUser(file: string): boolean {
  if (files.has(file)) return true
  for (const known of files) if (file.startsWith(`${dirname(known)}/`)) return true
  return false
}

/** A line of a stack: `at name (file:///path:1:2)` or `at /path:1:2`. */
const FRAME = /^\s*at .*?(?:file:\/\/)?(\/[^():]*):(\d+):(\d+)\)?$/gm
