import type { Gzip, ZstdCompress } from 'node:zlib'
import type { BufferSource } from '../../core/buffer-source.ts'
import { freeMemory } from '../../core/free-memory.ts'

/** Compression level of both algorithms. Measured: higher levels cost three times the CPU for a tenth fewer bytes of logs. */
const LEVEL = 1
/** Limit of concurrent compressions on the runtime's thread pool; each stream keeps half a megabyte. */
const MAX_STREAMS = 4
/** Size of the output buffers of a stream. */
const BLOCK_BYTES = 262_144

export type CompressionName = 'gzip' | 'zstd'

/** A method that the types of node:zlib leave out of some streams. */
interface Resettable {
  reset(): void
}

/** Compresses bytes to gzip members or zstd frames, with a pool of streams. node:zlib is loaded at the first use. */
export class Compressor {
  readonly #algorithm: CompressionName
  readonly #free: ReusableStream[] = []
  readonly #waiting: ((stream: ReusableStream) => void)[] = []
  #created = 0

  constructor(algorithm: CompressionName) {
    this.#algorithm = algorithm
  }

  /** Returns the complete result in a buffer from `buffers`, which may be longer than `size` and which the caller gives back. */
  async compress(
    bytes: Buffer | readonly Buffer[],
    buffers: BufferSource,
  ): Promise<{ buf: Buffer; size: number }> {
    const stream = await this.#take()
    try {
      return await stream.run(Buffer.isBuffer(bytes) ? [bytes] : bytes, buffers)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free.push(stream)
      else next(stream)
    }
  }

  async #take(): Promise<ReusableStream> {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#created === MAX_STREAMS) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#created++
    const { createGzip, createZstdCompress, constants } = await import('node:zlib')
    if (this.#algorithm === 'gzip')
      return new ReusableStream(createGzip({ level: LEVEL, chunkSize: BLOCK_BYTES }), constants.Z_FINISH)
    const params = { [constants.ZSTD_c_compressionLevel]: LEVEL }
    return new ReusableStream(createZstdCompress({ params, chunkSize: BLOCK_BYTES }), constants.ZSTD_e_end)
  }
}

/**
 * A stream of node:zlib that is finished and reset for each result. A new stream for each, or the one-shot functions of
 * node:zlib, would leave a megabyte of native memory each to the garbage collector, which only sees small objects.
 */
class ReusableStream {
  readonly #zlib: Gzip | ZstdCompress
  readonly #finish: number
  #parts: Buffer[] = []
  #block: ArrayBuffer | undefined
  #reject: (error: Error) => void = () => {}

  constructor(zlib: Gzip | ZstdCompress, finish: number) {
    this.#zlib = zlib
    this.#finish = finish
    zlib.on('data', (part: Buffer) => this.#parts.push(part))
    zlib.on('error', (error) => this.#reject(error))
  }

  run(pieces: readonly Buffer[], buffers: BufferSource): Promise<{ buf: Buffer; size: number }> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      const finish = () => {
        // The flush may end before all output was read.
        if (this.#zlib.readableLength > 0) setImmediate(finish)
        else resolve(this.#collect(buffers))
      }
      for (const piece of pieces) this.#zlib.write(piece)
      this.#zlib.flush(this.#finish, finish)
    })
  }

  /** Copies the output into one buffer and makes the stream ready for the next ones. */
  #collect(buffers: BufferSource): { buf: Buffer; size: number } {
    const parts = this.#parts
    this.#parts = []
    ;(this.#zlib as unknown as Resettable).reset()
    const size = parts.reduce((n, part) => n + part.length, 0)
    const buf = buffers.force(size)
    let at = 0
    for (const part of parts) at += part.copy(buf, at)
    for (const { buffer } of parts) this.#freeBefore(buffer as ArrayBuffer)
    return { buf, size }
  }

  /**
   * Frees the memory of the block before this one. The stream fills its blocks one after the other, so it is done with
   * that one. A short part may have a buffer of its own instead, a copy from a block.
   */
  #freeBefore(block: ArrayBuffer): void {
    if (this.#block === block || block.byteLength !== BLOCK_BYTES) return
    if (this.#block !== undefined) freeMemory(Buffer.from(this.#block))
    this.#block = block
  }
}
