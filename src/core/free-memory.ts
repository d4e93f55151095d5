/** A method that Node 20 does not have. */
interface Transferable {
  transfer?(bytes: number): void
}

/**
 * Frees the memory of a buffer that nobody uses any more, unless it is a part of a larger one. The garbage collector sees a small
 * object and would run only after hundreds of MB.
 */
export function freeMemory({ buffer, byteLength }: Buffer): void {
  if (byteLength === buffer.byteLength) (buffer as Transferable).transfer?.(0)
}
