/** Numbers of connections by the address of their peer. */
export class AddressCounts {
  readonly #counts = new Map<string, number>()
  #total = 0

  get total(): number {
    return this.#total
  }

  of(address: string): number {
    return this.#counts.get(address) ?? 0
  }

  add(address: string): void {
    this.#total++
    this.#counts.set(address, this.of(address) + 1)
  }

  remove(address: string): void {
    const count = this.of(address) - 1
    this.#total--
    if (count > 0) this.#counts.set(address, count)
    else this.#counts.delete(address)
  }

  /** Returns the address that has more than half of `limit`, if there is one. */
  dominant(limit: number): string | undefined {
    for (const [address, count] of this.#counts) if (2 * count > limit) return address
    return undefined
  }
}
