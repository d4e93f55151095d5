import type { S3Answer } from './answers.ts'
import type { ObjectKey } from './object-key.ts'

/** An object that may exist. */
export interface SoughtObject extends ObjectKey {
  /** Its size; undefined when that is not known. */
  bytes?: number | undefined
}

/**
 * What has the key of an object: this object, another one, or nothing. `unknown`: this account is not allowed to know, or the answer
 * proves nothing.
 */
export type Found = 'own' | 'other' | 'none' | 'unknown'

/** Has the id of an object. */
export const ID_HEADER = 'x-amz-meta-shipper-object'

/** True when the outermost element of an XML document has this name. */
export function hasRoot(text: string, name: string): boolean {
  return rootOf(text) === name
}

/** True for a text that the service does not answer with to a request that it has carried out: neither nothing nor a result. */
export function isForeign(text: string): boolean {
  return text.trim() !== '' && rootOf(text)?.endsWith('Result') !== true
}

/** Returns the name of the outermost element of an XML document. */
function rootOf(text: string): string | undefined {
  return /^\ufeff?\s*(?:<\?[^>]*>\s*)?<(?:\w{1,20}:)?([A-Za-z][\w.-]*)[\s/>]/.exec(text)?.[1]
}

/** Returns what an answer lacks that says that bytes were written, as a predicate; undefined when it lacks nothing. */
export function lackOfWrite({ header, text }: S3Answer): string | undefined {
  if (isForeign(text)) return 'is not that of the service'
  return header('etag')?.trim() ? undefined : 'has no ETag'
}

/**
 * Returns what an answer with success to HeadObject says. A web server or a proxy answers any request with a page, which has an ETag
 * as well: records would be skipped for an object that does not exist. So an object is this one only by its id, or, under a key that no
 * other one has, by its size where the store keeps no metadata.
 */
export function foundIn({ header }: Pick<S3Answer, 'header'>, sought: SoughtObject, isPage: boolean): Found {
  const id = header(ID_HEADER)
  if (id !== undefined && id === sought.objectId) return 'own'
  if (isPage || !header('etag')?.trim()) return 'unknown'
  if (!sought.isUnique) return 'other'
  const isSameSize = sought.bytes !== undefined && Number(header('content-length')) === sought.bytes
  return id === undefined && isSameSize ? 'own' : 'unknown'
}
