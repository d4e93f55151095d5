/**
 * The part of HTTP/1.1 that the agent's server understands: a request without a body.
 *
 * ```
 *   request = method SP target SP "HTTP/1." ("0" / "1") EOL *(name ":" value EOL) EOL     EOL = CRLF or LF
 *   target  = path ["?" query] / "http://" host path
 * ```
 * Not accepted: bodies, folded header lines, control characters, a request of HTTP/1.1 without exactly one Host.
 */
export interface HttpRequest {
  method: string
  path: string
  query: string
  /** Host that the client believes to talk to, without a port; undefined when HTTP/1.0 names none. */
  host: string | undefined
  hasBody: boolean
  keepAlive: boolean
  /** True when the client understands an answer in chunks: HTTP/1.1. */
  takesChunks: boolean
  /** Offset after the request in the bytes that were read. */
  end: number
}

/** A request that is answered with an error, after which the connection is closed. */
export interface BadRequest {
  status: number
  error: string
}

/** Maximum length of a target; those that exist have at most 40 characters. */
const MAX_TARGET_CHARS = 1024

const LF = 10
const REQUEST_LINE = /^([A-Z]{1,20}) (\S+) HTTP\/(\d)\.(\d)$/
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):(.*)$/
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
const DIGITS = /^\d{1,15}$/

/** Reads the first request in `bytes`; returns undefined when more bytes are needed. */
export function readRequest(bytes: Buffer, maxBytes: number): HttpRequest | BadRequest | undefined {
  const end = headEnd(bytes)
  if (end === undefined || end > maxBytes) {
    if (bytes.length <= maxBytes && end === undefined) return hopeless(bytes)
    return { status: 431, error: `request header longer than ${maxBytes} bytes` }
  }
  const [requestLine = '', ...lines] = bytes.toString('latin1', 0, end).trimStart().split('\n').map(withoutCr)
  const [, method = '', target = '', major, minor] = REQUEST_LINE.exec(requestLine) ?? []
  if (method === '') return { status: 400, error: 'not a request of HTTP' }
  if (major !== '1') return { status: 505, error: 'only HTTP/1.0 and HTTP/1.1 are understood' }
  if (target.length > MAX_TARGET_CHARS) return { status: 414, error: 'target too long' }
  const headers = readHeaders(lines.slice(0, -2))
  if (headers === undefined) return { status: 400, error: 'malformed header' }
  const [, authority, rest = ''] = ABSOLUTE.exec(target) ?? []
  const named = authority ?? headers.host
  if (named === undefined && minor !== '0') return { status: 400, error: 'header Host is missing' }
  const [path = '', query = ''] = splitAt(authority === undefined ? target : rest || '/', '?')
  const { connection } = headers
  return {
    method,
    path,
    query,
    host: named === undefined ? undefined : withoutPort(named),
    hasBody: headers.hasBody,
    keepAlive: minor === '0' ? connection.includes('keep-alive') : !connection.includes('close'),
    takesChunks: minor !== '0',
    end,
  }
}

/** Returns the offset after the empty line that ends the header; leading empty lines are skipped. */
function headEnd(bytes: Buffer): number | undefined {
  let lineStart = 0
  let hasText = false
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, lineStart)) {
    const isEmpty = at === lineStart || (at === lineStart + 1 && bytes[lineStart] === 13)
    if (isEmpty && hasText) return at + 1
    if (!isEmpty) hasText = true
    lineStart = at + 1
  }
  return undefined
}

/** Returns an error for bytes that cannot become a request, so that TLS and other protocols do not wait for a timeout. */
function hopeless(bytes: Buffer): BadRequest | undefined {
  const [first = 0x47] = bytes
  const isText = (first >= 0x41 && first <= 0x5a) || first === 13 || first === LF
  return isText ? undefined : { status: 400, error: 'not a request of HTTP' }
}

interface Headers {
  host: string | undefined
  hasBody: boolean
  connection: string
}

function readHeaders(lines: string[]): Headers | undefined {
  const found: Headers = { host: undefined, hasBody: false, connection: '' }
  for (const line of lines) {
    const [, name = '', text = ''] = HEADER.exec(line) ?? []
    if (name === '' || CONTROL.test(line)) return undefined
    const value = withoutBlanks(text)
    switch (name.toLowerCase()) {
      case 'host':
        if (found.host !== undefined) return undefined
        found.host = value
        break
      case 'content-length':
        if (!DIGITS.test(value)) return undefined
        if (Number(value) !== 0) found.hasBody = true
        break
      case 'transfer-encoding':
        found.hasBody = true
        break
      case 'connection':
        found.connection = value.toLowerCase()
    }
  }
  return found
}

/** Removes blanks and tabs around a value; an expression that did it would take a time that is quadratic in them. */
function withoutBlanks(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isBlank(text, start)) start++
  while (end > start && isBlank(text, end - 1)) end--
  return text.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}

function withoutCr(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

const PORT = /:\d*$/
const USERINFO = /^.*@/

/** Returns the host of `[user@]host[:port]` in lower case, an IPv6 address without its brackets. */
function withoutPort(authority: string): string {
  const host = authority.replace(USERINFO, '').replace(PORT, '').toLowerCase()
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}
