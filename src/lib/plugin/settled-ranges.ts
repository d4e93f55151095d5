import type { Appender, ClosedRange, Contributor } from '../../core/plugin.ts'

interface Range<Position, Item> {
  /** Position up to which everything was read before the first item. */
  before: Position
  items: Item[]
  isSettled: boolean
}

interface RangeEvents<Item> {
  /** Returns the text that is the same whenever these items are in a chunk, see ClosedRange. */
  identity(items: readonly Item[]): string
  /** Called when a chunk with these items is settled; not when it was aborted. */
  onSettled(items: readonly Item[]): void
}

/**
 * Tracks which items are in which chunk, and up to which position of the source all of them are settled. Chunks
 * settle in any order:
 *
 * ```
 *   item     1 2 3 4 5 6 7
 *   chunk    A A B B C C .
 *                ^ B is open: everything is settled up to the position before item 3
 * ```
 * Not promised: an aborted chunk holds the position for the rest of this run; the next run reads again from
 * there.
 */
export class SettledRanges<Position, Item> implements Contributor {
  readonly #events: RangeEvents<Item>
  #ranges: Range<Position, Item>[] = []
  /** Range of the chunk that is being filled; the last of `#ranges`. */
  #current: Range<Position, Item> | undefined

  constructor(events: RangeEvents<Item>) {
    this.#events = events
  }

  /**
   * Adds an item that was just written to `out`. `before`: position up to which everything was read before it.
   */
  add(out: Appender, item: Item, before: Position): void {
    if (this.#current === undefined) {
      this.#current = { before, items: [], isSettled: false }
      this.#ranges.push(this.#current)
      out.addContributor(this)
    }
    this.#current.items.push(item)
  }

  /** Returns the position up to which all items are settled, if everything up to `read` was read. */
  settledTo(read: Position): Position {
    const [first] = this.#ranges
    return first === undefined ? read : first.before
  }

  /** Forgets all items: how their chunks end changes nothing any more. */
  reset(): void {
    this.#ranges = []
    this.#current = undefined
  }

  closeRange(): ClosedRange | undefined {
    const range = this.#current
    this.#current = undefined
    if (range === undefined) return undefined
    return {
      identity: this.#events.identity(range.items),
      settle: (outcome) => {
        if (outcome === 'aborted' || !this.#ranges.includes(range)) return
        range.isSettled = true
        const open = this.#ranges.findIndex(({ isSettled }) => !isSettled)
        this.#ranges.splice(0, open < 0 ? this.#ranges.length : open)
        this.#events.onSettled(range.items)
      },
    }
  }
}
