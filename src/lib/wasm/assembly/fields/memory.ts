/**
 * Memory layout, in bytes: the regions of the caller are above the module's own data, which begins at 1024. The memory of the
 * matchers of expressions follows (src/lib/regex/wasm/layout.ts).
 *
 * ```
 *   META    the pairs that each record gets
 *   PREFIX  entry head, map head, path and offset pairs, key: the bytes before a line that is not parsed, padded to 16
 *   SUFFIX  path and offset pairs: the bytes after a parsed map, padded to 16
 *   ROWS    tables of the fields of parsers, and their keys    PARSERS    what is known of the parsers: parser.ts
 *   FAILS   lines that were not parsed
 *   IN      bytes of a file    ENTRIES  entries of a chunk: filters have their turn while a file is read    OUT  entries
 *   STARTS  where the line of each entry in OUT begins: its offset in IN (u32)
 *   SLOTS   the keys of the current record, 64 bytes each    NAMES   those of them that had escapes
 * ```
 * Loads and stores are 16 bytes wide: up to 63 bytes after pairs and input are read, as many after the output written.
 */
export const META: usize = 8192
export const META_BYTES: usize = 32768
/** Upper half of META: a value whose escapes are resolved. */
export const SCRATCH_BYTES: usize = 16384
export const SCRATCH: usize = META + META_BYTES - SCRATCH_BYTES
export const PREFIX: usize = META + META_BYTES + 64
export const FIXED_BYTES: usize = 8192
export const SUFFIX: usize = PREFIX + FIXED_BYTES + 64
export const ROWS: usize = SUFFIX + FIXED_BYTES + 64
export const ROWS_BYTES: usize = 16384
export const PARSERS: usize = ROWS + ROWS_BYTES + 64
export const PARSER_BYTES: usize = 256
/** As many as one pod can have: of each stream, and of records without one. */
export const MAX_PARSERS: usize = 3
export const MEMO_BYTES: usize = 64
/** Spans of the words of a CRI line. */
export const WORDS: usize = PARSERS + MAX_PARSERS * PARSER_BYTES
export const FAILS: usize = WORDS + 64
export const FAILS_BYTES: usize = 4096
export const IN: usize = FAILS + FAILS_BYTES + 64
export const IN_BYTES: usize = 262144
/** Space for the entries of a chunk: less than for a file, so that they stay in the cache. */
export const ENTRIES: usize = IN + IN_BYTES + 64
export const ENTRIES_BYTES: usize = 65536
export const OUT: usize = ENTRIES + ENTRIES_BYTES + 64
export const OUT_BYTES: usize = 131072
export const SLOTS: usize = OUT + OUT_BYTES + 64
export const MAX_KEYS: usize = 512
export const NAMES: usize = SLOTS + 64 * MAX_KEYS + 64
export const NAMES_BYTES: usize = 2048
export const STARTS: usize = NAMES + NAMES_BYTES + 64
/** Enough for the shortest entries, of 12 bytes. */
export const STARTS_BYTES: usize = 44032
export const END: usize = STARTS + STARTS_BYTES + 64
