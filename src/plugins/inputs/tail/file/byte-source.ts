import type { BigIntStats } from 'node:fs'
import type { FsFailure } from '../../../../lib/fs/file-system.ts'
import type { Descriptor } from './descriptor.ts'

/** Position from which a later run resumes, as it is stored. */
export interface ResumePoint {
  /** Position in the file on disk. */
  offset: number
  /**
   * Position in the decompressed data of a .gz; undefined for a plain file, and for a .gz that is skipped up
   * to `offset`.
   */
  streamOffset: number | undefined
}

/** Supplies the bytes of a file. Positions count decompressed bytes. */
export interface ByteSource {
  /**
   * Reads up to `length` bytes from `position` into `buf` at `at` and returns their number, which is smaller
   * only when no more bytes are available now.
   */
  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure
  /** True when positions count decompressed bytes. */
  readonly isCompressed: boolean
  /** False while more will come without the file growing; its coming is announced. */
  readonly complete: boolean
  /** Position before which there is nothing to read. */
  readonly start: number
  /**
   * True when the content on disk is not the one that was read. Buffered bytes of the old content can still
   * be read.
   */
  readonly isRewritten: boolean
  /** Returns the position from which a later run resumes when everything before `acked` is acknowledged. */
  resumePoint(acked: number): ResumePoint
  /** Records the present size and modification time of the file. */
  look(stat: BigIntStats): void
  /** Restarts at the beginning of a rewritten file. */
  restart(): void
  close(): void
}

/** A plain file, which may grow. */
export class PlainSource implements ByteSource {
  readonly complete = true
  readonly isCompressed = false
  readonly isRewritten = false
  readonly start = 0
  readonly #descriptor: Descriptor

  constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor
  }

  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure {
    return this.#descriptor.read(buf, at, length, position)
  }

  resumePoint(acked: number): ResumePoint {
    return { offset: acked, streamOffset: undefined }
  }

  look(): void {}

  restart(): void {}

  close(): void {
    this.#descriptor.close()
  }
}
