import { ENTRY, type EntryReader, NOTHING } from './entry-reader.ts'
import type { Segment } from './segment.ts'
import type { Backlog } from './types.ts'

/** Adds `more` to `sum`. */
export function add(sum: Backlog, more: Backlog): void {
  sum.chunks += more.chunks
  sum.records += more.records
  sum.bytes += more.bytes
}

/** Returns what is in the segment for the output from `offset` on. Reads the heads after it. */
export function backlogIn(
  reader: EntryReader,
  segment: Segment,
  output: string,
  offset: number,
  maxEntries = Number.POSITIVE_INFINITY,
): Backlog {
  const sum: Backlog = { chunks: 0, records: 0, bytes: 0 }
  const index = segment.table.indexOf(output)
  if (index === undefined) return sum
  let at = offset
  for (let i = 0; i < maxEntries && at < segment.end; i++) {
    const found = reader.load(segment, at, segment.end)
    if (found === NOTHING) {
      at = reader.search(segment, at, segment.end)
      if (at < 0) break
      continue
    }
    if (found === ENTRY && reader.isFor(index))
      add(sum, { chunks: 1, records: reader.head.count, bytes: reader.head.dataBytes })
    at = reader.next
  }
  return sum
}
