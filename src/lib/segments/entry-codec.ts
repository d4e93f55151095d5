import type { Chunk, Origin } from '../../core/chunk.ts'
import { ByteReader, type ByteWriter, checksum } from './bytes.ts'
import { writePlaces } from './places-codec.ts'
import type { SegmentHead } from './segment-codec.ts'

/**
 * Format of an entry, a chunk with its routes; see segment-codec.ts for the notation.
 *
 * ```
 * entry  = head meta data
 * head   = mark:u32 crc:u32 offset:u32 metaBytes:u32 dataBytes:u32 count:u32 metaCrc:u32 dataCrc:u32 before:whole stored:whole
 *          routes:u16 flags:u16
 * meta   = output:u16* tag:text input:text id:text length:u32 origin* [places]
 * origin = text offset:whole end:whole
 * ```
 * - `places`, see places-codec.ts, are there if the flag HAS_PLACES is set.
 * - `data` are the records of the chunk as they are.
 * - `offset` is that of the head in its file: the head of a moved or copied entry is not valid.
 * - `before` is the number of records that were written to the log before the entry.
 * - `crc` covers the head after itself. Each part has its own checksum: a valid head tells the number of lost records, whatever has
 *   happened to the rest.
 * - `routes` is the number of outputs, each an index into the table of the segment.
 */
export const HEAD_BYTES = 52
/** Largest size of what is between head and data. */
export const MAX_META_BYTES = 16 << 20
/** Size from which origins are left out: they say only where the records came from. */
const MAX_ORIGINS_BYTES = 1 << 20
const HAS_METADATA = 1
const HAS_PLACES = 2

/** The head of an entry. */
export interface EntryHead {
  metaBytes: number
  dataBytes: number
  count: number
  metaCrc: number
  dataCrc: number
  /** Number of records that were written to the log before the entry. */
  before: number
  storedMs: number
  routes: number
  hasMetadata: boolean
  hasPlaces: boolean
}

/** Place at which an entry is written. */
interface EntryPlace {
  head: SegmentHead
  offset: number
  /** Number of records that were written to the log before. */
  before: number
  nowMs: number
}

/** Writes head and meta of the entry for a chunk to the start of `out`, whose size is then that of both. */
export function encodeEntry(
  out: ByteWriter,
  chunk: Chunk,
  data: Buffer,
  routes: readonly number[],
  place: EntryPlace,
): { dataCrc: number; placesBytes: number } {
  const { seed, mark } = place.head
  out.at = 0
  out.reserve(HEAD_BYTES)
  out.at = HEAD_BYTES
  for (const route of routes) out.u16(route)
  out.text(chunk.tag)
  out.text(chunk.input)
  out.text(chunk.id)
  writeOrigins(out, chunk.origins)
  const placesAt = out.at
  const hasPlaces = chunk.places !== undefined && writePlaces(out, chunk)
  const { buf, at } = out
  const dataCrc = checksum(data, 0, data.length, seed)
  buf.writeUInt32LE(mark, 0)
  buf.writeUInt32LE(place.offset, 8)
  buf.writeUInt32LE(at - HEAD_BYTES, 12)
  buf.writeUInt32LE(data.length, 16)
  buf.writeUInt32LE(chunk.count, 20)
  buf.writeUInt32LE(checksum(buf, HEAD_BYTES, at, seed), 24)
  buf.writeUInt32LE(dataCrc, 28)
  buf.writeDoubleLE(place.before, 32)
  buf.writeDoubleLE(place.nowMs, 40)
  buf.writeUInt16LE(routes.length, 48)
  buf.writeUInt16LE((chunk.hasMetadata ? HAS_METADATA : 0) | (hasPlaces ? HAS_PLACES : 0), 50)
  buf.writeUInt32LE(checksum(buf, 8, HEAD_BYTES, seed), 4)
  return { dataCrc, placesBytes: at - placesAt }
}

function writeOrigins(out: ByteWriter, origins: readonly Origin[]): void {
  const countAt = out.at
  out.u32(0)
  let count = 0
  for (const { file, offset, end } of origins) {
    if (out.at > MAX_ORIGINS_BYTES) break
    out.text(file)
    out.whole(offset)
    out.whole(end)
    count++
  }
  out.buf.writeUInt32LE(count, countAt)
}

/** Reads the head at `at`, which is at `offset` in its file, into `into`. Returns false when it is damaged. */
export function decodeHead(
  buf: Buffer,
  at: number,
  { mark, seed }: SegmentHead,
  offset: number,
  into: EntryHead,
): boolean {
  if (at + HEAD_BYTES > buf.length || buf.readUInt32LE(at) !== mark) return false
  if (buf.readUInt32LE(at + 8) !== offset) return false
  if (buf.readUInt32LE(at + 4) !== checksum(buf, at + 8, at + HEAD_BYTES, seed)) return false
  into.metaBytes = buf.readUInt32LE(at + 12)
  into.dataBytes = buf.readUInt32LE(at + 16)
  into.count = buf.readUInt32LE(at + 20)
  into.metaCrc = buf.readUInt32LE(at + 24)
  into.dataCrc = buf.readUInt32LE(at + 28)
  into.before = buf.readDoubleLE(at + 32)
  into.storedMs = buf.readDoubleLE(at + 40)
  into.routes = buf.readUInt16LE(at + 48)
  const flags = buf.readUInt16LE(at + 50)
  into.hasMetadata = (flags & HAS_METADATA) !== 0
  into.hasPlaces = (flags & HAS_PLACES) !== 0
  return (
    into.metaBytes <= MAX_META_BYTES && into.routes * 2 <= into.metaBytes && Number.isSafeInteger(into.before)
  )
}

/** True when the meta of `head` at `at` is what was written. */
export function isMetaWhole(buf: Buffer, at: number, head: EntryHead, seed: number): boolean {
  return checksum(buf, at, at + head.metaBytes, seed) === head.metaCrc
}

/** True when the meta at `at` names the output with this index. */
export function hasRoute(buf: Buffer, at: number, routes: number, output: number): boolean {
  for (let i = 0; i < routes; i++) if (buf.readUInt16LE(at + i * 2) === output) return true
  return false
}

/** The texts of an entry. */
interface EntryTexts {
  tag: string
  input: string
  id: string
  origins: readonly Origin[]
  /** Size of the places at the end of the meta. */
  placesBytes: number
}

const NO_ORIGINS: readonly Origin[] = []

/** Returns the texts in the meta at `at`, or undefined when they are not what this program writes. */
export function decodeTexts(buf: Buffer, at: number, head: EntryHead): EntryTexts | undefined {
  const from = new ByteReader(buf, at + head.routes * 2, at + head.metaBytes)
  const tag = from.text()
  const input = from.text()
  const id = from.text()
  const length = from.u32()
  const origins: Origin[] = []
  for (let i = 0; i < length && from.isValid; i++)
    origins.push({ file: from.text(), offset: from.whole(), end: from.whole() })
  const placesBytes = head.hasPlaces ? at + head.metaBytes - from.at : 0
  if (!(head.hasPlaces ? from.isValid : from.isDone)) return undefined
  return { tag, input, id, origins: length === 0 ? NO_ORIGINS : origins, placesBytes }
}
