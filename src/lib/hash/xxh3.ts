/**
 * Returns XXH3-64 with seed 0 of 1 to 32 bytes as a signed 64-bit number, which fluent-bit stores as the marker of a
 * position. Throws RangeError for longer inputs, which are not needed.
 *
 * ```
 *    1-3   avalanche of the bytes and the length in 32 bits
 *    4-8   two overlapping 32-bit words
 *    9-16  two overlapping 64-bit words, folded 128-bit product
 *   17-32  the first and the last 16 bytes, folded likewise (the published path goes on to 128 bytes)
 * ```
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export function xxh3(bytes: Buffer): bigint {
  const n = bytes.length
  if (n < 1 || n > 32) throw new RangeError(`xxh3 takes 1 to 32 bytes, not ${n}`)
  const hash = n <= 3 ? upTo3(bytes) : n <= 8 ? upTo8(bytes) : n <= 16 ? upTo16(bytes) : upTo32(bytes)
  return BigInt.asIntN(64, hash)
}

const MASK = 0xffff_ffff_ffff_ffffn
const PRIME_1 = 0x9e3779b185ebca87n
const PRIME_2 = 0xc2b2ae3d27d4eb4fn
const PRIME_3 = 0x165667b19e3779f9n
const PRIME_MX1 = 0x165667919e3779f9n
const PRIME_MX2 = 0x9fb21c651e98df25n

/** The first 56 bytes of the published secret. */
const SECRET = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f' +
    'cb79e64eccc0e578825ad07dccff7221b8084674f743248e',
  'hex',
)
const FLIP_3 = BigInt(SECRET.readUInt32LE(0) ^ SECRET.readUInt32LE(4)) & 0xffff_ffffn
const FLIP_8 = word(SECRET, 8) ^ word(SECRET, 16)
const FLIP_16_LOW = word(SECRET, 24) ^ word(SECRET, 32)
const FLIP_16_HIGH = word(SECRET, 40) ^ word(SECRET, 48)
const S0 = word(SECRET, 0)
const S1 = word(SECRET, 8)
const S2 = word(SECRET, 16)
const S3 = word(SECRET, 24)

function upTo3(b: Buffer): bigint {
  const n = b.length
  const first = b[0] as number
  const middle = b[n >> 1] as number
  const last = b[n - 1] as number
  const combined = ((first << 16) | (middle << 24) | (n << 8) | last) >>> 0
  let h = BigInt(combined) ^ FLIP_3
  h = ((h ^ (h >> 33n)) * PRIME_2) & MASK
  h = ((h ^ (h >> 29n)) * PRIME_3) & MASK
  return h ^ (h >> 32n)
}

function upTo8(b: Buffer): bigint {
  const n = b.length
  const low = BigInt(b.readUInt32LE(n - 4))
  const high = BigInt(b.readUInt32LE(0))
  let h = (low | (high << 32n)) ^ FLIP_8
  h = ((h ^ rotate(h, 49n) ^ rotate(h, 24n)) * PRIME_MX2) & MASK
  h = ((h ^ ((h >> 35n) + BigInt(n))) * PRIME_MX2) & MASK
  return h ^ (h >> 28n)
}

function upTo16(b: Buffer): bigint {
  const n = b.length
  const low = word(b, 0) ^ FLIP_16_LOW
  const high = word(b, n - 8) ^ FLIP_16_HIGH
  return avalanche(BigInt(n) + swap(low) + high + fold(low * high))
}

function upTo32(b: Buffer): bigint {
  const n = b.length
  const head = fold((word(b, 0) ^ S0) * (word(b, 8) ^ S1))
  const tail = fold((word(b, n - 16) ^ S2) * (word(b, n - 8) ^ S3))
  return avalanche(BigInt(n) * PRIME_1 + head + tail)
}

function avalanche(sum: bigint): bigint {
  let h = sum & MASK
  h = ((h ^ (h >> 37n)) * PRIME_MX1) & MASK
  return h ^ (h >> 32n)
}

/** Returns the halves of a 128-bit product, exclusive-or'ed. */
function fold(product: bigint): bigint {
  return (product & MASK) ^ (product >> 64n)
}

function rotate(h: bigint, by: bigint): bigint {
  return ((h << by) | (h >> (64n - by))) & MASK
}

function swap(h: bigint): bigint {
  scratch.writeBigUInt64LE(h)
  return scratch.readBigUInt64BE(0)
}
const scratch = Buffer.alloc(8)

function word(b: Buffer, at: number): bigint {
  return b.readBigUInt64LE(at)
}
