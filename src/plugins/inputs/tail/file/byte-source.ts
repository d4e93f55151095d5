import type { BigIntStats } from 'node:fs'
import { close, type FsFailure, read } from '../../../../lib/fs/file-system.ts'

/** Place from which a later run reads on, as it is stored. */
export interface ResumePoint {
  /** Position in the file as it is on disk. */
  offset: number
  /** Position in the decompressed data of a .gz; undefined for a plain file, and for one that is skipped up to `offset`. */
  streamOffset: number | undefined
}

/** Supplies the bytes of a file. Positions count decompressed bytes. */
export interface ByteSource {
  /**
   * Reads up to `length` bytes from `position` into `buf` at `at`, and returns their number; fewer only when no more
   * are there now.
   */
  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure
  /** True when positions count decompressed bytes. */
  readonly isCompressed: boolean
  /** False while more will come without the file growing; its coming is announced. */
  readonly complete: boolean
  /** Position before which there is nothing to read. */
  readonly start: number
  /** True when the file has another content than what was read; what the source still has of the old one can be read. */
  readonly isRewritten: boolean
  /** Returns the place from which a later run reads on after `acked`. */
  resumePoint(acked: number): ResumePoint
  /** Takes note of the present size and time of the file. */
  look(stat: BigIntStats): void
  /** Begins again at the start of a file that was rewritten. */
  restart(): void
  close(): void
}

/** A plain file, which may grow. */
export class PlainSource implements ByteSource {
  readonly complete = true
  readonly isCompressed = false
  readonly isRewritten = false
  readonly start = 0
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure {
    return read(this.#fd, buf, at, length, position)
  }

  resumePoint(acked: number): ResumePoint {
    return { offset: acked, streamOffset: undefined }
  }

  look(): void {}

  restart(): void {}

  close(): void {
    close(this.#fd)
  }
}
