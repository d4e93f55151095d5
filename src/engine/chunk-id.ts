import { hash } from 'node:crypto'

/**
 * 28 characters, an opaque text for the peer as fluent-bit's and fluentd's chunk ids are. Derived from where the bytes
 * come from rather than from the bytes: hashing every byte would cost as much as shipping them, and after a restart a
 * line has another reading time but the same origin. SHA-1 tells origins apart; nothing secret rests on it.
 */
export function originId(tag: string, origin: string): string {
  return hash('sha1', `${tag}\0${origin}`, 'base64')
}
