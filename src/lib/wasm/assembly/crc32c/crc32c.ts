/**
 * CRC-32C is the remainder of the bytes, taken as a polynomial, modulo P. A multiple of P with few terms reduces the
 * division to shifts: x^209 + x^144 + x^54 + x^39 + x^14 + 1 is the multiple of lowest degree with six terms (none has
 * four below x^5000). Squaring keeps divisibility, so the same holds with 128 times the exponents, that is for blocks of
 * 16 bytes. The first block can therefore be replaced by five others further on, and so block by block, without a table
 * or a multiplication:
 *
 * ```
 *   HISTORY | DATA  b0 b1 b2 ... --fold-->  v[i] = b[i] ^ v[i-65] ^ v[i-155] ^ v[i-170] ^ v[i-195] ^ v[i-209]
 * ```
 * The last 209 blocks only receive the terms of the blocks before them; the caller computes their remainder.
 */
const BLOCK: usize = 16
const BACK: usize = 209 * BLOCK

export const DATA: usize = 4096
export const DATA_BYTES: usize = 61440
/** Minimum number of bytes that `finish` needs. */
export const LAST_BYTES: usize = BACK + BLOCK

export function begin(): void {
  memory.fill(DATA - BACK, 0, BACK)
}

@inline
function back(p: usize, blocks: usize): v128 {
  return v128.load(p - blocks * BLOCK)
}

@inline
function fold(end: usize): void {
  for (let p = DATA; p < end; p += BLOCK) {
    const near = v128.xor(v128.xor(back(p, 65), back(p, 155)), back(p, 170))
    v128.store(p, v128.xor(v128.xor(near, v128.load(p)), v128.xor(back(p, 195), back(p, 209))))
  }
}

/** Folds `size` bytes of DATA, a multiple of 16; more bytes must follow. */
export function feed(size: usize): void {
  fold(DATA + size)
  memory.copy(DATA - BACK, DATA + size - BACK, BACK)
}

/** Folds the last `size` bytes; returns an offset: the remainder of all bytes is that of DATA from there to `size`. */
export function finish(size: usize): usize {
  const lead = DATA + (size & ~(BLOCK - 1)) - BACK
  fold(lead)
  add(lead, 65)
  add(lead, 155)
  add(lead, 170)
  add(lead, 195)
  add(lead, 209)
  return lead - DATA
}

/** Adds the folded blocks before `lead` to those `blocks` further on. */
@inline
function add(lead: usize, blocks: usize): void {
  const end = lead + blocks * BLOCK
  for (let p = lead; p < end; p += BLOCK) v128.store(p, v128.xor(v128.load(p), back(p, blocks)))
}
