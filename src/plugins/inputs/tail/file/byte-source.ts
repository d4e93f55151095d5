import { closeSync, createReadStream, readSync } from 'node:fs'
import type { Gunzip } from 'node:zlib'

/** Where the reader gets a file's bytes from. Positions count decompressed bytes. */
export interface ByteSource {
  /** Up to `length` bytes from `position` into `buf` at `at`; fewer only when no more are there (now). */
  read(buf: Buffer, at: number, length: number, position: number): number
  /** False: what was read so far is not all, more will be announced. */
  readonly complete: boolean
  /** Nothing will ever come behind `position`. */
  endsAt(position: number): boolean
  close(): void
}

/** A plain file: what is appended later is read later. */
export class PlainSource implements ByteSource {
  readonly complete = true
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  read(buf: Buffer, at: number, length: number, position: number): number {
    return readSync(this.#fd, buf, at, length, position)
  }

  endsAt(): boolean {
    return false
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** A .gz whose content is not wanted (any more). */
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
    closeSync(this.#fd)
  }
}

/** Decompressed bytes held ready; the stream pauses beyond it. */
const WINDOW_BYTES = 262_144

/**
 * A .gz, inflated as it is read: a window moves over the decompressed bytes.
 *
 * ```
 *   0 ...... passed over ...... | window: held here | .... not inflated yet
 * ```
 * Several gzip members in a row are one stream. What is cut off or damaged ends the stream with an error; what came
 * before it is delivered. Positions before the window cannot be read again: the reader only goes forward.
 */
export class GzipSource implements ByteSource {
  complete = false
  /** Of what was inflated so far; the whole size when complete. */
  #size = 0
  readonly #announce: () => void
  readonly #failed: (error: Error) => void
  #parts: Buffer[] = []
  #held = 0
  #start: number
  #inflate: Gunzip | undefined
  #closed = false
  readonly #fd: number

  /** `from`: bytes before this position are inflated and thrown away. */
  constructor(fd: number, from: number, announce: () => void, failed: (error: Error) => void) {
    this.#fd = fd
    this.#start = from
    this.#announce = announce
    this.#failed = failed
    void this.#run(from)
  }

  read(buf: Buffer, at: number, length: number, position: number): number {
    this.#passTo(position)
    let copied = 0
    for (const part of this.#parts) {
      if (copied >= length) break
      copied += part.copy(buf, at + copied, 0, Math.min(part.length, length - copied))
    }
    // A line longer than the window: it grows as far as the reader asks.
    if (copied < length) this.#inflate?.resume()
    return copied
  }

  endsAt(position: number): boolean {
    return this.complete && position >= this.#size
  }

  close(): void {
    this.#closed = true
    this.#inflate?.destroy()
    closeSync(this.#fd)
  }

  /** Lets go of what is before `position`. */
  #passTo(position: number): void {
    let drop = position - this.#start
    if (drop <= 0) return
    while (drop > 0 && this.#parts.length > 0) {
      const first = this.#parts[0] as Buffer
      const n = Math.min(drop, first.length)
      if (n === first.length) this.#parts.shift()
      else this.#parts[0] = first.subarray(n)
      drop -= n
      this.#start += n
      this.#held -= n
    }
    if (this.#held < WINDOW_BYTES) this.#inflate?.resume()
  }

  async #run(from: number): Promise<void> {
    const { createGunzip } = await import('node:zlib')
    if (this.#closed) return
    const inflate = createGunzip()
    this.#inflate = inflate
    let skip = from
    inflate.on('data', (data: Buffer) => {
      this.#size += data.length
      const part = skip >= data.length ? undefined : data.subarray(skip)
      skip = Math.max(0, skip - data.length)
      if (part === undefined) return
      this.#parts.push(part)
      this.#held += part.length
      if (this.#held >= WINDOW_BYTES) inflate.pause()
      this.#announce()
    })
    const done = (error?: Error) => {
      if (this.#closed || this.complete) return
      this.complete = true
      if (error !== undefined) this.#failed(error)
      this.#announce()
    }
    inflate.on('end', () => done())
    inflate.on('error', done)
    const raw = createReadStream('', { fd: this.#fd, autoClose: false, start: 0 })
    raw.on('error', done)
    raw.pipe(inflate)
  }
}
