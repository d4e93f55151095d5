import { KeyTable, PrefixTable } from './key-table.ts'
import type { KeySelector } from './pair-list.ts'

/** Selects keys by their names, `name*` all keys with that prefix, or with `isInverted` all others. */
export class KeyPatterns implements KeySelector {
  readonly selectsOthers: boolean
  readonly #names: KeyTable
  readonly #prefixes: PrefixTable

  constructor(patterns: readonly string[], { ignoresCase = false, isInverted = false } = {}) {
    const isPrefix = (pattern: string): boolean => pattern.endsWith('*')
    const names = patterns.filter((pattern) => !isPrefix(pattern)).map((name) => Buffer.from(name))
    const prefixes = patterns.filter(isPrefix).map((prefix) => Buffer.from(prefix.slice(0, -1)))
    this.#names = new KeyTable(names, ignoresCase)
    this.#prefixes = new PrefixTable(prefixes, ignoresCase)
    this.selectsOthers = isInverted
  }

  selects(buf: Buffer, start: number, length: number): boolean {
    const isNamed = this.#prefixes.matches(buf, start, length) || this.#names.find(buf, start, length) >= 0
    return isNamed !== this.selectsOthers
  }
}
