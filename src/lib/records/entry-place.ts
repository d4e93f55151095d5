import { randomBytes } from 'node:crypto'
import { ENTRY_HEAD, encodeStr, skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs, spanOf } from '../../core/msgpack/record.ts'
import { metadataAt } from './entry-parts.ts'
import { isKey } from './keys.ts'

/**
 * The place of a record (core/places.ts) as a pair of its metadata, which it is while a filter has the record:
 *
 * ```
 *   KEY: ["M"] extent "." ordinal "." offset "." source
 * ```
 * ASCII, the numbers with base 36, the extent with EXTENT_DIGITS digits, so that it can be replaced; "M": the entry had metadata, perhaps
 * empty. It is text, so that a script that gets the metadata and returns it leaves it as it was. The key is another one in each run: a
 * sender that chooses metadata cannot give its records the place of others.
 */
const KEY = randomBytes(9).toString('base64url')
const KEY_BYTES = Buffer.from(KEY)
export const ENCODED_PLACE_KEY = encodeStr(KEY)
const PAIR = 0x92
const EVENT_TIME = 0xd7
const HAD_METADATA = 'M'
const M = HAD_METADATA.charCodeAt(0)
/** Digits of the largest extent. */
const EXTENT_DIGITS = 6
const PLACE = /^(M?)([0-9a-z]{6})\.([0-9a-z]{1,10})\.([0-9a-z]{1,11})\.([\x20-\x7e]*)$/

interface EntryPlace {
  source: string
  offset: number
  ordinal: number
  extent: number
  hadMetadata: boolean
}

export function placeText({ source, offset, ordinal, extent, hadMetadata }: EntryPlace): string {
  const numbers = `${digitsOf(extent)}.${ordinal.toString(36)}.${offset.toString(36)}`
  return `${hadMetadata ? HAD_METADATA : ''}${numbers}.${source}`
}

export interface FoundPlace extends EntryPlace {
  /** Offsets of the metadata, and of the pair and its end in it. */
  metadata: number
  pairAt: number
  pairEnd: number
}

/** Returns the place in the entry buf[at, end). */
export function placeIn(buf: Buffer, at: number, end: number): FoundPlace | undefined {
  const found = placeSpan(buf, at, end)
  if (found === undefined) return undefined
  const words = PLACE.exec(buf.toString('latin1', found.start, found.end))
  if (words === null) return undefined
  const [, had, extent = '', ordinal = '', offset = '', source = ''] = words
  const { metadata, pairAt, pairEnd } = found
  return {
    metadata,
    pairAt,
    pairEnd,
    source,
    offset: Number.parseInt(offset, 36),
    ordinal: Number.parseInt(ordinal, 36),
    extent: Number.parseInt(extent, 36),
    hadMetadata: had === HAD_METADATA,
  }
}

interface PlaceSpan {
  metadata: number
  pairAt: number
  pairEnd: number
  /** The text is buf[start, end). */
  start: number
  end: number
}

/** Finds the text of the place in the entry buf[at, end), or in a beginning of it that has its metadata. */
export function placeSpan(buf: Buffer, at: number, end: number): PlaceSpan | undefined {
  if (buf[at + 1] !== PAIR) return undefined
  const metadataOfEntry = at + 1 + ENTRY_HEAD
  // As an entry nearly always is: it is the first of a few pairs.
  if (
    buf[at + 2] === EVENT_TIME &&
    ((buf[metadataOfEntry] as number) & 0xf0) === 0x80 &&
    metadataOfEntry < end
  ) {
    const pairAt = metadataOfEntry + 1
    const value = pairAt + ENCODED_PLACE_KEY.length
    if (value < end && buf.compare(ENCODED_PLACE_KEY, 0, ENCODED_PLACE_KEY.length, pairAt, value) === 0) {
      const span = spanOf(buf, value)
      if (span !== undefined && span.end <= end)
        return { metadata: metadataOfEntry, pairAt, pairEnd: span.end, start: span.start, end: span.end }
    }
  }
  const metadata = metadataAt(buf, at, end)
  const pairs = metadata < 0 ? -1 : mapPairs(buf, metadata)
  let p = pairs < 0 ? -1 : mapBody(buf, metadata)
  for (let i = 0; i < pairs && p >= 0 && p < end; i++) {
    const value = skip(buf, p, end)
    if (value < 0) return undefined
    const pairEnd = skip(buf, value, end)
    if (pairEnd < 0) return undefined
    const span = isKey(buf, p, KEY_BYTES) ? spanOf(buf, value) : undefined
    if (span !== undefined) return { metadata, pairAt: p, pairEnd, start: span.start, end: span.end }
    p = pairEnd
  }
  return undefined
}

/** Returns the extent in the text of a place. */
export function extentOf(buf: Buffer, { start }: PlaceSpan): number {
  const at = extentAt(buf, start)
  return Number.parseInt(buf.toString('latin1', at, at + EXTENT_DIGITS), 36)
}

/** Replaces it. */
export function replaceExtent(buf: Buffer, { start }: PlaceSpan, extent: number): void {
  buf.write(digitsOf(extent), extentAt(buf, start), 'latin1')
}

function extentAt(buf: Buffer, start: number): number {
  return buf[start] === M ? start + 1 : start
}

function digitsOf(extent: number): string {
  return extent === 0 ? NO_EXTENT : extent.toString(36).padStart(EXTENT_DIGITS, '0')
}

const NO_EXTENT = '0'.repeat(EXTENT_DIGITS)
