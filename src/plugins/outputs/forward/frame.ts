import type { BufferSource } from '../../../core/buffer-source.ts'
import { type Chunk, TAIL_ROOM } from '../../../core/chunk.ts'
import {
  encodeFrameOptions,
  entriesWithIntegerTime,
  frameHeadSize,
  writeFrameHead,
} from '../../../protocol/forward/frame.ts'
import { type Compression, Compressor } from './compress.ts'
import type { ForwardOptions } from './options.ts'

const COMPRESSORS = { gzip: new Compressor('gzip'), zstd: new Compressor('zstd') }

/** What goes over the wire for one chunk; the parts are views that stay valid until `release`. */
export interface Frame {
  parts: Buffer[]
  release(): void
}

/**
 * Frames a chunk. In the plain case head and options are written into the rooms around the entries and the frame is one
 * view of the chunk: no copy, one write. A second output of the same chunk, other times or compression need a copy.
 */
export function makeFrame(
  chunk: Chunk,
  options: ForwardOptions,
  buffers: BufferSource,
): Frame | Promise<Frame> {
  const tag = options.tag ?? chunk.tag
  const tail = encodeFrameOptions(optionsOf(chunk, options))
  if (options.compress !== 'text') return compressed(chunk, tag, tail, options.compress, buffers)
  if (options.timeAsInteger) {
    const copy = withIntegerTime(chunk, buffers)
    return { parts: around(tag, copy.bytes, tail), release: copy.release }
  }
  const inRooms = tail !== undefined && fitsRooms(chunk, tag, tail) && chunk.claimFrameSpace()
  return {
    parts: inRooms ? [inPlace(chunk, tag, tail)] : around(tag, chunk.entries(), tail),
    release: nothing,
  }
}

async function compressed(
  chunk: Chunk,
  tag: string,
  tail: Buffer | undefined,
  how: Compression,
  buffers: BufferSource,
): Promise<Frame> {
  const { buf, size } = await COMPRESSORS[how].compress(chunk.entries(), buffers)
  return { parts: around(tag, buf.subarray(0, size), tail), release: () => buffers.give(buf) }
}

function around(tag: string, payload: Buffer, tail: Buffer | undefined): Buffer[] {
  const head = Buffer.allocUnsafe(frameHeadSize(Buffer.byteLength(tag)))
  writeFrameHead(head, head.length, tag, payload.length, tail !== undefined)
  return tail === undefined ? [head, payload] : [head, payload, tail]
}

function nothing(): void {}

function fitsRooms(chunk: Chunk, tag: string, tail: Buffer): boolean {
  return (
    frameHeadSize(Buffer.byteLength(tag)) <= chunk.start &&
    tail.length <= TAIL_ROOM &&
    chunk.end + tail.length <= chunk.buf.length
  )
}

function inPlace(chunk: Chunk, tag: string, tail: Buffer): Buffer {
  const start = writeFrameHead(chunk.buf, chunk.start, tag, chunk.size, true)
  const end = chunk.end + tail.copy(chunk.buf, chunk.end)
  return chunk.buf.subarray(start, end)
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
