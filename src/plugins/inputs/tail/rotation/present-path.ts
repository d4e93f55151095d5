import type { TailFile } from '../file/tail-file.ts'
import { kernelPathOf } from '../tracking/link-target.ts'
import { siblingsOf } from './siblings.ts'

/**
 * Returns the present path of an open file; undefined when it has none. The kernel knows it, wherever the
 * file went. Without /proc the file is searched for among the siblings of the path.
 */
export function presentPathOf({ handle, identity }: TailFile, path: string): string | undefined {
  const name = kernelPathOf(handle.fd, identity.key)
  if (name !== undefined) return name
  return siblingsOf(path).find(({ key }) => key === identity.key)?.path
}
