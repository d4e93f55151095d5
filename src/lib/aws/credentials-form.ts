import { ShipperError } from '../../core/error.ts'
import type { Credentials } from './signature.ts'

/** Where credentials come from, in the order in which the sources are asked. */
export interface CredentialsSource {
  /** Name in messages: `environment`, `profile "dev"`. */
  readonly name: string
  /**
   * Resolves with credentials, or with a clause that says why there are none to be had here, which is no failure: the next source
   * is tried. Rejects when there should be some: no other source is tried then, or requests would be signed with another identity.
   */
  load(signal: AbortSignal): Promise<Credentials | string>
  /** Returns true when what `load` has read has changed since. */
  hasChanged?(): boolean
}

/** Maximum lengths of credentials from outside, and characters that a header may have. */
const MAX_KEY_CHARS = 512
const MAX_TOKEN_CHARS = 16_384
const PRINTABLE = /^[\x21-\x7e]+$/

interface CredentialsFields {
  accessKeyId: unknown
  secretAccessKey: unknown
  sessionToken?: unknown
  /** Time in RFC 3339. */
  expiration?: unknown
}

/**
 * Returns credentials that can be used in headers. Throws an error that names the field that is missing or cannot be one, and never
 * its value.
 */
export function checkedCredentials(fields: CredentialsFields, where: string): Credentials {
  const text = (name: keyof CredentialsFields, label: string, maxChars: number): string => {
    const value = fields[name]
    if (value === undefined || value === null || value === '') throw unusable(where, `${label} is missing`)
    if (typeof value !== 'string' || value.length > maxChars || !PRINTABLE.test(value))
      throw unusable(where, `${label} is not one word of printable characters`)
    return value
  }
  const accessKeyId = text('accessKeyId', 'the access key id', MAX_KEY_CHARS)
  const secretAccessKey = text('secretAccessKey', 'the secret access key', MAX_KEY_CHARS)
  const { sessionToken, expiration } = fields
  const hasToken = sessionToken !== undefined && sessionToken !== null && sessionToken !== ''
  return {
    accessKeyId,
    secretAccessKey,
    ...(hasToken && { sessionToken: text('sessionToken', 'the session token', MAX_TOKEN_CHARS) }),
    ...(expiration !== undefined && expiration !== null && { expiresMs: timeOf(expiration, where) }),
  }
}

/** RFC 3339; `Date.parse` alone accepts many other forms. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)$/

function timeOf(value: unknown, where: string): number {
  const ms = typeof value === 'string' && TIME.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms)) throw unusable(where, 'Expiration is not a time')
  return ms
}

/** Returns the object in a text of JSON. The error does not show the text, which may hold secrets. */
export function jsonObject(text: string, where: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw unusable(where, 'it is not JSON')
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
    return parsed as Record<string, unknown>
  throw unusable(where, 'it is not an object')
}

export function unusable(where: string, reason: string, hint?: string): ShipperError {
  return new ShipperError('E_AWS_CREDENTIALS', `${where}: ${reason}`, {
    retryable: true,
    scope: 'peer',
    ...(hint === undefined ? {} : { hint }),
  })
}
