import type { BigIntStats } from 'node:fs'
import type { FsFailure } from '../../../../lib/fs/file-system.ts'
import type { ByteSource } from './byte-source.ts'
import type { Descriptor } from './descriptor.ts'

/** The descriptor of a file and the source that reads its bytes. */
export class FileHandle {
  readonly source: ByteSource
  readonly descriptor: Descriptor

  constructor(descriptor: Descriptor, source: ByteSource) {
    this.descriptor = descriptor
    this.source = source
  }

  /**
   * The descriptor, which is valid until others are used; -1 once the file is closed, or when it cannot be opened
   * again.
   */
  get fd(): number {
    return this.descriptor.fd
  }

  /** True while the file is followed, even if its descriptor is released. */
  get isOpen(): boolean {
    return this.descriptor.isOpen
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
    return this.descriptor.stat()
  }

  /** Closes the descriptor; a second call does nothing. */
  close(): void {
    if (this.descriptor.isOpen) this.source.close()
  }
}
