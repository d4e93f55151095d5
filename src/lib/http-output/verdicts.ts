import type { Failed } from './failed.ts'

const DELIVERED = 0
const AGAIN = 1
const REFUSED = 2

/** Longest reason that is kept of a refused record, in characters. */
const MAX_REASON = 500
/** Maximum number of different reasons that are kept for a request: others have the text of the first. */
const MAX_REASONS = 1000

/** What an answer says about each record of a batch, by its index; a record is delivered unless it says otherwise. */
export class Verdicts {
  readonly records: number
  readonly #codes: Uint8Array
  readonly #reasons = new Map<number, number>()
  readonly #texts: string[] = []
  readonly #indexes = new Map<string, number>()
  /** Why the records that are sent again were not taken: of the first of them. */
  failure: Failed | undefined
  refusedCount = 0
  againCount = 0

  constructor(records: number) {
    this.records = records
    this.#codes = new Uint8Array(records)
  }

  get deliveredCount(): number {
    return this.records - this.refusedCount - this.againCount
  }

  /** The API will never take the record; `reason`: in the server's words. */
  refuse(record: number, reason: string): void {
    this.#set(record, REFUSED)
    const text = reason.slice(0, MAX_REASON)
    let index = this.#indexes.get(text)
    if (index === undefined) {
      index = Math.min(this.#texts.length, MAX_REASONS)
      if (index < MAX_REASONS) {
        this.#indexes.set(text, index)
        this.#texts.push(text)
      } else index = 0
    }
    this.#reasons.set(record, index)
  }

  /** The record was not taken, or that is not known. */
  again(record: number, failure: Failed): void {
    this.#set(record, AGAIN)
    this.failure = worse(this.failure, failure)
  }

  /** The record was not looked at, because of one before it: unless others fail, it is sent again at once. */
  next(record: number): void {
    this.#set(record, AGAIN)
  }

  isAgain(record: number): boolean {
    return this.#codes[record] === AGAIN
  }

  /** Returns why a record is refused; undefined when it is not. */
  reasonOf(record: number): string | undefined {
    if (this.#codes[record] !== REFUSED) return undefined
    return this.#texts[this.#reasons.get(record) ?? 0]
  }

  #set(record: number, code: number): void {
    if (record < 0 || record >= this.records) throw new RangeError(`there is no record ${record}`)
    const old = this.#codes[record]
    if (old === REFUSED) this.refusedCount--
    if (old === AGAIN) this.againCount--
    if (code === REFUSED) this.refusedCount++
    else this.againCount++
    this.#codes[record] = code
  }
}

/** Returns the one that asks for the longer wait; the first of equal ones. */
function worse(a: Failed | undefined, b: Failed): Failed {
  if (a === undefined) return b
  return (b.afterMs ?? 0) > (a.afterMs ?? 0) || (b.isOverload === true && a.isOverload !== true) ? b : a
}
