import { createReadStream } from 'node:fs'
import type { Gunzip } from 'node:zlib'
import { close, type FsFailure, read } from '../../../../lib/fs/file-system.ts'

/** Supplies the bytes of a file. Positions count decompressed bytes. */
export interface ByteSource {
  /**
   * Reads up to `length` bytes from `position` into `buf` at `at`, and returns their number; fewer only when no more
   * are there now.
   */
  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure
  /** False while more will come without the file growing; its coming is announced. */
  readonly complete: boolean
  /** Returns true when nothing will ever come after `position`. */
  endsAt(position: number): boolean
  close(): void
}

/** A plain file, which may grow. */
export class PlainSource implements ByteSource {
  readonly complete = true
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure {
    return read(this.#fd, buf, at, length, position)
  }

  endsAt(): boolean {
    return false
  }

  close(): void {
    close(this.#fd)
  }
}

/** A .gz of which nothing is read, because it is done. */
export class EmptySource implements ByteSource {
  readonly complete = true
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  read(): number {
    return 0
  }

  endsAt(): boolean {
    return true
  }

  close(): void {
    close(this.#fd)
  }
}

/** Decompressed bytes buffered ahead of the reader; beyond that the stream pauses. */
const WINDOW_BYTES = 262_144

/**
 * A .gz, inflated as it is read: a window moves over the decompressed bytes.
 *
 * ```
 *   0 ...... discarded ...... | window: buffered | .... not inflated yet
 * ```
 * Several gzip members in a row are one stream. Truncated or damaged data ends the stream with an error; what came
 * before it is delivered. Positions before the window cannot be read again: the reader only goes forward.
 */
export class GzipSource implements ByteSource {
  complete = false
  readonly #fd: number
  readonly #announce: () => void
  readonly #onError: (error: Error) => void
  /** Number of bytes inflated so far; the decompressed size when complete. */
  #inflatedBytes = 0
  /** The window, as it came from the stream. */
  #parts: Buffer[] = []
  #windowBytes = 0
  /** Position of the first byte of the window. */
  #windowStart: number
  #gunzip: Gunzip | undefined
  #isClosed = false

  /**
   * Bytes before `from` are inflated and discarded. `announce` is called when more was inflated and when the stream
   * ends, never before the constructor returns.
   */
  constructor(fd: number, from: number, announce: () => void, onError: (error: Error) => void) {
    this.#fd = fd
    this.#windowStart = from
    this.#announce = announce
    this.#onError = onError
    void this.#run(from)
  }

  read(buf: Buffer, at: number, length: number, position: number): number {
    this.#discardUpTo(position)
    let copied = 0
    for (const part of this.#parts) {
      if (copied >= length) break
      copied += part.copy(buf, at + copied, 0, Math.min(part.length, length - copied))
    }
    // For a line longer than the window: it grows as far as the reader asks.
    if (copied < length) this.#gunzip?.resume()
    return copied
  }

  endsAt(position: number): boolean {
    return this.complete && position >= this.#inflatedBytes
  }

  close(): void {
    this.#isClosed = true
    this.#gunzip?.destroy()
    close(this.#fd)
  }

  /** Moves the start of the window to `position`. */
  #discardUpTo(position: number): void {
    let drop = position - this.#windowStart
    if (drop <= 0) return
    while (drop > 0 && this.#parts.length > 0) {
      const first = this.#parts[0] as Buffer
      const n = Math.min(drop, first.length)
      if (n === first.length) this.#parts.shift()
      else this.#parts[0] = first.subarray(n)
      drop -= n
      this.#windowStart += n
      this.#windowBytes -= n
    }
    if (this.#windowBytes < WINDOW_BYTES) this.#gunzip?.resume()
  }

  async #run(from: number): Promise<void> {
    const { createGunzip } = await import('node:zlib')
    if (this.#isClosed) return
    const gunzip = createGunzip()
    this.#gunzip = gunzip
    let skip = from
    gunzip.on('data', (data: Buffer) => {
      this.#inflatedBytes += data.length
      const part = skip >= data.length ? undefined : data.subarray(skip)
      skip = Math.max(0, skip - data.length)
      if (part === undefined) return
      this.#parts.push(part)
      this.#windowBytes += part.length
      if (this.#windowBytes >= WINDOW_BYTES) gunzip.pause()
      this.#announce()
    })
    const done = (error?: Error) => {
      if (this.#isClosed || this.complete) return
      this.complete = true
      if (error !== undefined) this.#onError(error)
      this.#announce()
    }
    gunzip.on('end', () => done())
    gunzip.on('error', done)
    const raw = createReadStream('', { fd: this.#fd, autoClose: false, start: 0 })
    raw.on('error', done)
    raw.pipe(gunzip)
  }
}
