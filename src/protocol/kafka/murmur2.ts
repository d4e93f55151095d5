const SEED = 0x9747b28c
const M = 0x5bd1e995

/**
 * Returns the MurmurHash2 of buf[start, end) with the seed of Apache Kafka's Java client, as a signed 32-bit number, so
 * that a key selects the same partition as in a Java producer.
 */
export function murmur2(buf: Uint8Array, start: number, end: number): number {
  const length = end - start
  const words = start + (length & ~3)
  let h = SEED ^ length
  for (let p = start; p < words; p += 4) {
    let k = (buf[p] as number) | ((buf[p + 1] as number) << 8) | ((buf[p + 2] as number) << 16)
    k = Math.imul(k | ((buf[p + 3] as number) << 24), M)
    h = Math.imul(h, M) ^ Math.imul(k ^ (k >>> 24), M)
  }
  const rest = length & 3
  if (rest > 2) h ^= (buf[words + 2] as number) << 16
  if (rest > 1) h ^= (buf[words + 1] as number) << 8
  if (rest > 0) h = Math.imul(h ^ (buf[words] as number), M)
  h = Math.imul(h ^ (h >>> 13), M)
  return h ^ (h >>> 15)
}

/** Returns the partition of a key, out of `count`, as the default partitioner of the Java client does. */
export function partitionOf(buf: Uint8Array, start: number, end: number, count: number): number {
  return (murmur2(buf, start, end) & 0x7fffffff) % count
}
