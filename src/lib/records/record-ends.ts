/** Where records end, in a chunk and in a text that was made of it: to split the text, and to reject one of the records. */
export class RecordEnds {
  count = 0
  #entries = new Uint32Array(256)
  #texts = new Uint32Array(256)

  /** Adds a record that ends at the offset `entry` of the chunk and `text` of the text. */
  push(entry: number, text: number): void {
    const { count } = this
    if (count === this.#entries.length) {
      this.#entries = larger(this.#entries)
      this.#texts = larger(this.#texts)
    }
    this.#entries[count] = entry
    this.#texts[count] = text
    this.count = count + 1
  }

  entryEnd(record: number): number {
    return this.#entries[record] as number
  }

  textEnd(record: number): number {
    return this.#texts[record] as number
  }
}

function larger(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(numbers.length * 2)
  grown.set(numbers)
  return grown
}
