import type { Chunk } from '../../core/chunk.ts'
import { EXTENTS, IS_HASHED, Places } from '../../core/places.ts'
import { hashedPlaces, SOURCE_DIGITS } from '../../core/record-ids.ts'
import { ByteReader, type ByteWriter, checksum } from './bytes.ts'

/**
 * Format of the places of the records of an entry, which follow its origins; see segment-codec.ts for the notation.
 *
 * ```
 * places = crc:u32 count:u32 run*
 * run    = digits:12 bytes length:u32 row*
 * row    = offset:u32 offsetHigh:u16 ordinal:u16 [extent:u32]
 * ```
 * The extent follows where `ordinal` has HAS_EXTENT. `digits` is the first part of the ids of the records, so that these are the same when what else they were made of is not in the entry.
 * The checksum is their own: they are read with the data, later than the meta.
 */
const ROW_BYTES = 12
const HAS_EXTENT = 0x8000
/** Size from which they are left out: the records then get ids of their chunk. */
const MAX_PLACES_BYTES = 8 << 20

/** Writes the places of a chunk; returns false when there are none. */
export function writePlaces(out: ByteWriter, chunk: Chunk): boolean {
  const places = hashedPlaces(chunk)
  if (places === undefined) return false
  const start = out.at
  out.u32(0)
  out.u32(places.count)
  for (let i = 0; i < places.count; ) {
    const source = places.source(i)
    let end = i + 1
    while (end < places.count && places.source(end) === source) end++
    out.reserve(SOURCE_DIGITS)
    out.at += out.buf.write(places.sourceText(i).slice(IS_HASHED.length), out.at, SOURCE_DIGITS, 'latin1')
    out.u32(end - i)
    out.reserve((end - i) * ROW_BYTES)
    for (; i < end; i++) {
      const offset = places.offset(i)
      out.u32(offset % 2 ** 32)
      out.u16(Math.floor(offset / 2 ** 32))
      const extent = places.extent(i)
      out.u16(places.ordinal(i) + (extent > 0 ? HAS_EXTENT : 0))
      if (extent > 0) out.u32(extent)
    }
  }
  if (out.at - start > MAX_PLACES_BYTES) {
    out.at = start
    return false
  }
  out.buf.writeUInt32LE(checksum(out.buf, start + 4, out.at), start)
  return true
}

/** Reads what `writePlaces` has written, for `count` records; undefined when it is damaged. */
export function readPlaces(buf: Buffer, count: number): Places | undefined {
  if (buf.length < 8 || buf.readUInt32LE(0) !== checksum(buf, 4, buf.length)) return undefined
  const from = new ByteReader(buf, 4, buf.length)
  if (from.u32() !== count) return undefined
  const places = new Places(count)
  while (from.isValid && places.count < count) {
    const digits = buf.toString('latin1', from.at, from.at + SOURCE_DIGITS)
    from.at += SOURCE_DIGITS
    const source = places.sourceIndex(IS_HASHED + digits)
    const length = from.u32()
    for (let i = 0; i < length && from.isValid; i++) {
      const low = from.u32()
      const offset = from.u16() * 2 ** 32 + low
      const ordinal = from.u16()
      const extent = ordinal < HAS_EXTENT ? 0 : from.u32() % EXTENTS
      places.add(source, offset, ordinal % HAS_EXTENT, extent)
    }
  }
  return from.isDone && places.count === count ? places : undefined
}
