import { FsFailure, readLink, stat } from '../../../../lib/fs/file-system.ts'
import { identityKey } from '../file/identity.ts'
import type { TailFile } from '../file/tail-file.ts'
import { siblingsOf } from './siblings.ts'

/** Suffix of the kernel's name for an open file that has been deleted. */
const DELETED = ' (deleted)'

/**
 * Returns the present path of an open file; undefined when it has none. The kernel knows it wherever the file went; where it does not
 * tell (no /proc), the siblings of the path are searched.
 */
export function presentPathOf({ handle, identity }: TailFile, path: string): string | undefined {
  const name = readLink(`/proc/self/fd/${handle.fd}`)
  if (!(name instanceof FsFailure) && !name.endsWith(DELETED)) {
    const found = stat(name)
    if (!(found instanceof FsFailure) && identityKey(found.dev, found.ino) === identity.key) return name
  }
  return siblingsOf(path).find(({ key }) => key === identity.key)?.path
}
