import { ShipperError } from '../../../core/error.ts'
import { ApiError, Postponed } from '../../../lib/kubernetes/client.ts'

/** Maximum number of parts of a list: a server could send continuations without end. */
export const MAX_PARTS = 10_000
/** Failures in a row of one part after which the list begins anew: the server may have lost what its continuation is for. */
const MAX_PART_FAILURES = 5
/** Client errors that say nothing about the continuation. */
const PASSING_STATUSES = [401, 403, 408, 429]

/** A list of which some parts were read. */
export interface PartialList {
  /** Continuation of the next part; undefined before the first one. */
  next: string | undefined
  /** Number of events and of parts that were read. */
  count: number
  parts: number
  /** Number of failures of the next part. */
  failures: number
}

/** Returns true when the part that has failed may be requested again; counts the failure. */
export function canContinue(list: PartialList, error: unknown): boolean {
  if (list.next === undefined) return false
  if (error instanceof Postponed) return true
  const status = error instanceof ApiError ? error.status : 500
  return ++list.failures <= MAX_PART_FAILURES && (status >= 500 || PASSING_STATUSES.includes(status))
}

/** Returns the error of a list that goes on without end. */
export function tooManyParts(parts: number): ShipperError {
  const what =
    parts >= MAX_PARTS ? `has more than ${MAX_PARTS} parts` : 'has an empty part and a continuation'
  return new ShipperError('E_PEER_PROTOCOL', `the list of events ${what}`, {
    retryable: true,
    hint: 'check that Kube_URL is an API server, or raise Kube_Request_Limit',
  })
}
