import { messageOf, systemCode } from '../../core/error.ts'
import { FsFailure, namesIn } from '../fs/file-system.ts'

/** Maximum number of reasons in a message: a name may have any number of addresses. */
const MAX_REASONS = 4

/**
 * Returns why a connection failed. A name with several addresses fails with one error for each, in an AggregateError
 * whose own message is empty; equal reasons are named once.
 */
export function reasonsOf(error: unknown): string {
  const errors = error instanceof AggregateError ? error.errors : []
  const reasons = [...new Set(errors.map(messageOf).filter((reason) => reason !== ''))]
  if (reasons.length === 0) return messageOf(error) || systemCode(error) || 'the system gave no reason'
  const more = reasons.length > MAX_REASONS ? `, and ${reasons.length - MAX_REASONS} more` : ''
  return `${reasons.slice(0, MAX_REASONS).join(', ')}${more}`
}

/** Returns true when the name was not resolved, for whatever reason: the peer is not known to be away. */
export function isNameFailure(error: unknown): boolean {
  return causesOf(error).some((cause) => (cause as { syscall?: unknown } | null)?.syscall === 'getaddrinfo')
}

const SHORTAGES: Readonly<Record<string, string>> = {
  EMFILE: 'this process has no file descriptor left (EMFILE)',
  ENFILE: 'this system has no file descriptor left (ENFILE)',
}

/**
 * Returns the reason when there was no file descriptor for the connection. The runtime reports that as ECONNREFUSED, and as a
 * failure of the name server, so whether one can be had is tried. One that was closed in the meantime hides the reason
 * until the next attempt.
 */
export function descriptorShortage(error: unknown): string | undefined {
  for (const cause of causesOf(error)) {
    const reason = SHORTAGES[systemCode(cause) ?? '']
    if (reason !== undefined) return reason
  }
  const tried = namesIn('/proc/self/ns')
  return tried instanceof FsFailure ? SHORTAGES[tried.code] : undefined
}

function causesOf(error: unknown): unknown[] {
  return error instanceof AggregateError ? [error, ...error.errors] : [error]
}
