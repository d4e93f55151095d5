import { readlinkSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** The container that a log is of, as far as its tag, path or journal field tells. */
export interface ContainerRef {
  pod: string
  namespace: string
  container: string | undefined
  dockerId: string | undefined
  /** As in the path under /var/log/pods: of a static pod it is the hash of its manifest. */
  uid: string | undefined
  /** How often the container had been restarted. */
  restarts: number | undefined
}

/** `POD_NAMESPACE_CONTAINER-ID.log`, the names of the kubelet under /var/log/containers; only pods have dots. */
const CONTAINER_LOG =
  /^([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)_([^_.]+)_([^_.]+)-([a-z0-9]{64})(?:\.log)?(?:\..*)?$/
/** `NAMESPACE_POD_UID/CONTAINER/N.log` under /var/log/pods, in a tag with dots for slashes. */
const POD_LOG = /^([^_./]+)_([^_/]+)_([^_./]+)[./]([^_./]+)[./](\d+)\.log(?:\..*)?$/
const LOG_DIRECTORY = /^(?:.*\.)?var\.log\.(?:containers|pods)\./
const PODS_DIRECTORY = '/pods/'
const MAX_LINKS = 8
/** `k8s_CONTAINER[.HASH]_POD_NAMESPACE_UID_ATTEMPT`, the name that dockershim and cri-dockerd give a container. */
const JOURNAL_NAME = /^[^_]+_([^_.]+)(?:\.[^_]+)?_([^_]+)_([^_]+)_([^_]+)_(\d+)$/

/** By the names of files that the kubelet makes; undefined: the tag is of another form. */
export function refFromTag(tag: string, prefix: string): ContainerRef | undefined {
  const rest = tag.startsWith(prefix) ? tag.slice(prefix.length) : tag.replace(LOG_DIRECTORY, '')
  const file = CONTAINER_LOG.exec(rest)
  if (file === null) return refFromPodLog(rest)
  const [, pod = '', namespace = '', container, dockerId] = file
  return { pod, namespace, container, dockerId, uid: undefined, restarts: undefined }
}

/** Of `NAMESPACE_POD_UID.CONTAINER.N.log`, or the same with slashes. */
function refFromPodLog(text: string): ContainerRef | undefined {
  const found = POD_LOG.exec(text)
  if (found === null) return undefined
  const [, namespace = '', pod = '', uid, container, restarts] = found
  return { pod, namespace, container, dockerId: undefined, uid, restarts: Number(restarts) }
}

/**
 * With what the links of `path` tell more: the uid and the restarts. Each of them is looked at, since it need not be the
 * last that is under /var/log/pods: with docker its files are links to /var/lib/docker/containers.
 */
export function refineFromPath(ref: ContainerRef, path: string): ContainerRef {
  const found = followToPodLog(path)
  if (found === undefined || found.pod !== ref.pod || found.namespace !== ref.namespace) return ref
  return { ...ref, uid: found.uid, restarts: found.restarts, container: ref.container ?? found.container }
}

function followToPodLog(path: string): ContainerRef | undefined {
  let link = path
  for (let hop = 0; hop < MAX_LINKS; hop++) {
    const folder = link.lastIndexOf(PODS_DIRECTORY)
    const found = folder < 0 ? undefined : refFromPodLog(link.slice(folder + PODS_DIRECTORY.length))
    if (found !== undefined) return found
    try {
      link = resolve(dirname(link), readlinkSync(link))
    } catch {
      // No link, or gone: its name has told what it can.
      return undefined
    }
  }
  return undefined
}

export function refFromJournal(name: string): ContainerRef | undefined {
  const found = JOURNAL_NAME.exec(name)
  if (found === null) return undefined
  const [, container, pod = '', namespace = '', uid, restarts] = found
  return { pod, namespace, container, dockerId: undefined, uid, restarts: Number(restarts) }
}
