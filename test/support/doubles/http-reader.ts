/** A request as it came over a connection, with its body as it was sent: still compressed, but without its chunks. */
export interface ReadRequest {
  method: string
  target: string
  /** `HTTP/1.1`. */
  version: string
  /** Names and values as they were sent, in their order. */
  headers: [name: string, value: string][]
  body: Buffer
}

/** The head of a request, whose body may still be missing. */
export type ReadHead = Omit<ReadRequest, 'body'>

/** A request that a server has to refuse: two lengths, a length that is no number, a head without end. */
export class BadRequest extends Error {}

const MAX_HEAD = 65_536
const MAX_BODY = 256_000_000
const HEAD_END = Buffer.from('\r\n\r\n')
const CRLF = Buffer.from('\r\n')
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/
const REQUEST_LINE = /^([A-Z]+) (\S+) (HTTP\/1\.[01])$/
const DIGITS = /^\d+$/
const CHUNK_SIZE = /^([0-9a-fA-F]{1,8})(?:;.*)?$/

/**
 * Reads requests of HTTP/1.1 from a connection. It is strict, so that a client whose framing is wrong fails the test: a
 * request has either one Content-Length or chunks, a body has just its length, lines end with CR and LF.
 */
export class HttpReader {
  readonly #onHead: ((head: ReadHead) => void) | undefined
  #parts: Buffer[] = []
  #length = 0
  #head: ReadHead | undefined
  /** Length of the body, -1 for chunks. */
  #bodyLength = 0
  #chunks: Buffer[] = []
  /** Bytes that must be there before another look makes sense. */
  #needed = 1

  /** `onHead` is called when a head is complete, before its body is. */
  constructor(onHead?: (head: ReadHead) => void) {
    this.#onHead = onHead
  }

  /** Bytes that belong to a request that is not complete. */
  get pending(): number {
    return this.#length + (this.#head === undefined ? 0 : 1)
  }

  /** Takes a part of the stream and returns the requests that are complete with it. */
  push(part: Uint8Array): ReadRequest[] {
    this.#parts.push(Buffer.from(part))
    this.#length += part.length
    const requests: ReadRequest[] = []
    while (this.#length >= this.#needed) {
      const request = this.#next()
      if (request === undefined) break
      requests.push(request)
    }
    return requests
  }

  #next(): ReadRequest | undefined {
    if (this.#head === undefined && !this.#readHead()) return undefined
    const body = this.#bodyLength < 0 ? this.#readChunks() : this.#readBody()
    const head = this.#head
    if (body === undefined || head === undefined) return undefined
    this.#head = undefined
    this.#needed = 1
    return { ...head, body }
  }

  /** Returns true if the head is complete. */
  #readHead(): boolean {
    const all = this.#all()
    const end = all.indexOf(HEAD_END)
    if (end < 0) {
      if (all.length > MAX_HEAD) throw new BadRequest(`a head of more than ${MAX_HEAD} bytes`)
      this.#needed = all.length + 1
      return false
    }
    const [first = '', ...lines] = all.toString('latin1', 0, end).split('\r\n')
    const [, method = '', target = '', version = ''] = REQUEST_LINE.exec(first) ?? []
    if (method === '') throw new BadRequest(`no request line: ${first}`)
    const headers = lines.map((line): [string, string] => {
      const [, name, value = ''] = HEADER.exec(line) ?? []
      if (name === undefined) throw new BadRequest(`no header: ${line}`)
      return [name, value]
    })
    this.#drop(end + HEAD_END.length)
    this.#head = { method, target, version, headers }
    this.#bodyLength = lengthOf(headers)
    this.#chunks = []
    this.#needed = 0
    this.#onHead?.(this.#head)
    return true
  }

  #readBody(): Buffer | undefined {
    this.#needed = this.#bodyLength
    if (this.#length < this.#bodyLength) return undefined
    const body = this.#all().subarray(0, this.#bodyLength)
    this.#drop(this.#bodyLength)
    return body
  }

  #readChunks(): Buffer | undefined {
    for (;;) {
      const all = this.#all()
      const end = all.indexOf(CRLF)
      if (end < 0) return this.#wait(all.length + 1)
      const text = CHUNK_SIZE.exec(all.toString('latin1', 0, end))?.[1]
      if (text === undefined) throw new BadRequest(`no size of a chunk: ${all.toString('latin1', 0, end)}`)
      const size = Number.parseInt(text, 16)
      if (size > MAX_BODY) throw new BadRequest(`a chunk of ${size} bytes`)
      const next = end + 2 + size + 2
      if (all.length < next) return this.#wait(next)
      if (!all.subarray(next - 2, next).equals(CRLF)) throw new BadRequest('a chunk is longer than its size')
      this.#chunks.push(all.subarray(end + 2, next - 2))
      this.#drop(next)
      if (size === 0) return Buffer.concat(this.#chunks)
    }
  }

  #wait(needed: number): undefined {
    this.#needed = needed
  }

  #all(): Buffer {
    if (this.#parts.length !== 1) this.#parts = [Buffer.concat(this.#parts)]
    return this.#parts[0] ?? Buffer.alloc(0)
  }

  #drop(bytes: number): void {
    const rest = this.#all().subarray(bytes)
    this.#parts = [rest]
    this.#length = rest.length
  }
}

/** Returns the first value of a header, whatever the case of its name. */
export function headerOf(head: ReadHead, name: string): string | undefined {
  return head.headers.find(([key]) => key.toLowerCase() === name)?.[1]
}

/** Returns the length of a body by the headers, -1 for chunks. */
function lengthOf(headers: [string, string][]): number {
  const all = (name: string): string[] =>
    headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
  const lengths = all('content-length')
  const codings = all('transfer-encoding')
  if (codings.length + lengths.length > 1) throw new BadRequest('more than one length')
  const [coding] = codings
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    throw new BadRequest(`Transfer-Encoding: ${coding}`)
  if (coding !== undefined) return -1
  const [length = '0'] = lengths
  if (!DIGITS.test(length) || Number(length) > MAX_BODY) throw new BadRequest(`Content-Length: ${length}`)
  return Number(length)
}
