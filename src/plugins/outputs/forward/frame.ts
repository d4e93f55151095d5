import type { BufferSource } from '../../../core/buffers.ts'
import { type Chunk, TAIL_ROOM } from '../../../core/chunk.ts'
import {
  encodeFrameOptions,
  entriesWithIntegerTime,
  frameHeadSize,
  writeFrameHead,
} from '../../../protocol/forward.ts'
import { compress } from './compress.ts'
import type { ForwardOptions } from './options.ts'

/** What goes over the wire for one chunk; the parts are views that stay valid until `release`. */
export interface Frame {
  parts: Buffer[]
  release(): void
}

/**
 * Frames a chunk. In the plain case head and options are written into the rooms around the entries and the frame is one
 * view of the chunk: no copy, one write. A second output of the same chunk, other times or compression need a copy.
 */
export async function makeFrame(
  chunk: Chunk,
  options: ForwardOptions,
  buffers: BufferSource,
): Promise<Frame> {
  const tag = options.tag ?? chunk.tag
  const plain = options.compress === 'text' && !options.timeAsInteger
  const tail = encodeFrameOptions(optionsOf(chunk, options))
  if (plain && tail !== undefined && fitsRooms(chunk, tag, tail) && chunk.claimRooms())
    return inPlace(chunk, tag, tail)
  const entries = options.timeAsInteger
    ? withIntegerTime(chunk, buffers)
    : { bytes: chunk.entries(), release: () => {} }
  try {
    const payload =
      options.compress === 'text' ? entries.bytes : await compress(entries.bytes, options.compress)
    const head = Buffer.allocUnsafe(frameHeadSize(Buffer.byteLength(tag)))
    writeFrameHead(head, head.length, tag, payload.length, tail !== undefined)
    const parts = tail === undefined ? [head, payload] : [head, payload, tail]
    // A compressed payload is a buffer of its own: the copy it was made of can go back now.
    if (payload !== entries.bytes) entries.release()
    return { parts, release: payload === entries.bytes ? entries.release : () => {} }
  } catch (error) {
    entries.release()
    throw error
  }
}

function fitsRooms(chunk: Chunk, tag: string, tail: Buffer): boolean {
  return (
    frameHeadSize(Buffer.byteLength(tag)) <= chunk.start &&
    tail.length <= TAIL_ROOM &&
    chunk.end + tail.length <= chunk.buf.length
  )
}

function inPlace(chunk: Chunk, tag: string, tail: Buffer): Frame {
  const start = writeFrameHead(chunk.buf, chunk.start, tag, chunk.size, true)
  const end = chunk.end + tail.copy(chunk.buf, chunk.end)
  return { parts: [chunk.buf.subarray(start, end)], release: () => {} }
}

function optionsOf(chunk: Chunk, o: ForwardOptions): Parameters<typeof encodeFrameOptions>[0] {
  const wanted = o.requireAckResponse || o.sendOptions || o.compress !== 'text'
  return {
    chunk: o.requireAckResponse || o.sendOptions ? chunk.id : undefined,
    size: wanted ? chunk.count : undefined,
    compressed: o.compress === 'text' ? undefined : o.compress,
    extra: o.addOption.map(([key = '', value = '']) => [key, value] as const),
  }
}

function withIntegerTime(chunk: Chunk, buffers: BufferSource): { bytes: Buffer; release: () => void } {
  const buf = buffers.force(chunk.size)
  const end = entriesWithIntegerTime(chunk.buf, chunk.start, chunk.end, buf, 0)
  if (end < 0) {
    buffers.give(buf)
    throw new Error(`chunk ${chunk.id} holds entries that are not [EventTime, map]`)
  }
  return { bytes: buf.subarray(0, end), release: () => buffers.give(buf) }
}
