/** The container that a log belongs to, as far as the path, tag or journal field identifies it. */
export interface ContainerRef {
  pod: string
  namespace: string
  container: string | undefined
  dockerId: string | undefined
  /** Uid from the path under /var/log/pods; for a static pod this is the hash of its manifest. */
  uid: string | undefined
  /** Restart count of the container when this log was started. */
  restarts: number | undefined
  /** Beginning of `CONTAINER-ID`, of a name that the kubelet cut before the end of the id. */
  cut?: string
}

/**
 * Maximum length of a name, a uid or a hash: that of a DNS subdomain. What is longer was not made by a kubelet, and
 * names no container.
 */
export const MAX_NAME_LENGTH = 253
const ID_LENGTH = 64
const LOG_SUFFIX = '.log'
/** The kubelet cuts names in /var/log/containers to this length, without the suffix: 255 is the limit of ext4. */
const CUT_LENGTH = 255 - LOG_SUFFIX.length
const DIRECTORIES = ['var.log.containers.', 'var.log.pods.']
const MAX_RESTART_DIGITS = 9

/** Parses a tag made from a kubelet log path; returns undefined for any other tag. */
export function refFromTag(tag: string, prefix: string): ContainerRef | undefined {
  const rest = tag.startsWith(prefix) ? tag.slice(prefix.length) : afterDirectory(tag)
  return refFromContainerLog(rest) ?? refFromPodLog(rest)
}

/** Returns the part of a tag after the directory of the log, or the tag itself. */
function afterDirectory(tag: string): string {
  let end = 0
  for (const directory of DIRECTORIES) {
    const at = tag.lastIndexOf(directory)
    if (at === 0 || (at > 0 && tag[at - 1] === '.')) end = Math.max(end, at + directory.length)
  }
  return tag.slice(end)
}

/**
 * Parses `POD_NAMESPACE_CONTAINER-ID.log`, the kubelet's names under /var/log/containers; only pod names contain dots.
 * Of a name that was cut, pod and namespace are known if they are whole, and `cut` is what is left of the rest.
 */
function refFromContainerLog(text: string): ContainerRef | undefined {
  const podEnd = text.indexOf('_')
  const namespaceEnd = text.indexOf('_', podEnd + 1)
  if (podEnd < 1 || namespaceEnd < 0) return undefined
  const pod = text.slice(0, podEnd)
  const namespace = text.slice(podEnd + 1, namespaceEnd)
  const dot = text.indexOf('.', namespaceEnd)
  const end = dot < 0 ? text.length : dot
  const rest = text.slice(namespaceEnd + 1, Math.min(end, namespaceEnd + 2 + MAX_NAME_LENGTH + ID_LENGTH))
  if (!isPodName(pod) || !isName(namespace) || namespace.includes('.') || rest.includes('_')) return undefined
  const named = { pod, namespace, uid: undefined, restarts: undefined }
  const split = rest.length - ID_LENGTH - 1
  if (split > 0 && split <= MAX_NAME_LENGTH && rest[split] === '-' && isLowerAlphanumeric(rest, split + 1))
    return { ...named, container: rest.slice(0, split), dockerId: rest.slice(split + 1) }
  if (end !== CUT_LENGTH) return undefined
  return { ...named, container: undefined, dockerId: undefined, cut: rest }
}

/** Parses `NAMESPACE_POD_UID/CONTAINER/N.log` under /var/log/pods; in a tag, dots replace the slashes. */
export function refFromPodLog(text: string): ContainerRef | undefined {
  const namespaceEnd = text.indexOf('_')
  const podEnd = text.indexOf('_', namespaceEnd + 1)
  if (namespaceEnd < 1 || podEnd < 0) return undefined
  const namespace = text.slice(0, namespaceEnd)
  const pod = text.slice(namespaceEnd + 1, podEnd)
  const uidEnd = separatorAfter(text, podEnd + 1)
  const containerEnd = separatorAfter(text, uidEnd + 1)
  if (uidEnd < 0 || containerEnd < 0) return undefined
  const uid = text.slice(podEnd + 1, uidEnd)
  const container = text.slice(uidEnd + 1, containerEnd)
  const restarts = restartCount(text, containerEnd + 1)
  if (restarts === undefined || namespace.includes('.')) return undefined
  if (![namespace, pod, uid, container].every(isName)) return undefined
  return { pod, namespace, container, dockerId: undefined, uid, restarts }
}

/** Parses `N.log`, the rest of a path or tag, with or without the suffix of a rotated log. */
function restartCount(text: string, start: number): number | undefined {
  const end = text.indexOf('.', start)
  if (end <= start || end - start > MAX_RESTART_DIGITS || !text.startsWith(LOG_SUFFIX, end)) return undefined
  const after = text[end + LOG_SUFFIX.length]
  if (after !== undefined && after !== '.') return undefined
  for (let i = start; i < end; i++) if (!isDigit(text.charCodeAt(i))) return undefined
  return Number(text.slice(start, end))
}

/**
 * Parses the CONTAINER_NAME field of a journal record, `k8s_CONTAINER[.HASH]_POD_NAMESPACE_UID_ATTEMPT`, the container
 * name set by dockershim and cri-dockerd.
 */
export function refFromJournal(name: string): ContainerRef | undefined {
  if (name.length > 6 * MAX_NAME_LENGTH) return undefined
  const parts = name.split('_')
  if (parts.length !== 6 || !parts.every(isName)) return undefined
  const [, first = '', pod = '', namespace = '', uid = '', attempt = ''] = parts
  const dot = first.indexOf('.')
  const container = dot < 0 ? first : first.slice(0, dot)
  const restarts = restartCount(`${attempt}${LOG_SUFFIX}`, 0)
  if (restarts === undefined || !isName(container)) return undefined
  return { pod, namespace, container, dockerId: undefined, uid, restarts }
}

/** Returns the offset of the next dot or slash from `start`, or -1; an underscore before it ends the search. */
function separatorAfter(text: string, start: number): number {
  if (start < 1) return -1
  for (let i = start; i < text.length && i - start <= MAX_NAME_LENGTH; i++) {
    const c = text[i]
    if (c === '.' || c === '/') return i
    if (c === '_') return -1
  }
  return -1
}

function isName(text: string): boolean {
  return text.length > 0 && text.length <= MAX_NAME_LENGTH && !text.includes('/')
}

/** True for lower-case letters, digits, dots and dashes that begin and end with a letter or digit. */
function isPodName(text: string): boolean {
  if (!isName(text) || !isLowerAlphanumeric(text[0] as string) || !isLowerAlphanumeric(text.at(-1) as string))
    return false
  for (const c of text) if (c !== '.' && c !== '-' && !isLowerAlphanumeric(c)) return false
  return true
}

function isLowerAlphanumeric(text: string, start = 0): boolean {
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (!isDigit(c) && (c < 0x61 || c > 0x7a)) return false
  }
  return true
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39
}
