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
 * The last 209 blocks only receive the terms of the blocks before them; their remainder comes from tables, eight bytes a step.
 */
const BLOCK: usize = 16
const BACK: usize = 209 * BLOCK

export const DATA: usize = 4096
export const DATA_BYTES: usize = 61440
/** Minimum number of bytes that `finish` needs. */
export const LAST_BYTES: usize = BACK + BLOCK

/** Reflected form of the Castagnoli polynomial. */
const POLYNOMIAL: u32 = 0x82f63b78
/** Eight tables of 256 words: table k has the remainders of each byte followed by k zero bytes. */
const TABLES: usize = 65536
const TABLE_BYTES: usize = 1024

export function setup(): void {
  for (let b: u32 = 0; b < 256; b++) {
    let rest = b
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? POLYNOMIAL : 0)
    store<u32>(TABLES + (b << 2), rest)
  }
  for (let at = TABLES + TABLE_BYTES; at < TABLES + 8 * TABLE_BYTES; at += 4) {
    const rest = load<u32>(at - TABLE_BYTES)
    store<u32>(at, (rest >>> 8) ^ entry(0, rest))
  }
}

/** Returns the entry of table k for the lowest byte. */
@inline
function entry(k: usize, byte: u32): u32 {
  return load<u32>(TABLES + k * TABLE_BYTES + ((byte & 0xff) << 2))
}

function remainder(from: usize, to: usize): u32 {
  let rest: u32 = 0
  let p = from
  for (; p + 8 <= to; p += 8) {
    const low = load<u32>(p) ^ rest
    const high = load<u32>(p + 4)
    const first = entry(7, low) ^ entry(6, low >>> 8) ^ entry(5, low >>> 16) ^ entry(4, low >>> 24)
    rest = first ^ entry(3, high) ^ entry(2, high >>> 8) ^ entry(1, high >>> 16) ^ entry(0, high >>> 24)
  }
  for (; p < to; p++) rest = (rest >>> 8) ^ entry(0, rest ^ load<u8>(p))
  return rest
}

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

/** Folds the last `size` bytes, and returns the remainder of all bytes. */
export function finish(size: usize): u32 {
  const lead = DATA + (size & ~(BLOCK - 1)) - BACK
  fold(lead)
  add(lead, 65)
  add(lead, 155)
  add(lead, 170)
  add(lead, 195)
  add(lead, 209)
  return remainder(lead, DATA + size)
}

/** Adds the folded blocks before `lead` to those `blocks` further on. */
@inline
function add(lead: usize, blocks: usize): void {
  const end = lead + blocks * BLOCK
  for (let p = lead; p < end; p += BLOCK) v128.store(p, v128.xor(v128.load(p), back(p, blocks)))
}
