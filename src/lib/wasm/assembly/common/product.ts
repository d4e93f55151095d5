/** Upper and lower 64 bits of the last product. */
export let high: u64 = 0
export let low: u64 = 0

/** Sets `high` and `low` to a * b, by products of 32 bits. */
@inline
export function multiply(a: u64, b: u64): void {
  const a0 = a & 0xffffffff
  const a1 = a >> 32
  const b0 = b & 0xffffffff
  const b1 = b >> 32
  const inner = a1 * b0 + ((a0 * b0) >> 32)
  const outer = a0 * b1 + (inner & 0xffffffff)
  high = a1 * b1 + (inner >> 32) + (outer >> 32)
  low = a * b
}
