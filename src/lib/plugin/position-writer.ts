import { messageOf, ShipperError } from '../../core/error.ts'
import type { OffsetStore } from '../../core/offset-store.ts'
import type { Clock, Logger, TimerHandle } from '../../core/services.ts'

/** Delay after a failed write. */
const RETRY_DELAY_MS = 2000

/**
 * Collects the changes of the position of one input, and writes them to the database in one transaction. A
 * write that fails is logged and repeated with what was collected since. Without a database nothing is kept.
 */
export class PositionWriter {
  readonly #store: OffsetStore
  readonly #clock: Clock
  readonly #log: Logger
  #value = ''
  #stored: string | undefined
  readonly #add = new Set<string>()
  readonly #remove = new Set<string>()
  #removesAll = false
  #timer: TimerHandle | undefined

  constructor(store: OffsetStore, services: { clock: Clock; log: Logger }) {
    this.#store = store
    this.#clock = services.clock
    this.#log = services.log
  }

  get keeps(): boolean {
    return this.#store.path !== undefined
  }

  set value(value: string) {
    this.#value = value
  }

  /** Adds a mark, see StoredPosition. */
  mark(mark: string): void {
    if (!this.keeps) return
    this.#remove.delete(mark)
    this.#add.add(mark)
  }

  unmark(mark: string): void {
    if (!this.keeps) return
    if (!this.#add.delete(mark)) this.#remove.add(mark)
  }

  unmarkAll(): void {
    this.#add.clear()
    this.#remove.clear()
    this.#removesAll = true
  }

  /** Writes what has changed, unless a write has just failed. */
  commit(): void {
    if (this.#timer === undefined) this.#write()
  }

  close(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    this.#write()
    this.#clock.cancel(this.#timer)
    this.#store.close()
  }

  #write(): void {
    const isNew = this.#value !== '' && this.#value !== this.#stored
    if (!this.keeps || !(isNew || this.#add.size + this.#remove.size > 0 || this.#removesAll)) return
    try {
      // What is removed is removed first: a mark that came after `unmarkAll` stays.
      const remove = this.#removesAll ? 'all' : [...this.#remove]
      const position = { value: this.#value, add: [...this.#add], remove } as const
      this.#store.write({ upsert: [], remove: [], position })
      this.#stored = this.#value
      this.#add.clear()
      this.#remove.clear()
      this.#removesAll = false
    } catch (error) {
      const code = error instanceof ShipperError ? error.code : 'E_INTERNAL'
      this.#log.warn(`cannot write the position, retrying: ${messageOf(error)}`, { code })
      this.#timer = this.#clock.after(RETRY_DELAY_MS, () => {
        this.#timer = undefined
        this.#write()
      })
    }
  }
}
