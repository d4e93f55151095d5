/**
 * The memory, in bytes: below its own data and above it there is room for whoever calls.
 *
 * ```
 *   META   the pairs that each record gets
 *   IN     entries    OUT  the same with what was in their texts
 *   SLOTS  the keys of the record at hand, 64 bytes each
 * ```
 * Loads and stores are 16 bytes wide: up to 63 bytes behind pairs and input are read, as many behind the output written.
 */
export const META: usize = 8192
export const META_BYTES: usize = 32768
export const IN: usize = META + META_BYTES + 64
export const IN_BYTES: usize = 65536
export const OUT: usize = IN + IN_BYTES + 64
export const OUT_BYTES: usize = 131072
export const SLOTS: usize = OUT + OUT_BYTES + 64
export const MOST_KEYS: usize = 256
