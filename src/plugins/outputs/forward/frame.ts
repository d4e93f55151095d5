import type { BufferSource } from '../../../core/buffer-source.ts'
import { type Chunk, TAIL_ROOM } from '../../../core/chunk.ts'
import { type CompressionName, Compressor } from '../../../lib/compression/stream-compressor.ts'
import {
  encodeFrameOptions,
  entriesWithIntegerTime,
  entriesWithoutMetadata,
  frameHeadSize,
  writeFrameHead,
} from '../../../protocol/forward/frame.ts'
import type { ForwardOutputOptions } from './options.ts'

const COMPRESSORS = { gzip: new Compressor('gzip'), zstd: new Compressor('zstd') }

/** Bytes of one chunk on the wire. The parts are views that stay valid until `release`. */
export interface Frame {
  parts: Buffer[]
  release(): void
}

/**
 * Returns the frame of a chunk with this tag. In the plain case head and options are written into the space that the chunk keeps around
 * its entries, and the frame is one view of the chunk: no copy, one write. A second output of the same chunk, integer
 * times and compression need a copy.
 */
export function makeFrame(
  chunk: Chunk,
  options: ForwardOutputOptions,
  buffers: BufferSource,
  tag = chunk.tag,
): Frame | Promise<Frame> {
  const tail = encodeFrameOptions(frameOptions(chunk, options))
  const copy = copyEntries(chunk, options, buffers)
  if (options.compress !== 'text')
    return makeCompressedFrame(
      copy ?? { bytes: chunk.entries(), release: noop },
      tag,
      tail,
      options.compress,
      buffers,
    )
  if (copy !== undefined) return { parts: wrap(tag, copy.bytes, tail), release: copy.release }
  const inPlace = tail !== undefined && fitsInChunk(chunk, tag, tail) && chunk.claimFrameSpace()
  return {
    parts: inPlace ? [writeInPlace(chunk, tag, tail)] : wrap(tag, chunk.entries(), tail),
    release: noop,
  }
}

async function makeCompressedFrame(
  { bytes, release }: Entries,
  tag: string,
  tail: Buffer | undefined,
  algorithm: CompressionName,
  buffers: BufferSource,
): Promise<Frame> {
  const { buf, size } = await COMPRESSORS[algorithm].compress(bytes, buffers).finally(release)
  return { parts: wrap(tag, buf.subarray(0, size), tail), release: () => buffers.give(buf) }
}

/** Returns head, payload and options as the parts of a frame. */
function wrap(tag: string, payload: Buffer, tail: Buffer | undefined): Buffer[] {
  const head = Buffer.allocUnsafe(frameHeadSize(Buffer.byteLength(tag)))
  writeFrameHead(head, head.length, tag, payload.length, tail !== undefined)
  return tail === undefined ? [head, payload] : [head, payload, tail]
}

function noop(): void {}

/** Returns true when head and options fit into the space around the entries. */
function fitsInChunk(chunk: Chunk, tag: string, tail: Buffer): boolean {
  return (
    frameHeadSize(Buffer.byteLength(tag)) <= chunk.start &&
    tail.length <= TAIL_ROOM &&
    chunk.end + tail.length <= chunk.buf.length
  )
}

/** Writes head and options around the entries of the chunk; returns the view of all three. */
function writeInPlace(chunk: Chunk, tag: string, tail: Buffer): Buffer {
  const start = writeFrameHead(chunk.buf, chunk.start, tag, chunk.size, true)
  const end = chunk.end + tail.copy(chunk.buf, chunk.end)
  return chunk.buf.subarray(start, end)
}

function frameOptions(chunk: Chunk, options: ForwardOutputOptions): Parameters<typeof encodeFrameOptions>[0] {
  const { requireAckResponse, sendOptions, compress, addOption } = options
  const sendsSize = requireAckResponse || sendOptions || compress !== 'text'
  return {
    chunk: requireAckResponse || sendOptions ? chunk.id : undefined,
    size: sendsSize ? chunk.count : undefined,
    compressed: compress === 'text' ? undefined : compress,
    extra: addOption.map(([key = '', value = '']) => [key, value] as const),
  }
}

interface Entries {
  bytes: Buffer
  release: () => void
}

/** Copies the entries of a chunk in the form that the options ask for; undefined: they have it. */
function copyEntries(
  chunk: Chunk,
  options: ForwardOutputOptions,
  buffers: BufferSource,
): Entries | undefined {
  const { timeAsInteger, compress, retainMetadataInForwardMode: retains } = options
  // Compression has always sent EventTime.
  const convert = timeAsInteger && compress === 'text' ? entriesWithIntegerTime : entriesWithoutMetadata
  if (convert === entriesWithoutMetadata && (!chunk.hasMetadata || retains)) return undefined
  const buf = buffers.force(chunk.size)
  const end = convert(chunk.buf, chunk.start, chunk.end, buf, 0)
  if (end < 0) {
    buffers.give(buf)
    throw new Error(`chunk ${chunk.id} contains entries that are not [EventTime, map]`)
  }
  return { bytes: buf.subarray(0, end), release: () => buffers.give(buf) }
}
