/**
 * Returns a time of the file system in milliseconds, to the microsecond. Nanoseconds since 1970 do not fit into a
 * number: divided as one, a time just before a full millisecond would become that millisecond, and a file another one
 * than that of its row, which has full milliseconds.
 */
export function millisecondsOf(ns: bigint): number {
  return Number(ns / 1000n) / 1000
}
