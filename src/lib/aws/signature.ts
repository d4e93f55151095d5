import { createHash, createHmac } from 'node:crypto'

/** An access key, with a session token when it is temporary. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  /** Unix time in milliseconds from which they are no longer accepted; undefined: they have no end. */
  readonly expiresMs?: number | undefined
}

interface RequestToSign {
  method: string
  /** Path and query as they are sent, percent-encoded; a blank in the query is `%20`, not `+`. */
  path: string
  /**
   * Headers as they are sent, names in lower case; `host` must be one of them. All are signed but those that a proxy may change
   * or that come from the connection.
   */
  headers: Readonly<Record<string, string>>
  /** `payloadHash` of the body, or UNSIGNED_PAYLOAD, which only s3 and aoss accept. */
  payloadHash: string
  /** Name in the signature: `kinesis`, `es`, `aoss`, `logs`, `s3`, `sts`. */
  service: string
  region: string
  credentials: Credentials
  /** Unix time in milliseconds; the service accepts a few minutes of difference. */
  timeMs: number
}

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

const ALGORITHM = 'AWS4-HMAC-SHA256'
const NOT_SIGNED = new Set(['authorization', 'connection', 'expect', 'transfer-encoding', 'x-amzn-trace-id'])
/** Services that get the hash of the payload in a header: s3 and aoss require it. */
const HASH_IN_HEADER = new Set(['s3', 'es', 'aoss'])
/** Services whose requests do not sign `content-length`: aoss refuses those that do. */
const LENGTH_NOT_SIGNED = new Set(['es', 'aoss'])

/** Returns the SHA-256 of a body in hexadecimal. The pieces of a list are hashed one after the other, not joined. */
export function payloadHash(body: Buffer | readonly Buffer[] | undefined): string {
  const hash = createHash('sha256')
  if (Buffer.isBuffer(body)) hash.update(body)
  else for (const piece of body ?? []) hash.update(piece)
  return hash.digest('hex')
}

/**
 * Returns the headers that sign a request by Signature Version 4, to be added to its own: `x-amz-date`, `authorization`,
 * `x-amz-security-token` of temporary credentials, and `x-amz-content-sha256` where the service requires it.
 *
 * ```
 *   canonical request = method LF path LF query LF *( name ":" value LF ) LF names LF hash of the body
 *   string to sign    = algorithm LF time LF scope LF SHA-256( canonical request )
 *   key               = HMAC( HMAC( HMAC( HMAC( "AWS4" secret, day ), region ), service ), "aws4_request" )
 * ```
 */
export function signatureHeaders(request: RequestToSign): Record<string, string> {
  const { method, service, region, credentials } = request
  const time = new Date(request.timeMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const added: Record<string, string> = { 'x-amz-date': time }
  if (credentials.sessionToken !== undefined) added['x-amz-security-token'] = credentials.sessionToken
  if (HASH_IN_HEADER.has(service)) added['x-amz-content-sha256'] = request.payloadHash
  const headers = { ...request.headers, ...added }
  const names = Object.keys(headers)
    .filter(
      (name) => !(NOT_SIGNED.has(name) || (name === 'content-length' && LENGTH_NOT_SIGNED.has(service))),
    )
    .sort()
  const signedNames = names.join(';')
  const [path = '', query = ''] = splitOnce(request.path, '?')
  const canonical = [
    method,
    service === 's3' ? encodedOnce(path) : encodedAgain(path),
    canonicalQuery(query),
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replace(/\s+/g, ' ')}`),
    '',
    signedNames,
    request.payloadHash,
  ].join('\n')
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
  const text = [ALGORITHM, time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = ['aws4_request', service, region, time.slice(0, 8)].reduceRight<string | Buffer>(
    (previous, part) => createHmac('sha256', previous).update(part).digest(),
    `AWS4${credentials.secretAccessKey}`,
  )
  const signature = createHmac('sha256', key).update(text).digest('hex')
  added.authorization = `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signedNames}, Signature=${signature}`
  return added
}

/** Returns a text with everything percent-encoded but the unreserved characters of RFC 3986. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** Returns the path of an object key: each part between slashes percent-encoded, nothing normalized. */
export function encodedKey(key: string): string {
  return key.split('/').map(percentEncoded).join('/')
}

/** The path of s3 counts as it is decoded: `..`, `.` and empty parts belong to the key. */
function encodedOnce(path: string): string {
  return encodedKey(decoded(path))
}

/** Every other service normalizes the path and encodes it a second time. */
function encodedAgain(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(percentEncoded(part))
  }
  const end = parts.length > 0 && /\/\.{0,2}$/.test(path) ? '/' : ''
  return `/${parts.join('/')}${end}`
}

function canonicalQuery(query: string): string {
  if (query === '') return ''
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => splitOnce(pair, '=').map((text) => percentEncoded(decoded(text))))
  const order = (a = '', b = ''): number => (a < b ? -1 : a > b ? 1 : 0)
  pairs.sort(([a, x], [b, y]) => order(a, b) || order(x, y))
  return pairs.map(([name, value = '']) => `${name}=${value}`).join('&')
}

function splitOnce(text: string, sign: string): string[] {
  const at = text.indexOf(sign)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
