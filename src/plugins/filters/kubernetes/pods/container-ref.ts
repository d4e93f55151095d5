import { readlinkSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** The container that a log belongs to, as far as the tag, path or journal field identifies it. */
export interface ContainerRef {
  pod: string
  namespace: string
  container: string | undefined
  dockerId: string | undefined
  /** Uid from the path under /var/log/pods; for a static pod this is the hash of its manifest. */
  uid: string | undefined
  /** Restart count of the container when this log was started. */
  restarts: number | undefined
}

/** `POD_NAMESPACE_CONTAINER-ID.log`, the kubelet's names under /var/log/containers; only pod names contain dots. */
const CONTAINER_LOG =
  /^([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)_([^_.]+)_([^_.]+)-([a-z0-9]{64})(?:\.log)?(?:\..*)?$/
/** `NAMESPACE_POD_UID/CONTAINER/N.log` under /var/log/pods; in a tag, dots replace the slashes. */
const POD_LOG = /^([^_./]+)_([^_/]+)_([^_./]+)[./]([^_./]+)[./](\d+)\.log(?:\..*)?$/
const LOG_DIRECTORY = /^(?:.*\.)?var\.log\.(?:containers|pods)\./
const PODS_DIRECTORY = '/pods/'
const MAX_LINKS = 8
/** `k8s_CONTAINER[.HASH]_POD_NAMESPACE_UID_ATTEMPT`, the container name set by dockershim and cri-dockerd. */
const JOURNAL_NAME = /^[^_]+_([^_.]+)(?:\.[^_]+)?_([^_]+)_([^_]+)_([^_]+)_(\d+)$/

/** Parses a tag made from a kubelet log path; returns undefined for any other tag. */
export function refFromTag(tag: string, prefix: string): ContainerRef | undefined {
  const rest = tag.startsWith(prefix) ? tag.slice(prefix.length) : tag.replace(LOG_DIRECTORY, '')
  const file = CONTAINER_LOG.exec(rest)
  if (file === null) return refFromPodLog(rest)
  const [, pod = '', namespace = '', container, dockerId] = file
  return { pod, namespace, container, dockerId, uid: undefined, restarts: undefined }
}

/** Parses `NAMESPACE_POD_UID.CONTAINER.N.log`, with dots or slashes. */
function refFromPodLog(text: string): ContainerRef | undefined {
  const found = POD_LOG.exec(text)
  if (found === null) return undefined
  const [, namespace = '', pod = '', uid, container, restarts] = found
  return { pod, namespace, container, dockerId: undefined, uid, restarts: Number(restarts) }
}

/**
 * Adds the uid and restart count found by following the symbolic links of `path`. Every link is checked, since the last
 * target need not be under /var/log/pods: with Docker, the files there are links to /var/lib/docker/containers.
 */
export function refineFromPath(ref: ContainerRef, path: string): ContainerRef {
  const found = followToPodLog(path)
  if (found === undefined || found.pod !== ref.pod || found.namespace !== ref.namespace) return ref
  return { ...ref, uid: found.uid, restarts: found.restarts, container: ref.container ?? found.container }
}

/** Follows the links of `path` until one names a file under /var/log/pods. */
function followToPodLog(path: string): ContainerRef | undefined {
  let link = path
  for (let hop = 0; hop < MAX_LINKS; hop++) {
    const directory = link.lastIndexOf(PODS_DIRECTORY)
    const found = directory < 0 ? undefined : refFromPodLog(link.slice(directory + PODS_DIRECTORY.length))
    if (found !== undefined) return found
    try {
      link = resolve(dirname(link), readlinkSync(link))
    } catch {
      // Not a link, or deleted: there is nothing more to follow.
      return undefined
    }
  }
  return undefined
}

/** Parses the CONTAINER_NAME field of a journal record. */
export function refFromJournal(name: string): ContainerRef | undefined {
  const found = JOURNAL_NAME.exec(name)
  if (found === null) return undefined
  const [, container, pod = '', namespace = '', uid, restarts] = found
  return { pod, namespace, container, dockerId: undefined, uid, restarts: Number(restarts) }
}
