import { messageOf, ShipperError } from '../error.ts'
import { parseRetryLimit } from './retry-limit.ts'
import { formatSize } from './units.ts'

/** The result of a failed check: what the option accepts, why the value is invalid and what to do about it. */
export interface InvalidValue {
  /** Completes the sentence "must be ...". */
  must: string
  reason?: string
  hint?: string
  /**
   * Clause that says what is done instead. It turns the problem into a warning, for values with which fluent-bit starts
   * too and by which no data is lost.
   */
  instead?: string
  /** Clause about a value that is accepted, but probably not what is meant: it turns the problem into a warning. */
  doubt?: string
}

/** Checks a value by building what it is for and discarding the result; the error thrown becomes the reason. */
export function invalidIfThrows(
  must: string,
  build: () => unknown,
  instead?: string,
): InvalidValue | undefined {
  try {
    build()
    return undefined
  } catch (error) {
    const hint = error instanceof ShipperError ? error.hint : ''
    return { must, reason: messageOf(error), hint, ...(instead === undefined ? {} : { instead }) }
  }
}

/** Checks a value of Retry_Limit. */
export function checkRetryLimit(text: string): InvalidValue | undefined {
  if (parseRetryLimit(text) !== undefined) return undefined
  return { must: 'a number from 1, no_limits or no_retries', instead: 'retries are unlimited' }
}

/** A host and a port. An IPv6 address without brackets has more than one colon. */
const WITH_PORT = /^(\[[^\]]*\]|[^:[\]]+):(\d+)$/

/**
 * Checks a host name or address. An empty one, left by a variable that is not set, would connect to this machine or listen
 * on every address.
 */
export function checkHost(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string') return undefined
  const [, host, port] = WITH_PORT.exec(text) ?? []
  if (host !== undefined)
    return {
      must: 'a host name or address',
      reason: 'it holds a port',
      hint: `write ${host} here and set Port, an option of its own, to ${port}`,
    }
  if (text.trim() === '')
    return {
      must: 'a host name or address',
      reason: 'it is empty',
      hint: 'set it, or remove it for the default',
    }
  const [foreign] = NOT_OF_HOST.exec(text) ?? []
  if (foreign === undefined) return undefined
  const isUrl = text.includes('://')
  return {
    must: 'a host name or address',
    reason: isUrl
      ? 'it is a URL'
      : `${foreign === ' ' ? 'a blank' : `"${foreign}"`} is not allowed in a host name`,
    ...(isUrl ? { hint: 'write the host without scheme and path' } : {}),
  }
}

/** A character that no host name, address or zone of one has. Brackets may only be around all of it. */
const NOT_OF_HOST = /(?!^\[|\]$)[\0-\x20!"#$&'()*+,/;<=>?@[\\\]^`{|}~]/

/** Checks the path of a folder. An empty one, left by a variable that is not set, would be the working directory. */
export function checkFolder(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || text.trim() !== '') return undefined
  return { must: 'the path of a folder', reason: 'it is empty', hint: 'set it, or remove it for the default' }
}

/** Smallest limit of what waits for an output: a few chunks. With less, records would be dropped in normal operation. */
const MIN_TOTAL_LIMIT = 64_000

/** Checks a value of storage.total_limit_size; 0 is no limit. */
export function checkTotalLimit(bytes: unknown): InvalidValue | undefined {
  if (typeof bytes !== 'number' || bytes === 0 || bytes >= MIN_TOTAL_LIMIT) return undefined
  return {
    must: `at least ${formatSize(MIN_TOTAL_LIMIT)}, or off`,
    reason: `${bytes} ${bytes === 1 ? 'byte has' : 'bytes have'} no room for a chunk`,
    hint: 'write a unit, e.g. 5G; without the option the disk is the limit',
  }
}
