/** A queue in an array that allocates nothing per item: what was taken out is cut off when it is half of the array. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Takes the first item out; undefined when there is none. */
  take(): T | undefined {
    const items = this.#items
    if (this.#head === items.length) return undefined
    const item = items[this.#head]
    items[this.#head++] = undefined
    if (this.#head === items.length) items.length = this.#head = 0
    else if (this.#head >= MAX_TAKEN && this.#head * 2 >= items.length) {
      items.copyWithin(0, this.#head)
      items.length -= this.#head
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}

const MAX_TAKEN = 64
