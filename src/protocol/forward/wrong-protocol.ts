import { Malformed } from './value-scanner.ts'

/** What else is often sent to the port, by its first byte. */
const STRANGERS: Record<number, string> = {
  22: 'a greeting of TLS, which is not spoken here yet',
  71: 'a request of HTTP',
  80: 'a request of HTTP',
  91: 'JSON, and only MessagePack is read here',
  123: 'JSON, and only MessagePack is read here',
}

/** For the byte of a peer with which no message of the forward protocol begins. */
export function notForward(byte: number): Malformed {
  return new Malformed(STRANGERS[byte] ?? `the byte 0x${byte.toString(16)} where a message begins`)
}
