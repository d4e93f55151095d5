import type { LineFrame, Parser, ParserKernel } from '../../../core/parser.ts'
import { skipText } from './short-values.ts'

/** Texts of a block, and their bytes: the kernel may write several times as many. */
export const MAX_TEXTS = 64
const MAX_BYTES = 16_384
/** Records in a chunk from which on a block is worth its preparation. */
const MIN_RECORDS = 8
/** Records that the parser itself reads before the kernel is loaded. */
const COLD_RECORDS = 500
/** Records that the parser itself reads after a block that the kernel could not write, and after several in a row. */
const FIRST_PAUSE = 64
const MAX_PAUSE = 4096
/** Blocks whose texts are searched for line feeds after one that had some. */
const SEARCHED_BLOCKS = 64
const NEWLINE = 10
const CARRIAGE_RETURN = 13
const NIL = 0xc0
/** Offsets in an entry: the time, its nanoseconds, and the map or what is in its place. */
const SEC_AT = 3
const NSEC_AT = 7
const MAP_AT = 11
/** Nanoseconds that no time has. */
const NO_NSEC = 0xffffffff

const NONE = Buffer.alloc(0)
/** A text that is not parsed has nil in the place of the map. */
const FRAME: LineFrame = {
  prefix: Buffer.from('92d700ffffffffffffffffc0', 'hex'),
  prefixOffsetAt: -1,
  suffix: NONE,
  suffixOffsetAt: -1,
  extraPairs: 0,
}

/**
 * The texts of many records, which the kernel of their parser reads at once. Its output is that of the parser, byte for byte:
 *
 * ```
 *   if (block.begin(chunk.count)) while (block.add(src, from, end)) ...
 *   if (block.run()) for (each text) if (block.next()) read the map at block.map; block.end = offset after it
 * ```
 */
export class TextBlock {
  /** What the kernel has written, of which nothing is at `size` or after it. */
  output: Buffer = NONE
  size = 0
  /** Offset of the map of the last text, and the end of its entry. */
  map = 0
  end = 0
  /** Number of texts so far that were read without their time. */
  timeFailures = 0
  readonly #parser: Parser
  readonly #ignoresEnd: boolean
  #kernel: ParserKernel | undefined
  #texts: Buffer = NONE
  #bytes = 0
  #count = 0
  /** Records that the parser itself reads: now, and after the next block that the kernel cannot write. */
  #pause = COLD_RECORDS
  #nextPause = FIRST_PAUSE
  /** Number of blocks whose texts are searched for line feeds: few have any, and `run` finds out that one has. */
  #searched = 0

  constructor(parser: Parser) {
    this.#parser = parser
    this.#ignoresEnd = parser.ignoresEnd === true
  }

  /** Begins a block of a chunk with `records` records; returns false when the parser itself has to read the next one. */
  begin(records: number): boolean {
    if (this.#pause > 0) {
      this.#pause--
      return false
    }
    if (records < MIN_RECORDS) return false
    this.#kernel = this.#parser.kernel?.(0)
    if (this.#kernel === undefined) return false
    this.#texts = this.#kernel.texts
    this.#bytes = this.#count = 0
    return true
  }

  /** True when there may be no space for another text. */
  get isFull(): boolean {
    return this.#bytes > MAX_BYTES / 2
  }

  /** Adds the text src[from, end). Returns false when the parser itself has to read it: it is long, or seems to have two lines. */
  add(src: Buffer, from: number, end: number): boolean {
    let stop = end
    if (this.#ignoresEnd) while (stop > from && isLineEnd(src[stop - 1] as number)) stop--
    const at = this.#bytes
    const last = at + stop - from
    if (last >= MAX_BYTES || src[stop - 1] === CARRIAGE_RETURN) return false
    const texts = this.#texts
    src.copy(texts, at, from, stop)
    texts[last] = NEWLINE
    if (this.#searched > 0 && texts.indexOf(NEWLINE, at) < last) {
      this.#searched = SEARCHED_BLOCKS
      return false
    }
    this.#bytes = last + 1
    this.#count++
    return true
  }

  /** Parses the texts. Returns false when the parser itself has to: one may have several lines, or is none for the kernel. */
  run(): boolean {
    const kernel = this.#kernel
    if (kernel === undefined || this.#count === 0) return false
    this.size = kernel.runTexts(FRAME, this.#bytes, this.#count)
    this.output = kernel.output
    this.end = 0
    if (this.size < 0) {
      this.#giveUp()
      return false
    }
    if (this.#searched > 0) this.#searched--
    this.#nextPause = FIRST_PAUSE
    this.timeFailures += kernel.untimedTexts
    return true
  }

  /** Has the texts of the next blocks searched; if that was done already, leaves some records to the parser itself. */
  #giveUp(): void {
    if (this.#searched > 0) {
      this.#pause = this.#nextPause
      this.#nextPause = Math.min(2 * this.#nextPause, MAX_PAUSE)
    }
    this.#searched = SEARCHED_BLOCKS
  }

  /** Goes on to the entry of the next text, from `end`; returns false when the text is not parsed. */
  next(): boolean {
    const map = this.end + MAP_AT
    this.map = map
    if (this.output[map] !== NIL) return true
    this.end = skipText(this.output, map + 1, this.size)
    return false
  }

  /** False when the text has no time. */
  get isTimed(): boolean {
    return this.nsec !== NO_NSEC
  }

  get sec(): number {
    return this.output.readUInt32BE(this.map - MAP_AT + SEC_AT)
  }

  get nsec(): number {
    return this.output.readUInt32BE(this.map - MAP_AT + NSEC_AT)
  }
}

function isLineEnd(byte: number): boolean {
  return byte === NEWLINE || byte === CARRIAGE_RETURN
}
