/**
 * CRC-32C is the remainder of the bytes, as a polynomial, by P. A multiple of P with few terms makes that a matter of
 * shifts: x^209 + x^144 + x^54 + x^39 + x^14 + 1 is the one of lowest degree with six (none has four below x^5000), and
 * as squaring keeps what is divisible, the same holds with 128 times the exponents, that is for blocks of 16 bytes. The
 * first block is therefore as good as five others further on, and so block by block, without a table or a product:
 *
 * ```
 *   HISTORY | DATA  b0 b1 b2 ... --fold-->  v[i] = b[i] ^ v[i-65] ^ v[i-155] ^ v[i-170] ^ v[i-195] ^ v[i-209]
 * ```
 * The last 209 blocks of all get only what the blocks before them are worth; their remainder is left to the caller.
 */
const BLOCK: usize = 16
const BACK: usize = 209 * BLOCK

export const DATA: usize = 4096
export const DATA_BYTES: usize = 61440
/** What is to be there when `finish` is called, or more. */
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

/** Takes `size` bytes of DATA, a multiple of 16, behind which there are more. */
export function feed(size: usize): void {
  fold(DATA + size)
  memory.copy(DATA - BACK, DATA + size - BACK, BACK)
}

/** Takes the last `size` bytes; the remainder of all is that of DATA from the offset it returns to `size`. */
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

/** What the folded blocks before `lead` are worth, so many further on. */
@inline
function add(lead: usize, blocks: usize): void {
  const end = lead + blocks * BLOCK
  for (let p = lead; p < end; p += BLOCK) v128.store(p, v128.xor(v128.load(p), back(p, blocks)))
}
