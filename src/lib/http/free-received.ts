import { freeMemory } from '../../core/free-memory.ts'

/** Received pieces of this size are freed at once; smaller ones are left to the garbage collector, which costs less. */
const MIN_FREED_BYTES = 16_384

/**
 * Frees a piece of a body that is read in its order and not used any more, and with it the bytes before it that the runtime has received
 * at the same time: those of the header. Bytes after it may still have to be read, so it is then left as it is.
 */
export function freeReceived(piece: Buffer): void {
  const { buffer, byteOffset, byteLength } = piece
  if (byteLength < MIN_FREED_BYTES || byteOffset + byteLength !== buffer.byteLength) return
  freeMemory(Buffer.from(buffer))
}
