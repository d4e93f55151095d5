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
  readonly boot: string
  /** Time since boot, in hexadecimal microseconds. */
  readonly monotonic: string
  readonly realtimeUs: number
  /** The same in hexadecimal. */
  readonly realtime: string
}

const FORM =
  /^s=([0-9a-f]{32});i=([0-9a-f]{1,16});(b=([0-9a-f]{32});m=([0-9a-f]{1,16});t=([0-9a-f]{1,16});x=[0-9a-f]{1,16})$/

const MAX_TIME = 0xffff_ffff_ffff_ffffn

/** Parses a cursor; undefined when the text is not one. */
export function parseCursor(text: string): Cursor | undefined {
  const [, seqnumId, seqnum, entryIdentity, boot, monotonic, realtime] = FORM.exec(text) ?? []
  if (seqnumId === undefined || entryIdentity === undefined) return undefined
  return {
    text,
    seqnumId,
    seqnum: Number.parseInt(seqnum ?? '', 16),
    entryIdentity,
    boot: boot ?? '',
    monotonic: monotonic ?? '0',
    realtimeUs: Number.parseInt(realtime ?? '', 16),
    realtime: realtime ?? '0',
  }
}

/**
 * Returns true when both cursors refer to the same entry. journald assigns a new sequence number when it moves an entry
 * from /run to /var; and after a power failure it reuses the number of a lost entry for another one.
 */
export function isSameEntry(a: Cursor, b: Cursor): boolean {
  return a.entryIdentity === b.entryIdentity && (a.seqnumId !== b.seqnumId || a.seqnum === b.seqnum)
}

/** Returns a negative number when `a` was written before `b` in the same boot, a positive one when after. */
export function compareInBoot(a: Cursor, b: Cursor): number {
  const difference = BigInt(`0x${a.monotonic}`) - BigInt(`0x${b.monotonic}`)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** Returns the cursor of the first entry of the boot. */
export function startOfBoot(boot: string): string {
  return `b=${boot};m=0`
}

/**
 * Returns the cursor of the first entry of the same boot with a later time since boot. It has a time of day, too: in a file
 * with only earlier entries of the boot journalctl 252 starts there, and without it at the first entry of the file.
 */
export function laterInBoot({ boot, monotonic, realtime }: Cursor): string {
  const next = BigInt(`0x${monotonic}`) + 1n
  return `b=${boot};m=${(next > MAX_TIME ? MAX_TIME : next).toString(16)};t=${realtime}`
}

/**
 * Returns true when journalctl merges `a` before `b`: by sequence number within a sequence, by time since boot within a
 * boot, else by the time of day, which is no order: the clock may have been set back between two boots.
 */
export function sortsBefore(a: Cursor, b: Cursor): boolean {
  if (a.seqnumId === b.seqnumId) return a.seqnum < b.seqnum
  if (a.boot === b.boot) return compareInBoot(a, b) < 0
  return a.realtimeUs < b.realtimeUs
}

/** Returns the maximum number of entries between the two cursors; undefined when it is not known. */
export function entriesBetween(from: Cursor, to: Cursor): number | undefined {
  if (from.seqnumId !== to.seqnumId || to.seqnum <= from.seqnum) return undefined
  return to.seqnum - from.seqnum - 1
}

/** Offset of the sequence number in a cursor: after `s=`, 32 digits, `;i=`. */
const SEQNUM_OFFSET = 37
const MAX_SEQNUM_DIGITS = 16
const SEMICOLON = 0x3b

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

/** Returns the offset of the boot id in the cursor that begins at `start`; does not check that it is a cursor. */
export function bootOffset(buf: Buffer, start: number): number {
  let p = start + SEQNUM_OFFSET
  const end = p + MAX_SEQNUM_DIGITS
  while (p < end && buf[p] !== SEMICOLON) p++
  return p + 3
}
