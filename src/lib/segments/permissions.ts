import { FsFailure, stat } from '../fs/file-system.ts'

/** Permission bits of a folder with which others may delete what is in it. */
const WRITABLE_BY_OTHERS = 0o022n

/** Returns a warning when others may write to the folder of a log, which the agent uses nevertheless. */
export function permissionWarning(folder: string): string | undefined {
  const found = stat(folder)
  if (found instanceof FsFailure || (found.mode & WRITABLE_BY_OTHERS) === 0n) return undefined
  const mode = (found.mode & 0o777n).toString(8)
  return `other users may write to the buffer ${folder} (permissions ${mode}), and so add, change and delete records: chmod 700 ${folder}`
}
