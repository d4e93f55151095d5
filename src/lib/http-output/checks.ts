import type { InvalidValue } from '../../core/options/checks.ts'

/** Headers that the client, the connection or the body determines, and those that mean something for one connection only. */
const OWN = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'content-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
])

/** Returns why a header with this name cannot be sent. */
export function headerNameFault(name: string): string | undefined {
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) return 'the name is not a valid header name'
  if (OWN.has(name.toLowerCase())) return `the output itself determines the header ${name}`
  return undefined
}

/** Returns why a header with this value cannot be sent. */
export function headerValueFault(value: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would end the header
  if (!/[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/.test(value)) return undefined
  return 'the value has characters that are not allowed in a header'
}

/** Checks a line `NAME VALUE`. */
export function checkHeader(value: unknown): InvalidValue | undefined {
  const [name = '', text = ''] = value as string[]
  const own = name.toLowerCase()
  if (OWN.has(own))
    return {
      must: 'a header that the output does not set itself',
      // The value is a secret; this name is none.
      hint: `leave ${own} out: the output determines it`,
    }
  const reason = headerNameFault(name) ?? headerValueFault(text)
  return reason === undefined ? undefined : { must: 'a name and a value', reason }
}

/** Checks the name of a header whose value is not the configuration's. */
export function checkHeaderName(value: unknown): InvalidValue | undefined {
  if (typeof value !== 'string') return undefined
  const reason =
    headerNameFault(value) ??
    (value.toLowerCase() === 'authorization' ? 'that header is for credentials' : undefined)
  return reason === undefined ? undefined : { must: 'the name of a header', reason }
}

/** Checks the value of a header, such as a token. */
export function checkHeaderValue(value: unknown): InvalidValue | undefined {
  if (typeof value !== 'string' || headerValueFault(value) === undefined) return undefined
  return {
    must: 'a string that a header may have',
    reason: 'it has characters that are not allowed in a header',
  }
}

/** Checks path and query of requests; what HTTP does not allow in them would never be sent. */
export function checkRequestPath(value: unknown): InvalidValue | undefined {
  if (typeof value === 'string' && /^[a-z][a-z0-9+.-]*:\/\//i.test(value))
    return {
      must: 'a path',
      reason: 'it is a URL',
      hint: 'write the path alone, and set Host, Port and tls',
    }
  if (typeof value !== 'string' || (/^[\x21-\x7e]*$/.test(value) && value !== '*' && !value.includes('#')))
    return undefined
  return {
    must: 'a path',
    reason: 'it has characters that are not allowed in a path; write them as %20 and the like',
  }
}
