import { Malformed } from '../../core/malformed.ts'
import type { Compression, Inflaters } from '../compression/inflater.ts'
import type { PieceReader } from '../compression/piece-reader.ts'
import type { ConnectionBudget } from '../net/receive-budget.ts'
import { RefusedRequest } from './refused-request.ts'

/** Bytes of output for each byte of a body: twice what gzip can reach. */
const MAX_RATIO = 2000
const MIN_LIMIT_BYTES = 1_000_000
const MIN_PIECE_BYTES = 65_536
/** Size after which others have their turn. */
const TURN_BYTES = 1_000_000
const EXPECTED_RATIO = 8

const CODINGS: ReadonlyMap<string, Compression> = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['zstd', 'zstd'],
  ['snappy', 'snappy'],
])

/** Returns the compression that a Content-Encoding names; undefined for none. Throws RefusedRequest for one that is not known. */
export function compressionOf(coding: string | undefined): Compression | undefined {
  if (coding === undefined) return undefined
  const name = coding.toLowerCase()
  if (name === '' || name === 'identity') return undefined
  const found = CODINGS.get(name)
  if (found !== undefined) return found
  const text = `error: invalid 'Content-Encoding': accepted are ${[...CODINGS.keys()].join(', ')}`
  throw new RefusedRequest(415, 'encoding', text, `invalid Content-Encoding ${coding}`)
}

/** What decompressing waits for. */
interface Waits {
  readonly inflaters: Inflaters
  readonly budget: ConnectionBudget
  readonly maxBytes: number
  /** Resolves when there may be memory; false when the request is over. */
  forMemory(): Promise<boolean>
  isOver(): boolean
}

/** A decompressed body. */
interface Inflated {
  buf: Buffer
  length: number
}

/**
 * Decompresses a body into one buffer of the budget, which the caller gives back. Undefined when the request is over. Throws
 * RefusedRequest for a body that cannot be decompressed, or that becomes too large: before it has taken more memory than the limit.
 */
export async function inflate(
  payload: Buffer,
  how: Compression,
  waits: Waits,
): Promise<Inflated | undefined> {
  try {
    return await inflatePayload(payload, how, waits)
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    throw new RefusedRequest(400, 'encoding', `error: the body is ${error.message}`)
  }
}

async function inflatePayload(
  payload: Buffer,
  how: Compression,
  waits: Waits,
): Promise<Inflated | undefined> {
  const { inflaters, budget } = waits
  const maxBytes = Math.min(waits.maxBytes, Math.max(MIN_LIMIT_BYTES, payload.length * MAX_RATIO))
  const bytes = inflaters.bytesFor(payload, how)
  while (!budget.hold(bytes)) if (!(await waits.forMemory())) return undefined
  let inflater: PieceReader | undefined
  let buf: Buffer | undefined
  let isGiven = false
  try {
    inflater = await inflaters.begin(payload, how, bytes)
    // The payload belongs to others by then.
    if (waits.isOver()) return undefined
    let length = 0
    let turnBytes = 0
    for (;;) {
      if (buf === undefined || length === buf.length) {
        const larger: Buffer | undefined = budget.take(nextSize(buf, payload.length, maxBytes))
        if (larger === undefined) {
          if (!(await waits.forMemory())) return undefined
          continue
        }
        buf?.copy(larger, 0, 0, length)
        if (buf !== undefined) budget.give(buf)
        buf = larger
      }
      const made = inflater.read(buf, length, Math.min(buf.length, length + TURN_BYTES))
      length += made
      turnBytes += made
      if (length > maxBytes) throw tooLarge(maxBytes)
      if (inflater.isAtEnd) break
      if (turnBytes < TURN_BYTES) continue
      turnBytes = 0
      await new Promise(setImmediate)
      if (waits.isOver()) return undefined
    }
    isGiven = true
    return { buf, length }
  } finally {
    inflater?.close()
    budget.release(bytes)
    if (!isGiven && buf !== undefined) budget.give(buf)
  }
}

function nextSize(buf: Buffer | undefined, payload: number, maxBytes: number): number {
  const wanted = buf === undefined ? payload * EXPECTED_RATIO : 2 * buf.length
  const next = Math.min(Math.max(wanted, MIN_PIECE_BYTES), maxBytes + 1)
  if (buf !== undefined && next <= buf.length) throw tooLarge(maxBytes)
  return next
}

function tooLarge(maxBytes: number): RefusedRequest {
  return new RefusedRequest(
    413,
    'too_large',
    `error: the body has more than ${maxBytes} bytes when decompressed`,
  )
}
