/** Formats times as text in a reused buffer; the part up to the seconds is written only when it changes. */
export class Timestamp {
  readonly bytes = Buffer.alloc(40)
  readonly #form: 'double' | 'iso8601' | 'iso8601_ns'
  #sec = -1
  #nsec = -1
  #fractionStart = 0
  #end = 0

  constructor(form: 'double' | 'iso8601' | 'iso8601_ns') {
    this.#form = form
  }

  /** Writes `1700000000.123456789`, `2023-11-14T22:13:20.123Z` or the latter with nine digits; returns the length. */
  set(sec: number, nsec: number): number {
    // Lines read in one block have the same time.
    if (sec === this.#sec && nsec === this.#nsec) return this.#end
    if (sec !== this.#sec) this.#writeSecond(sec)
    this.#nsec = nsec
    const ms = this.#form === 'iso8601'
    this.#end = ms ? this.#writeFraction(Math.floor(nsec / 1_000_000), 3) : this.#writeFraction(nsec, 9)
    if (this.#form !== 'double') this.bytes[this.#end++] = 0x5a
    return this.#end
  }

  #writeSecond(sec: number): void {
    this.#sec = sec
    const text = this.#form === 'double' ? String(sec) : new Date(sec * 1000).toISOString().slice(0, 19)
    this.#fractionStart = this.bytes.write(`${text}.`, 'latin1')
  }

  #writeFraction(value: number, width: number): number {
    const end = this.#fractionStart + width
    let rest = value
    for (let p = end - 1; p >= this.#fractionStart; p--) {
      const tenth = Math.floor(rest / 10)
      this.bytes[p] = 0x30 + rest - tenth * 10
      rest = tenth
    }
    return end
  }
}

/** Writes a non-negative integer in decimal; returns the offset after it. */
export function writeDecimal(buf: Buffer, at: number, value: number): number {
  let size = 1
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) size++
  let rest = value
  for (let p = at + size - 1; p >= at; p--) {
    const tenth = Math.floor(rest / 10)
    buf[p] = 0x30 + rest - tenth * 10
    rest = tenth
  }
  return at + size
}
