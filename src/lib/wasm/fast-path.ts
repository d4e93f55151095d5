/** Lines that the encoder did not know, in excess of those it wrote, after which it is not tried again in a block. */
const MAX_EXCESS_MISSES = 16

/**
 * Decides whether the next line of a block (entry, record of a chunk) is worth offering to a wasm encoder. An encoder
 * stops before a line that it does not know; the caller then calls `miss` and writes this line by the fallback.
 *
 * The rule: each block begins with a credit of 16. A miss takes one, a line that the encoder wrote gives one back, up to
 * 16 again. With no credit left the rest of the block goes to the fallback. So a block of unknown lines costs 16 calls,
 * and a mixed block stays on the fast path while at least every second line is known. Below that there is nothing to
 * gain: the calls that miss cost about what the known lines save.
 *
 * ```
 *   const encoder = ...                      // undefined: none that can write this block
 *   fastPath.begin(encoder !== undefined)
 *   while (there are lines) {
 *     if (fastPath.isOpen) {
 *       run the encoder
 *       if (it wrote lines) { fastPath.hit(lines); continue }
 *       fastPath.miss()
 *     }
 *     write one line by the fallback
 *   }
 * ```
 */
export class FastPath {
  #credit = 0

  /** Begins a block. `canEncode`: there is an encoder for it; without one the fast path stays closed. */
  begin(canEncode: boolean): void {
    this.#credit = canEncode ? MAX_EXCESS_MISSES : 0
  }

  /** True while the encoder is to be tried. */
  get isOpen(): boolean {
    return this.#credit > 0
  }

  /** Records that the encoder wrote this many lines. */
  hit(lines: number): void {
    this.#credit = Math.min(MAX_EXCESS_MISSES, this.#credit + lines)
  }

  /** Records that the encoder did not know the line it was offered, or had no space for it. */
  miss(): void {
    this.#credit--
  }
}
