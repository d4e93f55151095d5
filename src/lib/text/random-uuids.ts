import { randomFillSync } from 'node:crypto'

const POOL_UUIDS = 256
const BYTES = 16
const HEX = Buffer.from('0123456789abcdef')
const DASH = 0x2d

/** Length of a UUID as text. */
export const UUID_BYTES = 36

/** Writes random UUIDs (version 4) as text. Random bytes are fetched for many of them, and nothing is allocated for one. */
export class RandomUuids {
  readonly #pool = Buffer.allocUnsafeSlow(POOL_UUIDS * BYTES)
  #next = this.#pool.length

  /** Writes UUID_BYTES bytes at out[at]; returns the offset after them. */
  write(out: Buffer, at: number): number {
    const pool = this.#pool
    if (this.#next === pool.length) {
      randomFillSync(pool)
      this.#next = 0
    }
    const start = this.#next
    this.#next += BYTES
    pool[start + 6] = ((pool[start + 6] as number) & 0x0f) | 0x40
    pool[start + 8] = ((pool[start + 8] as number) & 0x3f) | 0x80
    let to = at
    for (let i = 0; i < BYTES; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) out[to++] = DASH
      const byte = pool[start + i] as number
      out[to++] = HEX[byte >> 4] as number
      out[to++] = HEX[byte & 15] as number
    }
    return to
  }
}
