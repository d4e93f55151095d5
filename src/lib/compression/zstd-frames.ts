import { Malformed } from '../../core/malformed.ts'

const MAGIC = 0xfd2fb528
/** Magic numbers of skippable frames, without their last four bits. */
const SKIPPABLE = 0x184d2a5
const LARGEST_BLOCK_BYTES = 131_072
/** Sizes in bytes of a field that the frame header's descriptor gives as a number of two bits. */
const DICTIONARY_ID = [0, 1, 2, 4] as const
const CONTENT_SIZE = [0, 2, 4, 8] as const
const REPEATED = 1
const RESERVED = 3

interface Frames {
  /** Size of the largest window, which a decoder allocates. */
  window: number
  /** Size of the content of the frames that give theirs. */
  content: number
}

/**
 * Returns what the headers of the zstd frames (RFC 8878) in buf[start, end) say:
 *
 * ```
 *   frames   (frame | %x5?2A4D18 size:4 OCTETs)*
 *   frame    %x28B52FFD descriptor [window] [dictionary] [size] block* [checksum:4]
 *   block    head:3 OCTETs                                   head: last:1 type:2 size:21
 * ```
 * Throws `Malformed` when the last frame is not complete, which a decoder accepts as the end. Bytes that are no frame end the
 * search: a decoder refuses them.
 */
export function measureFrames(buf: Buffer, start: number, end: number): Frames {
  const frames = { window: 0, content: 0 }
  let at = start
  while (at + 4 <= end) {
    const magic = buf.readUInt32LE(at)
    if (magic >>> 4 === SKIPPABLE) {
      at = past(at + 8 <= end ? at + 8 + buf.readUInt32LE(at + 4) : end + 1, end)
      continue
    }
    if (magic !== MAGIC) break
    const header = headerOf(buf, at + 4, end)
    frames.window = Math.max(frames.window, header.window)
    frames.content += header.content
    at = afterBlocks(buf, header, end)
  }
  return frames
}

interface FrameHeader {
  window: number
  /** 0 when it is not given. */
  content: number
  /** Offset of the first block. */
  blocks: number
  hasChecksum: boolean
}

function headerOf(buf: Buffer, at: number, end: number): FrameHeader {
  past(at + 1, end)
  const descriptor = buf[at] as number
  const isSingle = (descriptor & 0x20) !== 0
  const sizeAt = at + 1 + (isSingle ? 0 : 1) + (DICTIONARY_ID[(descriptor & 3) as 0] as number)
  const sizeBytes = descriptor >>> 6 === 0 && isSingle ? 1 : (CONTENT_SIZE[(descriptor >>> 6) as 0] as number)
  const blocks = past(sizeAt + sizeBytes, end)
  const content = sizeBytes === 0 ? 0 : contentSize(buf, sizeAt, sizeBytes)
  const window = isSingle ? content : windowOf(buf[at + 1] as number)
  return { window, content, blocks, hasChecksum: (descriptor & 4) !== 0 }
}

function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3))
  return base + (base / 8) * (byte & 7)
}

function contentSize(buf: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(buf.readBigUInt64LE(at))
  // A size of two bytes counts from 256.
  return buf.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0)
}

function afterBlocks(buf: Buffer, { blocks, hasChecksum }: FrameHeader, end: number): number {
  let at = blocks
  for (;;) {
    past(at + 3, end)
    const head = buf.readUIntLE(at, 3)
    const type = (head >>> 1) & 3
    const size = head >>> 3
    if (type === RESERVED || size > LARGEST_BLOCK_BYTES) throw damaged('a block of an unknown type or size')
    at = past(at + 3 + (type === REPEATED ? 1 : size), end)
    if ((head & 1) !== 0) return past(at + (hasChecksum ? 4 : 0), end)
  }
}

function past(at: number, end: number): number {
  if (at > end) throw damaged('unexpected end')
  return at
}

function damaged(what: string): Malformed {
  return new Malformed(`a zstd payload that cannot be decompressed: ${what}`)
}
