/** Numbers of the lines of one file that no parser read, and of those whose time could not be read. */
export class LineFailures {
  #unparsed = 0
  #untimed = 0

  get unparsed(): number {
    return this.#unparsed
  }

  get untimed(): number {
    return this.#untimed
  }

  /** Counts a line that no parser read. Returns true for the first one. */
  addUnparsed(): boolean {
    return this.#unparsed++ === 0
  }

  /** Counts a line whose time could not be read. Returns true for the first one. */
  addUntimed(): boolean {
    return this.#untimed++ === 0
  }
}
