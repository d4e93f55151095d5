import { dirname, resolve } from 'node:path'
import { FsFailure, lstat, readLink, realPath, stat } from '../../../../lib/fs/file-system.ts'
import { identityKey } from '../file/identity.ts'

/** Symbolic links followed one by one when the target does not exist. */
const MAX_LINKS = 8
/** Suffix of the kernel's name for an open file that has been deleted. */
const DELETED = ' (deleted)'

/**
 * Returns the path that a path resolves to, also when nothing is there any more: rotation renames the file to which a
 * link leads.
 */
export function linkTarget(path: string): string {
  let target = path
  for (let links = 0; links < MAX_LINKS; links++) {
    const real = realPath(target)
    if (!(real instanceof FsFailure)) return real
    // Its last part is missing, or a link's target is.
    const text = readLink(target)
    if (text instanceof FsFailure) return target
    target = resolve(dirname(target), text)
  }
  return target
}

/** Returns what a link points to, which may be another link; `path` itself if it is not a link. */
export function firstTarget(path: string): string {
  // Reading what is not a link fails, and a failed call costs several times as much as one that succeeds.
  const found = lstat(path)
  if (found instanceof FsFailure || !found.isSymbolicLink()) return path
  const target = readLink(path)
  return target instanceof FsFailure ? path : resolve(dirname(path), target)
}

/** True unless there is a file of its own at the path: a link may be removed before it is created anew. */
export function mayBeLink(path: string): boolean {
  const found = lstat(path)
  return found instanceof FsFailure || !found.isFile()
}

/** Returns the present path of the open file with this identity key; undefined when it has none, or the kernel does not tell. */
export function kernelPathOf(fd: number, key: string): string | undefined {
  const name = readLink(`/proc/self/fd/${fd}`)
  if (name instanceof FsFailure || name.endsWith(DELETED)) return undefined
  const found = stat(name)
  return !(found instanceof FsFailure) && identityKey(found.dev, found.ino) === key ? name : undefined
}

/**
 * Returns the path by which the kernel knows the open file, which a deleted file had last; undefined when the kernel does not
 * tell. Unlike `kernelPathOf` it does not say that the file is there now.
 */
export function lastKernelPathOf(fd: number): string | undefined {
  const name = readLink(`/proc/self/fd/${fd}`)
  if (name instanceof FsFailure || !name.startsWith('/')) return undefined
  return name.endsWith(DELETED) ? name.slice(0, -DELETED.length) : name
}
