/** A small generator of numbers that depend on the seed only (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Returns a whole number from 0 to `n` - 1. */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}

/** Returns a number that depends on all bytes (FNV-1a): choices that are made from an input are the same in a replay. */
export function seedOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** Cuts bytes into pieces, mostly small ones, at places that depend on the bytes only. Each piece is a copy. */
export function pieces(bytes: Buffer): Buffer[] {
  const random = new Random(seedOf(bytes))
  const largest = random.pick([1, 3, 16, 300, 5000])
  const cut: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(largest)
    cut.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return cut
}
