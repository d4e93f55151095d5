import { checksum } from './bytes.ts'
import { decodeHead, decodeTexts, type EntryHead, HEAD_BYTES, hasRoute, isMetaWhole } from './entry-codec.ts'
import type { OpenFiles } from './open-files.ts'
import type { Region, Segment } from './segment.ts'
import type { StoredChunk } from './types.ts'

const BLOCK_BYTES = 65_536

/** What is at an offset: nothing that is whole, a head whose rest is damaged, or head and meta of an entry. */
export const NOTHING = 0
const HEAD = 1
export const ENTRY = 2
type Found = typeof NOTHING | typeof HEAD | typeof ENTRY

/** A stored chunk with the place of its data. */
export interface LocatedChunk extends StoredChunk {
  readonly dataAt: number
  readonly dataCrc: number
  /** Size of the places, which end where the data begin. */
  readonly placesBytes: number
}

/** Reads heads and metas of entries, a block at a time: the entry that was loaded last is described by its fields. */
export class EntryReader {
  readonly head: EntryHead = {
    metaBytes: 0,
    dataBytes: 0,
    count: 0,
    metaCrc: 0,
    dataCrc: 0,
    before: 0,
    storedMs: 0,
    routes: 0,
    hasMetadata: false,
    hasPlaces: false,
  }
  /** Offset after the entry. */
  next = 0
  readonly #files: OpenFiles
  readonly #own = Buffer.allocUnsafe(BLOCK_BYTES)
  #block = this.#own
  #segment: Segment | undefined
  /** The block has the bytes [from, to) of the segment. */
  #from = 0
  #to = 0
  #offset = 0

  constructor(files: OpenFiles) {
    this.#files = files
  }

  /** Loads the entry at `offset`, which has to end at `limit` or before. */
  load(segment: Segment, offset: number, limit: number): Found {
    const { head } = this
    if (!this.loadHead(segment, offset, limit)) return NOTHING
    this.next = offset + HEAD_BYTES + head.metaBytes + head.dataBytes
    if (this.next > limit) return NOTHING
    const size = HEAD_BYTES + head.metaBytes
    if (!this.#fill(segment, offset, size, limit)) return HEAD
    const at = offset - this.#from + HEAD_BYTES
    return isMetaWhole(this.#block, at, head, segment.head.seed) ? ENTRY : HEAD
  }

  /** Loads a head alone: the entry may be longer than the file. */
  loadHead(segment: Segment, offset: number, limit: number): boolean {
    this.#offset = offset
    if (offset + HEAD_BYTES > limit || !this.#fill(segment, offset, HEAD_BYTES, limit)) return false
    return decodeHead(this.#block, offset - this.#from, segment.head, offset, this.head)
  }

  /** True when the entry is for the output with this index. */
  isFor(output: number): boolean {
    return hasRoute(this.#block, this.#metaAt, this.head.routes, output)
  }

  /** Adds the entry to what is in the segment. */
  countIn(segment: Segment): void {
    const { routes, count, dataBytes } = this.head
    for (let i = 0; i < routes; i++) {
      const output = this.#block.readUInt16LE(this.#metaAt + i * 2)
      if (output < segment.table.names.length) segment.count(output, count, dataBytes)
    }
  }

  /** Returns the chunk, or undefined when its texts are not what this program writes. */
  chunk(): LocatedChunk | undefined {
    const { head } = this
    const texts = decodeTexts(this.#block, this.#metaAt, head)
    if (texts === undefined || this.#segment === undefined) return undefined
    const segment = this.#segment.number
    return {
      at: { segment, offset: this.#offset },
      next: { segment, offset: this.next },
      ...texts,
      count: head.count,
      bytes: head.dataBytes,
      hasMetadata: head.hasMetadata,
      storedMs: head.storedMs,
      dataAt: this.next - head.dataBytes,
      dataCrc: head.dataCrc,
    }
  }

  /** True when the data of the loaded entry are whole. `buf`: a buffer for it, which the caller may keep for the next one. */
  isDataWhole(segment: Segment, buf: Buffer): boolean {
    const { dataBytes, dataCrc } = this.head
    let at = this.next - dataBytes
    let crc = segment.head.seed
    while (at < this.next) {
      const got = this.#files.read(segment, buf, 0, Math.min(buf.length, this.next - at), at)
      if (got === 0) return false
      crc = checksum(buf, 0, got, crc)
      at += got
    }
    return crc === dataCrc
  }

  /** Returns the offset of the first valid head after `offset`, or -1. */
  search(segment: Segment, offset: number, limit: number): number {
    const mark = Buffer.alloc(4)
    mark.writeUInt32LE(segment.head.mark)
    const buf = Buffer.allocUnsafe(BLOCK_BYTES)
    for (let from = offset + 1; from + HEAD_BYTES <= limit; from += BLOCK_BYTES - 3) {
      const got = this.#files.read(segment, buf, 0, Math.min(BLOCK_BYTES, limit - from), from)
      const bytes = buf.subarray(0, got)
      for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1))
        if (this.load(segment, from + at, limit) !== NOTHING) return from + at
    }
    return -1
  }

  /**
   * Returns the parts of a segment whose heads or metas cannot be read, with the number of their records as the
   * entries around them tell. The last part may be empty: it stands for records that are missing at the end.
   */
  regionsOf(segment: Segment): Region[] {
    const regions: Region[] = []
    const { end, records, head } = segment
    const total = records === undefined ? undefined : head.before + records
    let expected = head.before
    let offset = segment.first
    while (offset < end) {
      const found = this.load(segment, offset, end)
      if (found !== NOTHING) {
        if (found === HEAD || !this.hasTexts())
          regions.push({
            offset,
            end: this.next,
            records: this.head.count,
            reason: 'the metadata of a chunk is damaged',
          })
        expected = this.head.before + this.head.count
        offset = this.next
        continue
      }
      const next = this.search(segment, offset, end)
      const known = next < 0 ? total : this.head.before
      regions.push({
        offset,
        end: next < 0 ? end : next,
        records: known === undefined ? undefined : Math.max(0, known - expected),
        reason: segment.isMissing ? 'the file is missing' : 'the header of a chunk is damaged',
      })
      if (known !== undefined) expected = known
      offset = next < 0 ? end : next
    }
    if (total !== undefined && total > expected)
      regions.push({ offset: end, end, records: total - expected, reason: 'the end of the file is missing' })
    return regions
  }

  /** Returns the bytes [from, to) of a segment, as far as it has them: for few bytes. */
  bytes(segment: Segment, from: number, to: number): Buffer {
    const buf = Buffer.alloc(to - from)
    return buf.subarray(0, this.#files.read(segment, buf, 0, buf.length, from))
  }

  /** True when the texts of the loaded entry can be read. */
  hasTexts(): boolean {
    return decodeTexts(this.#block, this.#metaAt, this.head) !== undefined
  }

  /** Forgets the block of a segment that is about to change or to go. */
  forget(segment: Segment): void {
    if (this.#segment === segment) this.#segment = undefined
  }

  get #metaAt(): number {
    return this.#offset - this.#from + HEAD_BYTES
  }

  /** Makes the block have [offset, offset + bytes) of the segment; nothing after `limit` is read. */
  #fill(segment: Segment, offset: number, bytes: number, limit: number): boolean {
    if (this.#segment === segment && offset >= this.#from && offset + bytes <= this.#to) return true
    this.#segment = undefined
    if (bytes > BLOCK_BYTES) this.#block = Buffer.allocUnsafe(bytes)
    else this.#block = this.#own
    const length = Math.min(this.#block.length, limit - offset)
    const got = length < bytes ? 0 : this.#files.read(segment, this.#block, 0, length, offset)
    this.#segment = segment
    this.#from = offset
    this.#to = offset + got
    return got >= bytes
  }
}
