import { MEMO_BYTES, PARSER_BYTES, PARSERS } from './memory'

/**
 * What the module knows of a parser, a record of PARSER_BYTES in PARSERS which the caller writes (parser-record.ts):
 *
 * ```
 *    0 form   4 flags   8 address of the table of fields: rows.ts or keys.ts   12 its end   16 longest line that is parsed
 *   20 index of the matcher   24 steps of a search for each byte   28 others   32 those without notes for each byte   36 others
 *   40 most steps
 *   44 epoch: 1 when a number is a time (epoch.ts)   45 decimal places of its unit, or 255   46 byte before a fraction, or 0
 *   47 least number of digits   48 number of bytes of the text before the digits of the last time's fraction, 0: no text
 *   52 after them   56 offset of the second   60 1 with a fraction   64 the time at second 0
 *   72 the text (time.ts)
 * ```
 */
export const FORM: usize = 0
export const FLAGS: usize = 4
export const TABLE: usize = 8
export const TABLE_END: usize = 12
export const MAX_LINE: usize = 16
export const MATCHER: usize = 20
export const STEPS_PER_BYTE: usize = 24
export const OTHER_STEPS: usize = 28
export const PLAIN_PER_BYTE: usize = 32
export const OTHER_PLAIN: usize = 36
export const MAX_STEPS: usize = 40
export const EPOCH: usize = 44
export const DECIMALS: usize = 45
export const SEPARATOR: usize = 46
export const MIN_DIGITS: usize = 47
export const HEAD_SIZE: usize = 48
export const TAIL_SIZE: usize = 52
export const SECOND_AT: usize = 56
export const HAS_FRACTION: usize = 60
export const MINUTE: usize = 64
export const MEMO: usize = 72
export const MEMO_MASK: usize = MEMO + MEMO_BYTES
export const TAIL: usize = MEMO_MASK + MEMO_BYTES
export const TAIL_MASK: usize = TAIL + 16

const KEEPS_TIME: u32 = 1
const SKIPS_EMPTY: u32 = 2
const HAS_BARE_KEYS: u32 = 4

/** The record of the current parser. */
export let parser: usize = PARSERS

/** Makes parser number `index` the current one. */
@inline
export function select(index: usize): void {
  parser = PARSERS + index * PARSER_BYTES
}

@inline
export function setting(at: usize): u32 {
  return load<u32>(parser + at)
}

@inline
function has(flag: u32): bool {
  return (load<u32>(parser + FLAGS) & flag) != 0
}

/** Keeps the field of the time. */
@inline
export function keepsTime(): bool {
  return has(KEEPS_TIME)
}

/** Omits fields whose group is empty. */
@inline
export function skipsEmpty(): bool {
  return has(SKIPS_EMPTY)
}

/** Logfmt: a key without `=` has the value true. */
@inline
export function hasBareKeys(): bool {
  return has(HAS_BARE_KEYS)
}
