/**
 * The memory, in bytes: below its own data and above it there is room for whoever calls.
 *
 * ```
 *   SIGNS, KEYS, LENGTHS  of each key of the record at hand: a word made of its text, where that is, and its length
 *   META   the pairs that each record gets
 *   IN     entries    OUT  the same with what was in their texts
 * ```
 * Loads and stores are 16 bytes wide: up to 15 bytes behind the input are read, up to 32 behind the output written.
 */
export const SIGNS: usize = 1024
export const KEYS: usize = 2048
export const LENGTHS: usize = 3072
export const MOST_KEYS: i32 = 256
export const META: usize = 8192
export const META_BYTES: usize = 32768
export const IN: usize = META + META_BYTES + 64
export const IN_BYTES: usize = 65536
export const OUT: usize = IN + IN_BYTES + 64
export const OUT_BYTES: usize = 131072
