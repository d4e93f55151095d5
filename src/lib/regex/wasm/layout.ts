import { FIELDS_PAGES, PAGE_BYTES } from '../../wasm/shared-memory.ts'

/**
 * Part of the shared memory that the matchers use, in bytes: one for all of them, as a search is done before
 * the next one begins.
 */
const START = FIELDS_PAGES * PAGE_BYTES
/** Spans of the last match. */
export const SPANS = START
const SPANS_BYTES = 4096
/** Steps that the last search left unused. */
export const STEPS_LEFT = SPANS + SPANS_BYTES
/** The line; vectors are read from before its start and from after its end. */
export const LINE = STEPS_LEFT + SPANS_BYTES
/** Longest text; the byte after it is a newline. */
export const MAX_TEXT_BYTES = 1 << 20
/**
 * Ways that are not tried yet, FRAME_BYTES each: number of the instructions that resume it, and two operands.
 */
export const STACK = LINE + MAX_TEXT_BYTES + 4096
export const FRAME_BYTES = 12
const STACK_BYTES = 12 << 20
export const STACK_END = STACK + STACK_BYTES - FRAME_BYTES
/** Notes of what failed: a bit for each place of the expression and offset of the line. */
export const NOTES = STACK + STACK_BYTES
export const NOTES_BYTES = 4 << 20
/** End of what is used, with the bytes that a vector may touch. */
export const LAYOUT_END = NOTES + NOTES_BYTES + 64

/** Number of groups, that of the entire match included, whose spans there is space for. */
export const MAX_GROUPS = SPANS_BYTES / 8
