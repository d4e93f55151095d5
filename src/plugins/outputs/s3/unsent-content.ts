import { type BlockSource, Blocks } from './blocks.ts'
import type { Compress } from './members.ts'

/** Bytes that are compressed at once. */
const MEMBER_BYTES = 1_000_000

/**
 * The bytes of an object that S3 does not have yet:
 *
 * ```
 *   add -> text, to be compressed -> last part -> full part -> sent
 * ```
 * Without a size of parts there is the last part only.
 */
export class UnsentContent {
  readonly #source: BlockSource
  readonly #compress: Compress | undefined
  readonly #partBytes: number | undefined
  readonly #text: Blocks
  #last: Blocks
  #full: Blocks | undefined

  constructor(source: BlockSource, compress: Compress | undefined, partBytes: number | undefined) {
    this.#source = source
    this.#compress = compress
    this.#partBytes = partBytes
    this.#text = new Blocks(source)
    this.#last = new Blocks(source)
  }

  /** Size, of text that is not compressed yet as it is. */
  get length(): number {
    return (this.#full?.length ?? 0) + this.#last.length + this.#text.length
  }

  /** Bytes of memory that it takes. */
  get memory(): number {
    return (this.#full?.memory ?? 0) + this.#last.memory + this.#text.memory
  }

  /** Part that is to be sent now. */
  get fullPart(): Blocks | undefined {
    return this.#full
  }

  /** Part that is filled; complete after `finish`. */
  get lastPart(): Blocks {
    return this.#last
  }

  /** True when a full part has to be sent before more is added. */
  get isFull(): boolean {
    return this.#full !== undefined && this.#last.length >= (this.#partBytes ?? Number.POSITIVE_INFINITY)
  }

  add(text: Buffer): void {
    if (this.#compress === undefined) this.#last.append(text)
    else
      for (let at = 0; at < text.length; at += MEMBER_BYTES) {
        this.#text.append(text.subarray(at, at + MEMBER_BYTES))
        if (this.#text.length >= MEMBER_BYTES) this.#compressText()
      }
    this.#splitOff()
  }

  /** Compresses what is left; nothing is added afterwards. */
  finish(): void {
    if (this.#text.length > 0) this.#compressText()
  }

  /** Drops the full part, which S3 has. */
  dropFullPart(): void {
    this.#full?.clear()
    this.#full = undefined
    this.#splitOff()
  }

  clear(): void {
    for (const blocks of [this.#text, this.#last, this.#full]) blocks?.clear()
  }

  #compressText(): void {
    const views = this.#text.views()
    const member = this.#compress?.(views.length === 1 ? (views[0] as Buffer) : Buffer.concat(views))
    this.#text.clear()
    if (member !== undefined) this.#last.append(member)
  }

  #splitOff(): void {
    if (this.#full !== undefined || this.#last.length < (this.#partBytes ?? Number.POSITIVE_INFINITY)) return
    this.#full = this.#last
    this.#last = new Blocks(this.#source)
  }
}
