import { dirname, resolve } from 'node:path'
import { FsFailure, readLink } from '../../../../lib/fs/file-system.ts'
import { type ContainerRef, refFromPodLog } from './container-ref.ts'

const PODS_DIRECTORY = '/pods/'
/** Directories of a pod's volumes under the kubelet's directory: whoever writes there chooses all names in them. */
const VOLUME_DIRECTORIES = ['/volumes/', '/volume-subpaths/']
const MAX_LINKS = 8

/**
 * Returns the reference of the log at `path`: what the directory under /var/log/pods says comes first, as the name of a
 * link and the tag made of it may be cut. Of the tag's reference, only the container id is added, which that directory
 * does not have. `target` is what the path pointed to when it was opened, if that is known: the link may have another
 * target now.
 */
export function refFromPath(
  ref: ContainerRef | undefined,
  path: string,
  target?: string,
): ContainerRef | undefined {
  const found = (target === undefined ? undefined : followToPodLog(target)) ?? followToPodLog(path)
  if (found === undefined) return ref
  const isSame =
    ref !== undefined &&
    ref.pod === found.pod &&
    ref.namespace === found.namespace &&
    ref.container === found.container
  return isSame ? { ...found, dockerId: ref.dockerId } : found
}

/**
 * Follows the links of `path` until one names a file under /var/log/pods. Every link is checked, since the last target
 * need not be there: with Docker, the files there are links to /var/lib/docker/containers.
 */
function followToPodLog(path: string): ContainerRef | undefined {
  let link = path
  for (let hop = 0; hop < MAX_LINKS; hop++) {
    const directory = link.lastIndexOf(PODS_DIRECTORY)
    const found = directory < 0 ? undefined : refFromPodLog(link.slice(directory + PODS_DIRECTORY.length))
    if (found !== undefined)
      return VOLUME_DIRECTORIES.some((name) => link.lastIndexOf(name, directory) >= 0) ? undefined : found
    const next = readLink(link)
    // Not a link, or deleted: there is nothing more to follow.
    if (next instanceof FsFailure) return undefined
    link = resolve(dirname(link), next)
  }
  return undefined
}
