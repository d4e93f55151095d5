import { Malformed } from './value-scanner.ts'

/** Other protocols that are often sent to the port, by their first byte. */
const KNOWN_PROTOCOLS: Record<number, string> = {
  22: 'a TLS handshake, which is not supported yet',
  71: 'an HTTP request',
  80: 'an HTTP request',
  91: 'JSON, but only MessagePack is supported',
  123: 'JSON, but only MessagePack is supported',
}

/** Returns the error for a first byte with which no message of the forward protocol begins. */
export function notForward(byte: number): Malformed {
  return new Malformed(KNOWN_PROTOCOLS[byte] ?? `the byte 0x${byte.toString(16)} where a message begins`)
}
