import type { Codec } from '../../../../protocol/kafka/batch.ts'

/** Compresses the records of a batch, and decompresses those of a batch that has to be split. */
export interface BatchCompression {
  readonly codec: Codec
  compress(bytes: Buffer): Promise<Buffer> | Buffer
  /** Compresses the parts of a batch that was split. */
  compressSync(bytes: Buffer): Buffer
  decompress(bytes: Buffer): Buffer
}
