import { messageOf, ShipperError } from '../error.ts'
import { parseRetryLimit } from './retry-limit.ts'

/** What an option takes, when a value is not that, with the reason and what to do about it. */
export interface InvalidValue {
  /** Completes "must be ...". */
  must: string
  reason?: string
  hint?: string
  /** What is done instead, a clause: then this is a warning, for what fluent-bit starts with too and nothing is lost by. */
  instead?: string
}

/** A check that makes what the value is for, and throws it away: what it throws is the reason. */
export function invalidIfThrows(
  must: string,
  make: () => unknown,
  instead?: string,
): InvalidValue | undefined {
  try {
    make()
    return undefined
  } catch (error) {
    const hint = error instanceof ShipperError ? error.hint : ''
    const why = messageOf(error).replace(ENGINE_PREFIX, '')
    return { must, reason: why, hint, ...(instead === undefined ? {} : { instead }) }
  }
}

/** JavaScriptCore says `Invalid regular expression: missing )`, V8 puts the expression before the reason. */
const ENGINE_PREFIX = /^Invalid regular expression: (?:\/.*\/\w*: )?/s

/** An expression as JavaScript has them. */
export function checkRegExp(text: string): InvalidValue | undefined {
  return invalidIfThrows('a regular expression', () => new RegExp(text))
}

export function checkRetryLimit(text: string): InvalidValue | undefined {
  if (parseRetryLimit(text) !== undefined) return undefined
  return { must: 'a number from 1, no_limits or no_retries', instead: 'there is no limit' }
}
