/**
 * Memory layout, in bytes: the regions of the caller are below and above the module's own data.
 *
 * ```
 *   PREFIX  entry head, map head, path and offset pairs, key: the bytes before a raw line, padded to 16
 *   SUFFIX  path and offset pairs: the bytes after a parsed map, padded to 16
 *   TIME_KEY  CRI: the key of the time, padded to 16
 *   OUT_PAIRS, ERR_PAIRS  CRI: the pairs before the text and its key, for stdout and stderr, padded to 16
 *   IN      bytes of a file    OUT  entries    STARTS  where the line of each entry begins: its offset in IN (u32)
 * ```
 * Loads and stores are 16 bytes wide: up to 15 bytes after the input are read, after the output written.
 */
export const PREFIX: usize = 1024
export const SUFFIX: usize = 9216
export const FIXED_BYTES: usize = 8192
export const TIME_KEY: usize = 256
export const OUT_PAIRS: usize = 512
export const ERR_PAIRS: usize = 768
export const PAIRS_BYTES: usize = 192
export const IN: usize = 65536
export const IN_BYTES: usize = 262144
export const OUT: usize = IN + IN_BYTES + 64
export const OUT_BYTES: usize = 98304
export const STARTS: usize = OUT + OUT_BYTES + 64
/** Enough for the shortest entries, of 12 bytes. */
export const STARTS_BYTES: usize = 32768
