import type { LaterKeys } from './msgpack/unique-keys.ts'

/** The contract between parsers and the plugins that process lines. */

/**
 * The output of a parser: it writes the map at `at`, and nothing before it. `sec` and `nsec` are the record's
 * time, set by the caller to the time of reading and overwritten by the parser when the line contains one.
 */
export interface EntryWriter {
  buf: Buffer
  at: number
  sec: number
  nsec: number
  /**
   * Number of pairs that the caller will append after the parser's own: the parser counts them in the map's
   * head.
   */
  extraPairs: number
  /**
   * Keys of the extra pairs. A parser that does not know its own keys beforehand leaves out its pairs with
   * these keys.
   */
  extraKeys?: LaterKeys | undefined
}

/**
 * Lines of container runtimes, `TIME STREAM TAG TEXT`, and the fields that they become, in the order of the line: the
 * time, stretches of ` STREAM TAG ` by their offsets after the time, and the text, which is the rest of the line.
 */
export interface CriForm {
  readonly name: 'cri'
  /** Undefined when the time is not a field. `hasBlank` is true when the blank after it belongs to the field. */
  readonly time: { readonly key: string; readonly hasBlank: boolean } | undefined
  /** True when the time of the line is that of the record; false for the time of reading. */
  readonly readsTime: boolean
  readonly middle: readonly { readonly key: string; readonly from: number; readonly to: number }[]
  /** `skipEmpty` is true when an empty text is no field. */
  readonly text: { readonly key: string; readonly from: number; readonly skipEmpty: boolean }
  readonly lines: CriLines
}

/** Which of these lines the parser reads like that. */
export interface CriLines {
  /** Bit n - 1 for n digits of a second and `Z`, bit n + 8 for n digits and an offset. */
  readonly shapes: number
  /** Lines with the tag P, and lines with an empty text. */
  readonly partial: boolean
  readonly empty: boolean
  /** Not those whose text contains `std`, and not those whose text begins with a blank. */
  readonly noStream: boolean
  readonly trimmed: boolean
  /** Not longer ones. */
  readonly maxLength: number
}

/**
 * Lines of Docker's json-file driver, `{"log":...,"stream":...,"time":...}`. `keepTime` is true when the pair `time` is kept,
 * `readsTime` when it is the time of the record.
 */
interface DockerForm {
  readonly name: 'docker'
  readonly keepTime: boolean
  readonly readsTime: boolean
}

/** A line format with a fast path. */
type LineFormat = CriForm | DockerForm

/** What the entries of a file have in common besides the fields of a parser. */
export interface LineFrame {
  /** Bytes before a line that is not parsed: entry head with the time of reading, map head, pairs, key. */
  prefix: Buffer
  /** Position in the prefix of the line's file offset, 8 bytes; -1 for none. */
  prefixOffsetAt: number
  /** Bytes after the pairs of a parser: further pairs, and the position of the offset in them. */
  suffix: Buffer
  suffixOffsetAt: number
  /** Number of pairs in the suffix, and their keys. */
  extraPairs: number
  extraKeys?: LaterKeys | undefined
}

/** A line of the input of a kernel that was not parsed, or whose time was not read. */
export interface LineFailure {
  start: number
  end: number
  isUntimed: boolean
}

/**
 * Writes many lines at once: a caller fills `input`, calls `run` and copies `output` before anybody else uses
 * them. It stops before a line that it does not know, which the caller writes. Its output equals, byte for
 * byte, that of the parser.
 */
export interface LineKernel {
  /** Memory into which a block of lines is read. */
  readonly input: Buffer
  readonly output: Buffer
  /** Offset in `input` up to which the last run consumed lines, and the number of entries that it wrote. */
  readonly consumed: number
  readonly records: number
  /** Where the lines of these entries begin, as offsets in `input`; as many as `records`. */
  readonly starts: Uint32Array
  /** Number of lines among them that failed. */
  readonly failures: number
  /** True when the last run ended because it took much work, so that a caller can look at the time. */
  readonly isTired: boolean
  failure(i: number): LineFailure
  /** Returns the room without which `run` leaves a line of `length` bytes out. */
  bound(length: number): number
  /**
   * Writes the complete lines of input[start, end) as entries to `output`, at most `room` bytes, and returns
   * the number of bytes. `base`: file offset of input[0].
   */
  run(start: number, end: number, room: number, base: number): number
}

export interface ParserKernel extends LineKernel {
  /** Sets what the runs that follow write. Returns false, and changes nothing, when it is too large. */
  use(frame: LineFrame, maxLineBytes: number, skipEmpty: boolean): boolean
  /** Memory for `runTexts`, apart from `input`: a filter has its turn while the block of a file is in that. */
  readonly texts: Buffer
  /**
   * Writes the texts in texts[0, end), each with a newline after it, as entries to `output`; returns the number of bytes, or -1 when it
   * has not written exactly `count` entries, one for each text. Changes neither the frame nor the results of `run`.
   */
  runTexts(frame: LineFrame, end: number, count: number): number
  /** Number of texts of the last call whose time was not read. */
  readonly untimedTexts: number
}

export interface Parser {
  /** Returns the maximum number of bytes that `parse` writes for a line of this length. */
  bound(length: number): number
  /**
   * All keys that the parser may write. Undefined when they depend on the line; the parser then honors
   * `extraKeys`. No map has a key twice.
   */
  readonly keys?: readonly string[] | undefined
  /**
   * Parses the line src[start, end) (no newline, no CR), writes its map at `out.at` and moves `out.at` past
   * it. Returns false when the line does not have this format; `out` is then unchanged (bytes after `at` are
   * undefined).
   */
  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean
  /**
   * Number of parsed lines so far whose time could not be read. Such a record keeps the field and has the
   * time of reading. Undefined for a parser that rejects these lines or reads no time.
   */
  readonly timeFailures?: number
  /** True for a parser of JSON objects that reads no time: it writes their fields as a filter that merges JSON does. */
  readonly isPlainJson?: boolean | undefined
  /** True when blanks and line ends after the text change nothing. */
  readonly ignoresEnd?: boolean | undefined
  /**
   * Format of most lines, if there is a fast path for it: that may replace `parse` and has to produce the
   * same bytes.
   */
  readonly lineFormat?: LineFormat | undefined
  /**
   * True while most lines seem to have `lineFormat`, for a parser that has a kernel for others too; undefined when
   * that is what its lines have.
   */
  readonly seesLineFormat?: boolean | undefined
  /** Records that hardly any line of a block had `lineFormat`. */
  missedLineFormat?(): void
  /**
   * Returns what may replace `parse` for blocks of lines; undefined when there is none, or when `backlog`, the
   * number of bytes to read, is not worth its preparation.
   */
  readonly kernel?: ((backlog: number) => ParserKernel | undefined) | undefined
}
