import { type BadRequest, type HeadLimits, type RequestHead, readHead } from './head.ts'

/** Largest head that is kept: each connection has one. */
const MAX_KEPT_BYTES = 1024
const MAX_DIGITS = 15
const CONTENT_LENGTH = /\ncontent-length:[ \t]*(\d+)/i

/** A head that was read, and its bytes: those before the number of Content-Length, and those after it. */
interface KnownHead {
  head: RequestHead
  before: Buffer
  after: Buffer
}

/**
 * Reads the heads of one client. Most send the same one with each request, but for the number of Content-Length: what was read of the
 * one before holds while the bytes around the number are the same. So a small request costs half.
 */
export class HeadReader {
  readonly #limits: HeadLimits
  #known: KnownHead | undefined

  constructor(limits: HeadLimits) {
    this.#limits = limits
  }

  /** As `readHead`. The head that is returned is valid until the next one is read. */
  read(bytes: Buffer): RequestHead | BadRequest | undefined {
    const known = this.#known
    if (known !== undefined && isAgain(known, bytes)) return known.head
    const head = readHead(bytes, this.#limits)
    if (head !== undefined) this.#known = 'status' in head ? undefined : knownOf(head, bytes)
    return head
  }
}

function knownOf(head: RequestHead, bytes: Buffer): KnownHead | undefined {
  const { end } = head
  if (end > MAX_KEPT_BYTES) return undefined
  // In memory of its own: a small buffer of the pool would keep the others of its slab.
  const own = Buffer.allocUnsafeSlow(end)
  bytes.copy(own, 0, 0, end)
  const found = CONTENT_LENGTH.exec(own.toString('latin1'))
  if (found === null) return { head, before: own, after: own.subarray(end) }
  const at = found.index + found[0].length
  const digits = found[1] as string
  return { head, before: own.subarray(0, at - digits.length), after: own.subarray(at) }
}

/** Returns true when the bytes begin with this head, whose length and end are set to those in the bytes. */
function isAgain({ head, before, after }: KnownHead, bytes: Buffer): boolean {
  if (!isAt(before, bytes, 0)) return false
  let at = before.length
  if (after.length === 0) {
    head.end = at
    return true
  }
  const maxEnd = at + MAX_DIGITS
  let length = 0
  for (let digit = digitAt(bytes, at); digit >= 0 && at < maxEnd; digit = digitAt(bytes, ++at))
    length = length * 10 + digit
  if (at === before.length || !isAt(after, bytes, at)) return false
  head.framing = length
  head.end = at + after.length
  return true
}

function isAt(part: Buffer, bytes: Buffer, at: number): boolean {
  const end = at + part.length
  return end <= bytes.length && part.compare(bytes, at, end) === 0
}

/** Returns the digit at this offset; -1 when there is none. */
function digitAt(bytes: Buffer, at: number): number {
  const value = at < bytes.length ? (bytes[at] as number) - 0x30 : -1
  return value <= 9 ? value : -1
}
