import type { BigIntStats } from 'node:fs'
import { type FsFailure, fstat } from '../../../../lib/fs/file-system.ts'
import type { ByteSource } from './byte-source.ts'

/** The descriptor of a file and the source that reads its bytes. */
export class FileHandle {
  readonly source: ByteSource
  #fd: number

  constructor(fd: number, source: ByteSource) {
    this.#fd = fd
    this.source = source
  }

  /** The descriptor; -1 once the file is closed. */
  get fd(): number {
    return this.#fd
  }

  get isOpen(): boolean {
    return this.#fd >= 0
  }

  /** True for a .gz, whose offsets count decompressed bytes. */
  get isCompressed(): boolean {
    return this.source.isCompressed
  }

  /**
   * Returns the properties of the open file; a failure when they are not available, as after the server
   * deleted it (ESTALE).
   */
  stat(): BigIntStats | FsFailure {
    return fstat(this.#fd)
  }

  /** Closes the descriptor; a second call does nothing. */
  close(): void {
    if (this.#fd >= 0) this.source.close()
    this.#fd = -1
  }
}
