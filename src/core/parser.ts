/** The contract between parsers and those who have lines. */

/**
 * Where a parser writes: the map at `at`, nothing before it. `sec`/`nsec` are the record's time, preset by the caller
 * to the time of reading and replaced by the parser when it finds one.
 */
export interface EntryWriter {
  buf: Buffer
  at: number
  sec: number
  nsec: number
  /** Pairs that the caller will append behind the parser's own: they are counted in the map's head. */
  extraPairs: number
}

/** `keepTime`: the pair `time` stays. Of cri: what the letter of the tag and the message are called. */
export type LineFormat =
  | { readonly name: 'cri'; readonly keepTime: boolean; readonly tagKey: string; readonly textKey: string }
  | { readonly name: 'docker'; readonly keepTime: boolean }

export interface Parser {
  /** Most bytes that `parse` may write for a line of this length. */
  bound(length: number): number
  /**
   * Parses the line src[start, end) (no newline, no CR) and writes its map at `out.at`, which it moves behind it.
   * False: the line does not have this form; `out` is as before (bytes behind `at` are undefined).
   */
  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean
  /** The usual lines are of this form, and may be read by whoever knows it: to the same bytes as by `parse`. */
  readonly lineFormat?: LineFormat | undefined
}
