import { escapeControls } from '../../core/escape-controls.ts'
import { freeReceived } from '../http/free-received.ts'
import { JsonEvents } from '../json/json-events.ts'

/** Outcome of one operation of a bulk request. */
export interface BulkItem {
  status: number
  /** Type and reason of its error; empty without one. */
  type: string
  reason: string
}

/** Objects and arrays around an item. */
const ITEM_DEPTH = 2
/** Size of the equal items that are looked for at once. */
const BLOCK_BYTES = 2048
/** Longest reason of an item, in characters. */
const MAX_REASON = 300

/**
 * Reads the answer to a bulk request as it arrives: calls `onItem` for each item, in the order of the request. `errors` may precede
 * or follow the items.
 *
 * ```
 *   {"took": n, "errors": bool, "items": [{OPERATION: {"status": n, "error": {"type": "", "reason": "", "caused_by": {...}}}}, ...]}
 * ```
 * An answer of another form is an error, not only one that is cut off: who has rewritten it may have written anything, and a record
 * that counts as delivered by mistake is lost. Members that are not read may be there.
 */
export class BulkAnswer {
  /** Value of `errors`; undefined when there was none. */
  errors: boolean | undefined
  items = 0
  /** True when an item has a status that is no success. */
  hasFailed = false
  /** True when the answer has an error of the whole, and its reason. */
  hasError = false
  error = ''
  /** True when it has `took`, which Elasticsearch leaves out as `filter_path` does not ask for it. */
  hasTook = false
  /** Operation of the first outcome of one that was not sent. */
  otherOperation: string | undefined
  readonly #onItem: (index: number, item: BulkItem) => boolean
  readonly #operations: ReadonlySet<string> | undefined
  readonly #events: JsonEvents
  #isInItems = false
  #isInError = false
  #hasItems = false
  #hasOperation = false
  #item: BulkItem = { status: 0, type: '', reason: '' }
  #cause = ''
  #hasItemError = false

  /** Text of an item that needs nothing, as nearly all do: those that are equal to it are only counted. */
  #plain: Buffer | undefined
  /** The same text several times. */
  #plains: Buffer = Buffer.alloc(0)
  #isPlain = false

  /**
   * `onItem` returns true for an item that needs nothing; it is not called for others with the same text. `operations`: names of those
   * that outcomes of this request may be of. Default: any.
   */
  constructor(onItem: (index: number, item: BulkItem) => boolean, operations?: ReadonlySet<string>) {
    this.#onItem = onItem
    this.#operations = operations
    this.#events = new JsonEvents({
      scalar: (depth, key, text, isString) => this.#scalar(depth, key, text, isString),
      open: (depth, key, isArray) => this.#open(depth, key, isArray),
      close: (depth) => this.#close(depth),
    })
  }

  /** Reads the answer to its end; throws when it is cut off or no answer to a bulk request. */
  async read(body: AsyncIterable<Buffer>): Promise<void> {
    for await (const piece of body) {
      this.#write(piece)
      freeReceived(piece)
    }
    if (!this.#events.isComplete) throw new Error('it ends in the middle')
  }

  #write(piece: Buffer): void {
    const events = this.#events
    for (let at = 0; at < piece.length; ) {
      const isItem = this.#isInItems && events.isBetweenItems(ITEM_DEPTH)
      if (isItem) at = this.#skipPlain(piece, at)
      const end = events.write(piece, at, ITEM_DEPTH)
      if (isItem && this.#isPlain && this.#plain === undefined && events.isBetweenItems(ITEM_DEPTH))
        this.#setPlain(piece.subarray(at, end))
      at = end
    }
  }

  #setPlain(item: Buffer): void {
    this.#plain = Buffer.from(item)
    const items = Math.max(1, Math.floor(BLOCK_BYTES / item.length))
    this.#plains = Buffer.concat(Array<Buffer>(items).fill(this.#plain))
  }

  /** Counts the items from `at` on that are equal to one that needs nothing; returns the offset after them. */
  #skipPlain(piece: Buffer, start: number): number {
    if (this.#plain === undefined) return start
    let at = start
    // A whole block of them is compared at once, as long as it is equal.
    for (const plain of [this.#plains, this.#plain]) {
      const { length } = plain
      const items = length / this.#plain.length
      while (at + length <= piece.length && piece.compare(plain, 0, length, at, at + length) === 0) {
        this.items += items
        at += length
      }
    }
    return at
  }

  #open(depth: number, key: string, isArray: boolean): void {
    if (depth === 0 && isArray) throw new Error('it is an array')
    if (depth === 1) this.#openMember(key, isArray)
    if (!this.#isInItems) return
    if (depth === 2) {
      if (isArray) throw new Error('an outcome is not an object')
      this.#item = { status: 0, type: '', reason: '' }
      this.#cause = ''
      this.#hasOperation = false
      this.#hasItemError = false
    } else if (depth === 3) this.#openOperation(key, isArray)
    else if (depth === 4 && key === 'status') throw badStatus('an object or array')
    else if (depth === 4 && key === 'error') this.#isInError = this.#hasItemError = true
  }

  #openMember(key: string, isArray: boolean): void {
    if (key === 'errors') throw new Error('its `errors` is not a boolean')
    if (key === 'error') this.hasError = true
    if (key !== 'items') return
    if (!isArray) throw new Error('its `items` is not an array')
    if (this.#hasItems) throw new Error('it has `items` twice')
    this.#isInItems = this.#hasItems = true
  }

  #openOperation(name: string, isArray: boolean): void {
    if (isArray) throw new Error('an outcome is not an object')
    if (this.#operations?.has(name) === false) this.otherOperation ??= escapeControls(name.slice(0, 20))
    if (this.#hasOperation) throw new Error('an outcome has two operations')
    this.#hasOperation = true
  }

  #close(depth: number): void {
    if (!this.#isInItems) return
    if (depth === 1) this.#isInItems = false
    else if (depth === 4) this.#isInError = false
    else if (depth === 2) this.#endItem()
  }

  #endItem(): void {
    const item = this.#item
    if (item.status === 0) throw new Error('an outcome has no status')
    const isSuccess = item.status >= 200 && item.status < 300
    if (isSuccess && this.#hasItemError)
      throw new Error(`an outcome has the status ${item.status} and an error`)
    if (!isSuccess) this.hasFailed = true
    // What is in the way of a mapping is said by the cause: `failed to parse field [n] of type [long]` needs it least.
    if (this.#cause !== '' && !item.reason.includes(this.#cause)) item.reason += `: ${this.#cause}`
    if (item.reason !== '') item.reason = escapeControls(item.reason.slice(0, MAX_REASON))
    this.#isPlain = this.#onItem(this.items++, item)
  }

  #scalar(depth: number, key: string, text: string, isString: boolean): void {
    if (depth === 0) throw new Error('it is not an object')
    if (!this.#isInItems) {
      this.#member(depth, key, text, isString)
      return
    }
    if (depth < 4) throw new Error('an outcome is not an object')
    const item = this.#item
    if (depth === 4 && key === 'status') this.#status(text, isString)
    // Servers of old versions had the whole error as a text.
    else if (depth === 4 && key === 'error') {
      if (isString || text !== 'null') this.#hasItemError = true
      if (isString) item.reason = text
    } else if (this.#isInError && depth === 5 && key === 'type') item.type = text
    else if (this.#isInError && depth === 5 && key === 'reason') item.reason = text
    else if (this.#isInError && depth > 5 && key === 'reason' && this.#cause === '') this.#cause = text
  }

  #member(depth: number, key: string, text: string, isString: boolean): void {
    if (depth === 1 && key === 'took') this.hasTook = true
    if (depth === 1 && key === 'items') throw new Error('its `items` is not an array')
    if (depth === 1 && key === 'errors') {
      if (isString || (text !== 'true' && text !== 'false')) throw new Error('its `errors` is not a boolean')
      if (this.errors !== undefined) throw new Error('it has `errors` twice')
      this.errors = text === 'true'
    }
    if (depth === 1 && key === 'error' && (isString || text !== 'null')) this.hasError = true
    if (
      isString &&
      ((depth === 1 && key === 'error') || (depth === 2 && key === 'reason')) &&
      this.error === ''
    )
      this.error = escapeControls(text.slice(0, MAX_REASON))
  }

  #status(text: string, isString: boolean): void {
    if (isString || !/^[1-5]\d\d$/.test(text)) throw badStatus(text)
    if (this.#item.status !== 0) throw new Error('an outcome has two statuses')
    this.#item.status = Number(text)
  }
}

function badStatus(text: string): Error {
  return new Error(`an outcome has ${escapeControls(text.slice(0, 20))} as its status`)
}
