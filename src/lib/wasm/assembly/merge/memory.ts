/**
 * Memory layout, in bytes: the regions of the caller are above the module's own data.
 *
 * ```
 *   META   the pairs that each record gets
 *   IN     entries    OUT  the same entries with the fields of their lines
 *   SLOTS  the keys of the current record, 64 bytes each
 * ```
 * Loads and stores are 16 bytes wide: up to 63 bytes after pairs and input are read, as many after the output written.
 */
export const META: usize = 8192
export const META_BYTES: usize = 32768
export const IN: usize = META + META_BYTES + 64
export const IN_BYTES: usize = 65536
export const OUT: usize = IN + IN_BYTES + 64
export const OUT_BYTES: usize = 131072
export const SLOTS: usize = OUT + OUT_BYTES + 64
export const MAX_KEYS: usize = 256
