import type { InputContext } from '../../../core/plugin.ts'
import { type Cursor, entriesBetween, isSameEntry, parseCursor, timeCursor } from './cursor.ts'
import { machineMatch, queryCursor, sourceArgs } from './journalctl.ts'

/** The point at which journalctl starts to read. */
interface StartPoint {
  args: string[]
  /** Entry that journalctl shows first although it has been read already. */
  alreadyRead: Cursor | undefined
}

/** Returns the first entry from a cursor on, or the last of all; undefined when there is none, or on `signal`. */
export async function findEntry(
  path: string | undefined,
  signal: AbortSignal,
  ...from: string[]
): Promise<Cursor | undefined> {
  const found = await queryCursor([...sourceArgs(path), ...from, ...machineMatch(path)], signal)
  return found === undefined ? undefined : parseCursor(found)
}

/**
 * Finds the point from which to continue after the entry `cursor`. Queries journalctl for the entry first: given the
 * cursor of an entry that no longer exists, journalctl silently continues with another one. In that case `onMissing` is
 * called with the next entry. Reading then continues at the time of the missing entry; after the end if everything
 * there is older; or with the first entry of an empty journal.
 */
export async function resumeAfter(
  cursor: Cursor,
  path: string | undefined,
  signal: AbortSignal,
  onMissing: (next: Cursor | undefined) => void,
): Promise<StartPoint> {
  const atCursor = [`--cursor=${cursor.text}`]
  const found = await findEntry(path, signal, ...atCursor)
  if (found !== undefined && isSameEntry(cursor, found)) return { args: atCursor, alreadyRead: cursor }
  const atTime = [`--cursor=${timeCursor(cursor)}`]
  const next = await findEntry(path, signal, ...atTime)
  const last = next === undefined ? await findEntry(path, signal) : undefined
  if (!signal.aborted) onMissing(next)
  if (next !== undefined) return { args: atTime, alreadyRead: undefined }
  return { args: last === undefined ? [] : [`--cursor=${last.text}`], alreadyRead: last }
}

/** Counts and logs that the entry `cursor` no longer exists, with the number of lost entries if it is known. */
export function reportMissingEntry(cursor: Cursor, next: Cursor | undefined, ctx: InputContext): void {
  const lost = next === undefined ? undefined : entriesBetween(cursor, next)
  ctx.counters.add('cursor_gone')
  if (lost !== undefined) ctx.counters.add('lost_entries', lost)
  const where = next === undefined ? 'new entries' : `the oldest entry after it (${time(next)})`
  ctx.log.error(
    `the entry at the cursor (${time(cursor)}) is no longer in the journal: continuing with ${where}`,
    {
      code: 'E_JOURNAL_CURSOR',
      lost_entries: lost === undefined ? 'unknown' : `at most ${lost}`,
      cursor: cursor.text,
    },
  )
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

function time(cursor: Cursor): string {
  return new Date(cursor.realtimeUs / 1000).toISOString()
}
