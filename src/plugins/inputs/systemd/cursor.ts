/**
 * Position of an entry in the journal, in the text form that journald uses:
 *
 * ```
 *   s=<seqnum id>;i=<seqnum>;b=<boot id>;m=<monotonic time>;t=<realtime>;x=<hash of the fields>
 * ```
 * Numbers are hexadecimal, times in microseconds.
 */
export interface Cursor {
  readonly text: string
  /** Id of the sequence that `seqnum` belongs to. */
  readonly seqnumId: string
  readonly seqnum: number
  /** `b`, `m`, `t` and `x`: the part that an entry keeps when it is copied to another file. */
  readonly entryIdentity: string
  readonly realtimeUs: number
}

const FORM =
  /^s=([0-9a-f]{32});i=([0-9a-f]{1,16});(b=[0-9a-f]{32};m=[0-9a-f]{1,16};t=([0-9a-f]{1,16});x=[0-9a-f]{1,16})$/

/** Parses a cursor; undefined when the text is not one. */
export function parseCursor(text: string): Cursor | undefined {
  const [, seqnumId, seqnum, entryIdentity, realtime] = FORM.exec(text) ?? []
  if (seqnumId === undefined || entryIdentity === undefined) return undefined
  return {
    text,
    seqnumId,
    seqnum: Number.parseInt(seqnum ?? '', 16),
    entryIdentity,
    realtimeUs: Number.parseInt(realtime ?? '', 16),
  }
}

/**
 * Returns true when both cursors refer to the same entry. journald assigns a new sequence number when it moves an entry
 * from /run to /var; and after a power failure it reuses the number of a lost entry for another one.
 */
export function isSameEntry(a: Cursor, b: Cursor): boolean {
  return a.entryIdentity === b.entryIdentity && (a.seqnumId !== b.seqnumId || a.seqnum === b.seqnum)
}

/**
 * Returns the cursor from which to continue when the entry no longer exists: its time alone. Given its sequence number,
 * journalctl would skip everything with a number up to it after the journal had lost its end; given its boot, all later
 * boots in the same file.
 */
export function timeCursor(cursor: Cursor): string {
  return `t=${cursor.realtimeUs.toString(16)}`
}

/** Returns the maximum number of entries between the two cursors; undefined when it is not known. */
export function entriesBetween(from: Cursor, to: Cursor): number | undefined {
  if (from.seqnumId !== to.seqnumId || to.seqnum <= from.seqnum) return undefined
  return to.seqnum - from.seqnum - 1
}

/** Offset of the sequence number in a cursor: after `s=`, 32 digits, `;i=`. */
const SEQNUM_OFFSET = 37
const MAX_SEQNUM_DIGITS = 16

/** Returns the sequence number of the cursor that begins at `start`; does not check that it is a cursor. */
export function seqnumAt(buf: Buffer, start: number): number {
  let seqnum = 0
  for (let p = start + SEQNUM_OFFSET; p < start + SEQNUM_OFFSET + MAX_SEQNUM_DIGITS; p++) {
    const c = buf[p] as number
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : c >= 0x61 && c <= 0x66 ? c - 0x57 : -1
    if (digit < 0) break
    seqnum = seqnum * 16 + digit
  }
  return seqnum
}
