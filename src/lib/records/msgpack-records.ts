import type { Chunk } from '../../core/chunk.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import type { Entry } from './entry.ts'
import { metadataAt } from './entry-parts.ts'

/** Appends the entry at `at`, which `entry` has read, as `[[time, metadata], record]`, the form of fluent-bit since 2.1. */
export function appendMsgpackRecord(
  text: JsonText,
  { buf, hasMetadata }: Chunk,
  at: number,
  entry: Entry,
): void {
  if (hasMetadata && metadataAt(buf, at, entry.end) > 0) {
    text.copy(buf, at, entry.end)
    return
  }
  text.byte(0x92)
  // The array head of the entry and its time become the inner array.
  text.copy(buf, at, entry.map)
  text.byte(0x80)
  text.copy(buf, entry.map, entry.end)
}
