import { hash } from 'node:crypto'

/**
 * Returns the id of a chunk: 28 characters, opaque for the peer like fluent-bit's and fluentd's chunk ids. It is derived
 * from the origin of the bytes and not from the bytes: hashing every byte would cost as much as shipping it, and after a
 * restart a line has another reading time but the same origin. SHA-1 distinguishes origins; no security depends on it.
 */
export function originId(tag: string, origin: string): string {
  return hash('sha1', `${tag}\0${origin}`, 'base64')
}
