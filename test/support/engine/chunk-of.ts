import { decodeMulti, encode } from '@msgpack/msgpack'
import type { BufferSource } from '../../../src/core/buffer-source.ts'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { ENTRY_HEAD, skip, writeEntryHead } from '../../../src/core/msgpack/encode.ts'

/** Unlimited buffers; `out` has those that were not given back. */
export class LooseBuffers implements BufferSource {
  readonly out = new Set<Buffer>()

  take(bytes: number): Buffer {
    return this.force(bytes)
  }

  force(bytes: number): Buffer {
    const buf = Buffer.alloc(bytes)
    this.out.add(buf)
    return buf
  }

  takeLongLived(bytes: number): Buffer {
    return this.force(bytes)
  }

  give(buf: Buffer): void {
    this.out.delete(buf)
  }
}

/** Creates a chunk of records with times one second apart, from 1,000 on; `timeOf`: other times, in milliseconds. */
export function chunkOf(
  records: object[],
  tag = 'app',
  buffers: BufferSource = new LooseBuffers(),
  id = 'id',
  timeOf: (index: number) => number = (index) => 1_000_500 + index * 1000,
): Chunk {
  const bodies = records.map((r) => Buffer.from(encode(r)))
  const size = bodies.reduce((n, b) => n + b.length + 11, 0)
  const buf = buffers.force(headRoom(tag) + size + TAIL_ROOM)
  let at = headRoom(tag)
  bodies.forEach((body, i) => {
    const ms = timeOf(i)
    at = writeEntryHead(buf, at, Math.floor(ms / 1000), (ms % 1000) * 1_000_000)
    at += body.copy(buf, at)
  })
  const init = {
    tag,
    input: 'test.0',
    buf,
    start: headRoom(tag),
    end: at,
    count: records.length,
    id,
    inputBytes: size,
  }
  return new Chunk(init, buffers)
}

/** Decodes the records of a chunk. */
export function recordsOf(chunk: Chunk): Record<string, unknown>[] {
  return [...decodeMulti(chunk.entries())].map((entry) => (entry as [unknown, Record<string, unknown>])[1])
}

/** Creates a chunk of records `[[time, metadata], record]`, with times as in `chunkOf`. */
export function withMetadata(
  records: object[],
  metadata: object,
  tag = 'app',
  buffers: BufferSource = new LooseBuffers(),
): Chunk {
  const added = Buffer.from(encode(metadata))
  const plain = chunkOf(records, tag)
  const start = headRoom(tag)
  const buf = buffers.force(start + plain.size + records.length * (added.length + 1) + TAIL_ROOM)
  let to = start
  for (let at = plain.start; at < plain.end; ) {
    const end = skip(plain.buf, at, plain.end)
    buf[to++] = 0x92
    to += plain.buf.copy(buf, to, at, at + ENTRY_HEAD)
    to += added.copy(buf, to)
    to += plain.buf.copy(buf, to, at + ENTRY_HEAD, end)
    at = end
  }
  const init = { tag, input: 'test.0', buf, start, end: to, count: records.length, id: 'id' }
  return new Chunk({ ...init, inputBytes: plain.size, hasMetadata: true }, buffers)
}

/** Decodes the metadata of the records of a chunk, undefined for one without. */
export function metadataOf(chunk: Chunk): unknown[] {
  return [...decodeMulti(chunk.entries())].map((entry) => {
    const [head] = entry as [unknown]
    return Array.isArray(head) ? head[1] : undefined
  })
}
