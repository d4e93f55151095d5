import type { InputContext } from '../../../core/plugin.ts'
import {
  type Cursor,
  compareInBoot,
  entriesBetween,
  isSameEntry,
  laterInBoot,
  parseCursor,
} from './cursor.ts'
import type { JournalQueries } from './queries.ts'

/** The point at which journalctl starts to read. */
export interface Resumption {
  readonly start: string[]
  /** Entry that journalctl shows first although it has been read already. */
  readonly alreadyRead: Cursor | undefined
  /** Set when the entry at the cursor no longer exists: whether entries after it are gone, or only read ones. */
  readonly missing?: 'entries after it' | 'the end of the boot'
  /** The entry at which reading continues instead. */
  readonly next?: Cursor
}

/**
 * Finds the point from which to continue after the entry `cursor`, in its boot; undefined when nothing of the boot is
 * left, or on `signal`. Queries journalctl for the entry first: given the cursor of an entry that no longer exists,
 * journalctl silently continues with another one. The time of day is no position: the clock may have been set.
 *
 * ```
 *   left of the boot      | continues
 *   ----------------------+--------------------------------------------------
 *   the entry             | after it
 *   later entries         | with the first of them: the others were vacuumed
 *   only earlier entries  | after the last: the end was lost in a power failure
 * ```
 */
export async function resumeIn(
  cursor: Cursor,
  queries: JournalQueries,
  signal: AbortSignal,
): Promise<Resumption | undefined> {
  const found = await queries.from(cursor.text, signal)
  if (found !== undefined && isSameEntry(cursor, found))
    return { start: [`--cursor=${cursor.text}`], alreadyRead: cursor }
  const { boot } = cursor
  const last = await queries.last(signal, boot)
  if (last === undefined) return undefined
  if (compareInBoot(last, cursor) <= 0)
    return { start: [`--cursor=${last.text}`], alreadyRead: last, missing: 'the end of the boot', next: last }
  const next = await queries.from(laterInBoot(cursor), signal, boot)
  if (next === undefined) return undefined
  return { start: [`--cursor=${next.text}`], alreadyRead: undefined, missing: 'entries after it', next }
}

/** Counts and logs that the entry `cursor` no longer exists, with the number of lost entries if it is known. */
export function reportMissing(cursor: Cursor, { missing, next }: Resumption, ctx: InputContext): void {
  ctx.counters.add('cursor_gone')
  const what = `the entry at the cursor (${time(cursor)}) is no longer in the journal`
  if (next === undefined || missing === 'the end of the boot') {
    const message = `${what}, and nothing of its boot after it, as after a power failure: continuing with what follows the last entry of this boot; nothing is known to be lost`
    ctx.log.warn(message, { code: 'E_JOURNAL_CURSOR', cursor: cursor.text })
    return
  }
  reportLoss(`${what}: continuing with the oldest entry after it (${time(next)})`, cursor, next, ctx)
}

/** Counts and logs that the journal has no entries of the boot of the cursor; `next` is the first of another boot. */
export function reportGone(
  cursor: Cursor,
  next: Cursor | undefined,
  bootsToRead: number,
  ctx: InputContext,
): void {
  ctx.counters.add('cursor_gone')
  const goesOn =
    bootsToRead === 0
      ? 'waiting for new entries'
      : `reading ${bootsToRead} other boots from their first entries`
  const what = `the boot of the cursor (${cursor.boot}, last entry read ${time(cursor)}) is no longer in the journal`
  const lost = next === undefined ? undefined : entriesBetween(cursor, next)
  if (next !== undefined && lost) {
    reportLoss(`${what}: ${goesOn}`, cursor, next, ctx)
    return
  }
  const unread = lost === 0 ? 'nothing was lost' : 'what that boot wrote after this entry was not read'
  ctx.log.warn(`${what}, as after a reboot with a volatile journal: ${goesOn}; ${unread}`, {
    code: 'E_JOURNAL_CURSOR',
    cursor: cursor.text,
  })
}

function reportLoss(message: string, cursor: Cursor, next: Cursor, ctx: InputContext): void {
  const lost = entriesBetween(cursor, next)
  if (lost !== undefined) ctx.counters.add('lost_entries', lost)
  ctx.log.error(message, {
    code: 'E_JOURNAL_CURSOR',
    lost_entries: lost === undefined ? 'unknown' : `at most ${lost}`,
    cursor: cursor.text,
  })
}

/** Counts and logs the entries that were vacuumed between two entries that were read in succession. */
export function reportGap(before: string, next: string, ctx: InputContext): void {
  const [a, b] = [parseCursor(before), parseCursor(next)]
  const lost = a === undefined || b === undefined ? undefined : entriesBetween(a, b)
  if (!lost || a === undefined || b === undefined) return
  ctx.counters.add('lost_entries', lost)
  ctx.log.error(
    `entries between ${time(a)} and ${time(b)} are no longer in the journal: they were vacuumed while outputs were behind`,
    { code: 'E_JOURNAL_CURSOR', lost_entries: `at most ${lost}`, cursor: before },
  )
}

/** Returns the time of day of an entry; the clock of the machine that wrote it may have been any. */
function time({ realtimeUs }: Cursor): string {
  const date = new Date(realtimeUs / 1000)
  return Number.isNaN(date.getTime()) ? `${realtimeUs} us` : date.toISOString()
}
