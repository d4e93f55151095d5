/**
 * Memory layout, in bytes; the module's own data is between the fixed parts and the blocks.
 *
 * ```
 *   NAME    raw: the key of the pair whose value is sent, with its MessagePack head
 *   KEY     the key of every Kafka record
 *   HEAD    json, timed: the bytes before the time in a value
 *   IN      entries of a chunk     OUT  records of a batch
 *   MARKS   hashes of the keys of the maps that are being written, and PLACES, their addresses and sizes
 *   PARTS   lines: the bytes before, between and after the variable parts of a line, and PAIRS, where they are
 *   IDS     lines: ids of the next records     ENDS  where each record ended in IN and in OUT
 * ```
 * Loads and stores are 16 bytes wide: up to 15 bytes after the input are read, after the output written.
 */
export const NAME: usize = 1024
export const KEY: usize = 2048
export const HEAD: usize = 3072
export const FIXED_BYTES: usize = 1008
export const TIME: usize = 4096
export const IN: usize = 8192
export const IN_BYTES: usize = 65536
export const OUT: usize = IN + IN_BYTES + 64
export const OUT_BYTES: usize = 185920
/** Longer entries are left to the caller: the space reserved for their worst case would be missing for others. */
export const MAX_ENTRY_BYTES: usize = 16384
export const MARKS: usize = OUT + OUT_BYTES + 64
export const MAX_KEYS: u32 = 128
export const PLACES: usize = MARKS + (MAX_KEYS as usize) * 4 + 16
export const PARTS: usize = 262144
export const PARTS_BYTES: usize = 12288
export const PREFIX_BYTES: usize = 4096
/** Numbers of 32 bits that describe the pairs in PARTS: assembly/records/pairs.ts. */
export const PAIRS: usize = PARTS + PARTS_BYTES + 64
export const PAIRS_BYTES: usize = 512
export const MAX_LINES: u32 = 1024
export const ID_BYTES: usize = 26
export const IDS: usize = PAIRS + PAIRS_BYTES
export const IDS_BYTES: usize = (MAX_LINES as usize) * ID_BYTES
export const ENDS: usize = IDS + IDS_BYTES + 64
export const ENDS_BYTES: usize = (MAX_LINES as usize) * 8
