import type { Gzip, ZstdCompress } from 'node:zlib'
import type { BufferSource } from '../../../core/buffer-source.ts'

/** Level 1 for both: measured, higher levels cost three times the CPU for a tenth fewer bytes of logs. */
const LEVEL = 1
/** So many at once on the runtime's thread pool; each keeps half a megabyte. */
const AT_ONCE = 4
const ROOM_BYTES = 262_144

export type Compression = 'gzip' | 'zstd'

/** What the types of node:zlib leave out of some streams. */
interface Resettable {
  reset(): void
}

/** Makes gzip members, or zstd frames, with streams that are used again. node:zlib is loaded at the first use. */
export class Compressor {
  readonly #how: Compression
  readonly #free: Stream[] = []
  readonly #waiting: ((stream: Stream) => void)[] = []
  #made = 0

  constructor(how: Compression) {
    this.#how = how
  }

  /** All of the result, in a buffer of `buffers`, which the caller gives back: it may be longer. */
  async compress(bytes: Buffer, buffers: BufferSource): Promise<{ buf: Buffer; size: number }> {
    const stream = await this.#take()
    try {
      return await stream.run(bytes, buffers)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free.push(stream)
      else next(stream)
    }
  }

  async #take(): Promise<Stream> {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#made === AT_ONCE) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#made++
    const { createGzip, createZstdCompress, constants } = await import('node:zlib')
    if (this.#how === 'gzip')
      return new Stream(createGzip({ level: LEVEL, chunkSize: ROOM_BYTES }), constants.Z_FINISH)
    const params = { [constants.ZSTD_c_compressionLevel]: LEVEL }
    return new Stream(createZstdCompress({ params, chunkSize: ROOM_BYTES }), constants.ZSTD_e_end)
  }
}

/**
 * A stream of node:zlib that is brought to its end and reset for each chunk. What a new one allocates for a chunk, and
 * what the functions of one call do, is a megabyte that waits for the garbage collector, and that sees small objects.
 */
class Stream {
  readonly #zlib: Gzip | ZstdCompress
  readonly #finish: number
  #parts: Buffer[] = []
  #room: ArrayBuffer | undefined
  #failed: (error: Error) => void = () => {}

  constructor(zlib: Gzip | ZstdCompress, finish: number) {
    this.#zlib = zlib
    this.#finish = finish
    zlib.on('data', (part: Buffer) => this.#parts.push(part))
    zlib.on('error', (error) => this.#failed(error))
  }

  run(bytes: Buffer, buffers: BufferSource): Promise<{ buf: Buffer; size: number }> {
    return new Promise((resolve, reject) => {
      this.#failed = reject
      const end = () => {
        // What is written need not have been read yet.
        if (this.#zlib.readableLength > 0) setImmediate(end)
        else resolve(this.#take(buffers))
      }
      this.#zlib.write(bytes)
      this.#zlib.flush(this.#finish, end)
    })
  }

  #take(buffers: BufferSource): { buf: Buffer; size: number } {
    const parts = this.#parts
    this.#parts = []
    ;(this.#zlib as unknown as Resettable).reset()
    const size = parts.reduce((n, part) => n + part.length, 0)
    const buf = buffers.force(size)
    let at = 0
    for (const part of parts) at += part.copy(buf, at)
    for (const { buffer } of parts) this.#enter(buffer as ArrayBuffer)
    return { buf, size }
  }

  /**
   * Rooms are filled one behind the other: the one before this one is done with, and its memory is freed now. Short parts
   * are not always in a room, but copied out of it.
   */
  #enter(room: ArrayBuffer): void {
    if (this.#room === room || room.byteLength !== ROOM_BYTES) return
    this.#room?.transfer(0)
    this.#room = room
  }
}
