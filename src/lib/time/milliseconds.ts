/**
 * Returns a time of the file system in milliseconds, to the microsecond. Nanoseconds since 1970 do not fit into a
 * number: converted first and divided then, a time just before a full millisecond is rounded up to it, and the file
 * does not match its row, which has whole milliseconds.
 */
export function millisecondsOf(ns: bigint): number {
  return Number(ns / 1000n) / 1000
}
