/** What a store made of numbered records. */
export interface Report {
  /** Different numbers that are kept. */
  kept: number
  /** Numbers that are kept more than once. */
  twice: number
  /** Different numbers that were refused for good. */
  refused: number
  /** Numbers that are both kept and refused. */
  both: number
  /** Numbers below the expected count that are neither. */
  missing: number
  /** The first 20 missing numbers. */
  first: number[]
  /** Records without a number: equal lines. */
  unnumbered: number
  /** Numbers whose first occurrence in their stream came after a higher one. */
  disorder: number
}

const DIGITS = /\d+/
/** Keys of records under which the number or the text with the number is. */
const KEYS = ['n', 'log', 'message', 'short_message', 'event', 'body', '_n']

/**
 * Returns the number of a record: of an object that under `n`, else that in its text; of a text its first digits. A text
 * without digits has none.
 */
export function numberOf(record: unknown): number | undefined {
  if (typeof record === 'number') return record
  if (typeof record === 'string') return numberOfText(record)
  if (typeof record !== 'object' || record === null) return undefined
  const fields = record as Record<string, unknown>
  const key = KEYS.find((name) => fields[name] !== undefined)
  return key === undefined ? undefined : numberOf(fields[key])
}

function numberOfText(text: string): number | undefined {
  if (text.startsWith('{')) {
    try {
      return numberOf(JSON.parse(text))
    } catch {
      // A line that only begins as an object does.
    }
  }
  const digits = DIGITS.exec(text)?.[0]
  return digits === undefined ? undefined : Number(digits)
}

/** Counts what a store keeps and refuses, by the numbers of the records. */
export class Ledger {
  readonly #kept = new Map<number, number>()
  readonly #refused = new Set<number>()
  readonly #highest = new Map<string, number>()
  #unnumbered = 0
  #disorder = 0
  #records = 0

  /** Records that are kept, repeated ones and those without a number among them. */
  get records(): number {
    return this.#records
  }

  /** Different numbers that have a fate. */
  get settled(): number {
    return this.#kept.size + [...this.#refused].filter((n) => !this.#kept.has(n)).length
  }

  keep(record: unknown, stream = ''): void {
    const number = numberOf(record)
    this.#records++
    if (number === undefined) {
      this.#unnumbered++
      return
    }
    const before = this.#kept.get(number) ?? 0
    this.#kept.set(number, before + 1)
    if (before > 0) return
    const highest = this.#highest.get(stream) ?? -1
    if (number < highest) this.#disorder++
    else this.#highest.set(stream, number)
  }

  refuse(record: unknown): void {
    const number = numberOf(record)
    if (number !== undefined) this.#refused.add(number)
  }

  timesKept(number: number): number {
    return this.#kept.get(number) ?? 0
  }

  isRefused(number: number): boolean {
    return this.#refused.has(number)
  }

  /** Returns what became of the records with numbers from 0 up to `count`. */
  report(count: number): Report {
    const missing: number[] = []
    for (let n = 0; n < count; n++) if (!this.#kept.has(n) && !this.#refused.has(n)) missing.push(n)
    return {
      kept: this.#kept.size,
      twice: [...this.#kept.values()].filter((times) => times > 1).length,
      refused: this.#refused.size,
      both: [...this.#refused].filter((n) => this.#kept.has(n)).length,
      missing: missing.length,
      first: missing.slice(0, 20),
      unnumbered: this.#unnumbered,
      disorder: this.#disorder,
    }
  }
}
