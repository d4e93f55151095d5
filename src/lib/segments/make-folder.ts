import { dirname } from 'node:path'
import { FsFailure, makeDirectories, stat, syncDirectory } from '../fs/file-system.ts'

/** Makes a folder with its parents, if it does not exist, and waits until all of their names are on the disk. */
export function makeFolder(folder: string): FsFailure | undefined {
  const missing: string[] = []
  for (let at = folder; stat(at) instanceof FsFailure && dirname(at) !== at; at = dirname(at))
    missing.push(at)
  let failure = makeDirectories(folder, 0o700)
  for (const made of missing) failure ??= syncDirectory(dirname(made))
  return failure
}
