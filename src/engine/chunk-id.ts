import { createHash } from 'node:crypto'

/**
 * Base64 of 16 bytes, as fluent-bit's and fluentd's chunk ids are. Derived from where the bytes come from rather than
 * from the bytes: hashing every byte would cost as much as shipping them, and after a restart a line has another
 * reading time but the same origin.
 */
export function originId(tag: string, origin: string): string {
  return createHash('sha1')
    .update(tag)
    .update('\0')
    .update(origin)
    .digest()
    .subarray(0, 16)
    .toString('base64')
}
