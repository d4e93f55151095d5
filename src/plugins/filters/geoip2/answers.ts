import { isIPv4, isIPv6 } from 'node:net'

/** Longest text of an address: an IPv6 address whose end is written as IPv4. */
const MAX_ADDRESS_CHARS = 45
const SLOTS = 4096
/** Space of a text in the cache. */
const TEXT_BYTES = 48

/**
 * The last answers by the text of the address. A new one takes the place of one with the same hash, so memory is bounded, and
 * an answer that is there is found without a string.
 */
export class AnswerCache<T> {
  readonly #lengths = new Uint8Array(SLOTS)
  readonly #texts = Buffer.alloc(SLOTS * TEXT_BYTES)
  readonly #answers: (T | undefined)[] = new Array(SLOTS)

  /** Returns the answer for the text buf[start, end), made by `make` when it is not there; undefined: it is too long for an address. */
  get(buf: Buffer, start: number, end: number, make: (text: string) => T): T | undefined {
    const length = end - start
    if (length === 0 || length > MAX_ADDRESS_CHARS) return undefined
    let hash = 0x811c9dc5
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (buf[i] as number), 0x01000193)
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    const answer = this.#answers[slot]
    if (answer !== undefined && this.#isAt(slot, buf, start, length)) return answer
    const made = make(buf.toString('latin1', start, end))
    this.#answers[slot] = made
    this.#lengths[slot] = length
    buf.copy(this.#texts, slot * TEXT_BYTES, start, end)
    return made
  }

  #isAt(slot: number, buf: Buffer, start: number, length: number): boolean {
    if (this.#lengths[slot] !== length) return false
    const texts = this.#texts
    const at = slot * TEXT_BYTES
    for (let i = 0; i < length; i++) if (texts[at + i] !== buf[start + i]) return false
    return true
  }
}

const MAPPED = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/

/** Returns an address in its usual form, an IPv4 address within an IPv6 address as IPv4; undefined for other texts. */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return undefined
  const { hostname } = new URL(`http://[${text}]/`)
  const [, high = '', low = ''] = MAPPED.exec(hostname) ?? []
  if (high === '') return hostname.slice(1, -1)
  const bits = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return bits.flatMap((part) => [part >> 8, part & 255]).join('.')
}
