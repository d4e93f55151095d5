/** How often numbers were there. */
export interface NumberCount {
  /** Records, those without a number among them. */
  records: number
  /** Records without a number. */
  without: number
  distinct: number
  /** Records beyond the first of a number. */
  duplicates: number
  /** Numbers below the expected count that are not there. */
  missing: number
  /** The first 20 of them. */
  first: number[]
}

/** Counts numbers from 0 to a count, with one byte for each. */
export class NumberCounter {
  readonly #seen: Uint8Array
  #records = 0
  #without = 0
  #distinct = 0
  #duplicates = 0

  constructor(below: number) {
    this.#seen = new Uint8Array(below)
  }

  add(number: number | undefined): void {
    this.#records++
    if (number === undefined) this.#without++
    else if (!(number < this.#seen.length)) throw new Error(`the number ${number} was never written`)
    else if (this.#seen[number] === 1) this.#duplicates++
    else {
      this.#seen[number] = 1
      this.#distinct++
    }
  }

  result(): NumberCount {
    const first: number[] = []
    for (let at = this.#seen.indexOf(0); at >= 0 && first.length < 20; at = this.#seen.indexOf(0, at + 1))
      first.push(at)
    const missing = this.#seen.length - this.#distinct
    const counted = { records: this.#records, without: this.#without, distinct: this.#distinct }
    return { ...counted, duplicates: this.#duplicates, missing, first }
  }
}
