import type { InputContext } from '../../../core/plugin.ts'
import { type Cursor, entriesBetween, isSameEntry, parseCursor, timeCursor } from './cursor.ts'
import { askCursor, machineMatch, sourceArgs } from './journalctl.ts'

/** Where journalctl begins, and the entry that it then shows first although it has been read. */
interface Beginning {
  args: string[]
  known: Cursor | undefined
}

/** The first entry from a cursor on, or the last of all; undefined: there is none, or `signal` came. */
export async function askEntry(
  path: string | undefined,
  signal: AbortSignal,
  ...from: string[]
): Promise<Cursor | undefined> {
  const found = await askCursor([...sourceArgs(path), ...from, ...machineMatch(path)], signal)
  return found === undefined ? undefined : parseCursor(found)
}

/**
 * How to go on behind the entry `cursor`. journalctl is asked for it first: given the cursor of an entry that is gone it
 * says nothing and goes on with any other. `gone` is then told, with the entry that is next: reading goes on at its
 * time, behind the end if all that is there is older, or with the first entry of a journal that is empty.
 */
export async function beginBehind(
  cursor: Cursor,
  path: string | undefined,
  signal: AbortSignal,
  gone: (next: Cursor | undefined) => void,
): Promise<Beginning> {
  const there = [`--cursor=${cursor.text}`]
  const found = await askEntry(path, signal, ...there)
  if (found !== undefined && isSameEntry(cursor, found)) return { args: there, known: cursor }
  const inTime = [`--cursor=${timeCursor(cursor)}`]
  const next = await askEntry(path, signal, ...inTime)
  const last = next === undefined ? await askEntry(path, signal) : undefined
  if (!signal.aborted) gone(next)
  if (next !== undefined) return { args: inTime, known: undefined }
  return { args: last === undefined ? [] : [`--cursor=${last.text}`], known: last }
}

/** Counts and tells the loss, as far as it is known. */
export function sayGone(cursor: Cursor, next: Cursor | undefined, ctx: InputContext): void {
  const lost = next === undefined ? undefined : entriesBetween(cursor, next)
  ctx.counters.add('cursor_gone')
  if (lost !== undefined) ctx.counters.add('lost_entries', lost)
  const where = next === undefined ? 'what comes' : `the oldest entry behind it (${time(next)})`
  ctx.log.error(
    `the entry of the position (${time(cursor)}) is not in the journal any more: going on with ${where}`,
    {
      code: 'E_JOURNAL_CURSOR',
      lost_entries: lost === undefined ? 'unknown' : `at most ${lost}`,
      cursor: cursor.text,
    },
  )
}

/** Counts and tells what was vacuumed between two entries that were read one after the other. */
export function sayGap(before: string, next: string, ctx: InputContext): void {
  const [a, b] = [parseCursor(before), parseCursor(next)]
  const lost = a === undefined || b === undefined ? undefined : entriesBetween(a, b)
  if (!lost || a === undefined || b === undefined) return
  ctx.counters.add('lost_entries', lost)
  ctx.log.error(
    `entries between ${time(a)} and ${time(b)} are not in the journal any more: they were vacuumed while outputs were behind`,
    { code: 'E_JOURNAL_CURSOR', lost_entries: `at most ${lost}`, cursor: before },
  )
}

function time(cursor: Cursor): string {
  return new Date(cursor.us / 1000).toISOString()
}
