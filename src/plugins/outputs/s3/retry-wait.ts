import { S3Failure } from './answers.ts'

const FIRST_WAIT_MS = 500
const MAX_WAIT_MS = 5000

/** Returns the time until the next attempt, in milliseconds: longer after each of the `failures` before, and what the service asks for. */
export function retryWaitMs(error: unknown, failures: number): number {
  const longest = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** failures)
  const askedMs = error instanceof S3Failure ? error.waitMs : 0
  return Math.max(askedMs, longest / 2 + (Math.random() * longest) / 2)
}
