/**
 * The head of a request of HTTP/1.1 (RFC 9112):
 *
 * ```
 *   head    = *EOL method SP target SP "HTTP/1." ("0" / "1") EOL *(name ":" value EOL) EOL      EOL = CRLF or LF
 *   target  = path ["?" query] / "http://" host path
 * ```
 * Not accepted: folded header lines, control characters, blanks before the colon, a request of HTTP/1.1 without exactly one
 * Host. Where servers may read a request in two ways, so that a proxy and this server see different ones, it is refused.
 */
export interface RequestHead {
  method: string
  path: string
  query: string
  /** Host that the client believes to talk to, without a port; undefined when HTTP/1.0 names none. */
  host: string | undefined
  keepAlive: boolean
  /** True for HTTP/1.1, whose clients understand an answer in chunks and interim answers. */
  isCurrent: boolean
  /**
   * Values by names in lower case; those of a name that is there several times are joined with commas. Content-Length is not among
   * them: it is `framing`.
   */
  headers: Map<string, string>
  framing: Framing
  /** Offset after the head in the bytes that were read. */
  end: number
}

/** A request that is answered with an error, after which the connection is closed. */
export interface BadRequest {
  status: number
  error: string
  /** True for the first line of HTTP/2, which clients send that do not ask whether it is understood. */
  isHttp2?: true
}

/** How a body is delimited: its length, 0 for a request without one, or CHUNKED. */
export type Framing = number
export const CHUNKED: Framing = -1

const LF = 10
const REQUEST_LINE = /^([A-Z]{1,20}) (\S+) HTTP\/(\d)\.(\d)$/
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):(.*)$/
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
const DIGITS = /^\d{1,15}$/
/** First two lines of HTTP/2. */
export const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n\r\n'

/** Limits of a head, in bytes and in characters of its target. */
export interface HeadLimits {
  headerBytes: number
  targetChars: number
}

/** Reads the first head in `bytes`; returns undefined when more bytes are needed. */
export function readHead(bytes: Buffer, limits: HeadLimits): RequestHead | BadRequest | undefined {
  const { headerBytes, targetChars } = limits
  const end = headEnd(bytes)
  if (end === undefined || end > headerBytes) {
    if (bytes.length <= headerBytes && end === undefined) return hopeless(bytes)
    return { status: 431, error: `request header longer than ${headerBytes} bytes` }
  }
  const [requestLine = '', ...lines] = bytes.toString('latin1', 0, end).trimStart().split('\n').map(withoutCr)
  const [, method = '', target = '', major, minor] = REQUEST_LINE.exec(requestLine) ?? []
  if (method === '') return { status: 400, error: 'not a request of HTTP' }
  if (major !== '1')
    return {
      status: 505,
      error: 'only HTTP/1.0 and HTTP/1.1 are understood',
      ...(bytes.toString('latin1', 0, end) === HTTP2_PREFACE ? { isHttp2: true } : {}),
    }
  if (target.length > targetChars) return { status: 414, error: 'target too long' }
  const headers = readHeaders(lines.slice(0, -2))
  if (headers === undefined) return { status: 400, error: 'malformed header' }
  const [, authority, rest = ''] = ABSOLUTE.exec(target) ?? []
  const named = authority ?? headers.get('host')
  if (named === undefined && minor !== '0') return { status: 400, error: 'header Host is missing' }
  const framing = framingOf(headers, minor !== '0')
  if (typeof framing === 'object') return framing
  headers.delete('content-length')
  const [path = '', query = ''] = splitAt(authority === undefined ? target : rest || '/', '?')
  const connection = headers.get('connection')?.toLowerCase() ?? ''
  return {
    method,
    path,
    query,
    host: named === undefined ? undefined : withoutPort(named),
    keepAlive: minor === '0' ? connection.includes('keep-alive') : !connection.includes('close'),
    isCurrent: minor !== '0',
    headers,
    framing,
    end,
  }
}

/**
 * Returns how the body of a request is delimited. A request with two lengths, or with a length and
 * chunks, is refused: a proxy before this server may have counted the other one, and what it took for a body would be
 * the next request here.
 */
function framingOf(headers: Map<string, string>, isCurrent: boolean): Framing | BadRequest {
  const length = headers.get('content-length')
  const coding = headers.get('transfer-encoding')
  if (coding === undefined) {
    if (length === undefined) return 0
    // Two lengths are joined with a comma, and so are no digits.
    return DIGITS.test(length) ? Number(length) : { status: 400, error: 'malformed Content-Length' }
  }
  if (length !== undefined)
    return { status: 400, error: 'both Content-Length and Transfer-Encoding are given' }
  if (!isCurrent) return { status: 400, error: 'Transfer-Encoding is not of HTTP/1.0' }
  if (coding.toLowerCase() !== 'chunked')
    return { status: 501, error: 'the only Transfer-Encoding that is understood is chunked' }
  return CHUNKED
}

/** Returns the offset after the empty line that ends the head; leading empty lines are skipped. */
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

function readHeaders(lines: string[]): Map<string, string> | undefined {
  const found = new Map<string, string>()
  for (const line of lines) {
    const [, name = '', text = ''] = HEADER.exec(line) ?? []
    if (name === '' || CONTROL.test(line)) return undefined
    const key = name.toLowerCase()
    const value = withoutBlanks(text)
    const before = found.get(key)
    if (key === 'host' && before !== undefined) return undefined
    if (key === 'content-length' && !DIGITS.test(value)) return undefined
    found.set(key, before === undefined ? value : `${before}, ${value}`)
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
