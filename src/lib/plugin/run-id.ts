import { randomBytes } from 'node:crypto'

const ID_BYTES = 12

/**
 * Returns a text that nothing else has: for the identities of chunks (`ClosedRange`) that are read once only. Process id and time are
 * not enough: a container always has the same id, a machine without a clock starts at the same time, and two inputs of one run are
 * created in the same millisecond.
 */
export function newRunId(): string {
  return randomBytes(ID_BYTES).toString('base64url')
}
