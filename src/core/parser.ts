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
 * A line format with a fast path. `keepTime` is true when the pair `time` is kept; `tagKey` and `textKey` are
 * the keys of CRI's tag letter and of the message.
 */
type LineFormat =
  | { readonly name: 'cri'; readonly keepTime: boolean; readonly tagKey: string; readonly textKey: string }
  | { readonly name: 'docker'; readonly keepTime: boolean }

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
  /**
   * Format of most lines, if there is a fast path for it: that may replace `parse` and has to produce the
   * same bytes.
   */
  readonly lineFormat?: LineFormat | undefined
}
