import { encodeStr } from '../../../core/msgpack/encode.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import type { RegexLimit, RegexUse } from '../../../core/plugin.ts'
import { PrefixTable } from '../../../lib/records/key-table.ts'
import { type KeySelector, PairList } from '../../../lib/records/pair-list.ts'
import { type LineMatcher, matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../lib/regex/match-result.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import type { Named, RuleName } from './options.ts'

const KEPT: RegexUse = { reason: 'remove', effect: 'the key is kept' }

/** A test of keys: a prefix or an expression. */
interface KeyTest {
  matches(buf: Buffer, start: number, length: number): boolean
}

class ExpressionTest implements KeyTest {
  readonly #expression: string
  readonly #limit: RegexLimit | undefined
  readonly #matcher: LineMatcher

  constructor(expression: string, limit: RegexLimit | undefined) {
    this.#expression = expression
    this.#limit = limit
    this.#matcher = matcherOf(translateOnigmo(expression), limit?.stepsPerByte)
  }

  matches(buf: Buffer, start: number, length: number): boolean {
    const result = this.#matcher.match(buf, start, start + length)
    if (result === TOO_MANY_STEPS) this.#limit?.reached(this.#expression, 'Remove_regex', KEPT)
    return result === MATCH
  }
}

/** Selects the keys that any of several tests matches. */
class AnyTest implements KeySelector {
  readonly selectsOthers = false
  readonly #tests: readonly KeyTest[]

  constructor(tests: readonly KeyTest[]) {
    this.#tests = tests
  }

  selects(buf: Buffer, start: number, length: number): boolean {
    for (const test of this.#tests) if (test.matches(buf, start, length)) return true
    return false
  }
}

/** A change of the pairs of a record; returns false when it changed nothing. */
export interface Rule {
  apply(list: PairList, buf: Buffer): boolean
}

/** Range of a value in the bytes that are added. */
interface Added {
  from: number
  to: number
}

class SetRule implements Rule {
  readonly #key: number
  readonly #value: Added
  readonly #replaces: boolean

  constructor(key: number, value: Added, replaces: boolean) {
    this.#key = key
    this.#value = value
    this.#replaces = replaces
  }

  apply(list: PairList): boolean {
    if (list.last(this.#key) !== 0) {
      if (!this.#replaces) return false
      list.removeKey(this.#key)
    }
    list.append(this.#key, this.#value.from, this.#value.to)
    return true
  }
}

class RemoveKey implements Rule {
  readonly #key: number

  constructor(key: number) {
    this.#key = key
  }

  apply(list: PairList): boolean {
    return list.removeKey(this.#key)
  }
}

/** Renames or copies; a key that is there is replaced only by the rules that are called hard. */
class Transfer implements Rule {
  readonly #from: number
  readonly #to: number
  readonly #isCopy: boolean
  readonly #replaces: boolean

  constructor(from: number, to: number, isCopy: boolean, replaces: boolean) {
    this.#from = from
    this.#to = to
    this.#isCopy = isCopy
    this.#replaces = replaces
  }

  apply(list: PairList): boolean {
    if (this.#from === this.#to || list.last(this.#from) === 0) return false
    if (list.last(this.#to) !== 0) {
      if (!this.#replaces) return false
      list.removeKey(this.#to)
    }
    if (this.#isCopy) list.copy(this.#from, this.#to)
    else list.rename(this.#from, this.#to)
    return true
  }
}

/** A rule about the keys that a test matches. */
abstract class Tested implements Rule {
  readonly #test: KeyTest
  /** By index: 1 when the key of the list matches. */
  readonly #isMatch: Uint8Array
  /** True when the test is the only one of the filter: all keys that were selected match. */
  readonly #isOnly: boolean

  constructor({ test, keys, isOnly }: TestedKeys) {
    this.#test = test
    this.#isMatch = Uint8Array.from(keys, (key) => (test.matches(key, 0, key.length) ? 1 : 0))
    this.#isOnly = isOnly
  }

  abstract apply(list: PairList, buf: Buffer): boolean

  /** Returns the next node after `node` that matches, or 0; `node` 0: the first one. */
  protected next(list: PairList, buf: Buffer, node: number): number {
    let at = list.nextPair(node)
    while (at !== 0 && !this.#matches(list, buf, at)) at = list.nextPair(at)
    return at
  }

  #matches(list: PairList, buf: Buffer, node: number): boolean {
    const key = list.keyOf(node)
    if (key >= 0) return this.#isMatch[key] === 1
    if (this.#isOnly) return true
    const at = list.startOf(node)
    return this.#test.matches(buf, at + textHead(buf, at), textLength(buf, at))
  }
}

interface TestedKeys {
  test: KeyTest
  /** Keys of the list. */
  keys: readonly Buffer[]
  isOnly: boolean
}

class RemoveTested extends Tested {
  override apply(list: PairList, buf: Buffer): boolean {
    let node = this.next(list, buf, 0)
    if (node === 0) return false
    while (node !== 0) {
      list.remove(node)
      // A removed node still leads to what comes after it.
      node = this.next(list, buf, node)
    }
    return true
  }
}

class MoveToStart extends Tested {
  override apply(list: PairList, buf: Buffer): boolean {
    let place = 0
    for (let node = this.next(list, buf, 0); node !== 0; ) {
      const next = this.next(list, buf, node)
      list.moveAfter(node, place)
      place = node
      node = next
    }
    return place !== 0
  }
}

class MoveToEnd extends Tested {
  override apply(list: PairList, buf: Buffer): boolean {
    const first = this.next(list, buf, 0)
    for (let node = first; node !== 0; ) {
      const next = this.next(list, buf, node)
      list.moveToEnd(node)
      // Those that were moved come again.
      node = next === first ? 0 : next
    }
    return first !== 0
  }
}

/** Names of keys, each with an index. */
export class KeyNames {
  readonly names: string[] = []

  /** Returns the index of a name, which is added if it is new. */
  index(name: string): number {
    const at = this.names.indexOf(name)
    return at < 0 ? this.names.push(name) - 1 : at
  }
}

/** Compiles rules, and the list of pairs that they change. `keys` are those that the list needs for other uses. */
export function compileRules(
  named: readonly Named<RuleName>[],
  keys: KeyNames,
  limit: RegexLimit | undefined,
): { rules: Rule[]; list: PairList } {
  const tests = named.map(({ name, a }) => testOf(name, a, limit))
  for (const [i, { name, a, b }] of named.entries()) {
    if (tests[i] === undefined) keys.index(a)
    if (isTransfer(name)) keys.index(b)
  }
  const all = tests.filter((test) => test !== undefined)
  const list = new PairList(keys.names, all.length === 0 ? undefined : new AnyTest(all))
  const names = keys.names.map((name) => Buffer.from(name))
  const rules = named.map(({ name, a, b }, i): Rule => {
    const test = tests[i]
    if (test !== undefined) return testedRule(name, { test, keys: names, isOnly: all.length === 1 })
    const key = keys.index(a)
    if (name === 'remove') return new RemoveKey(key)
    if (isTransfer(name))
      return new Transfer(key, keys.index(b), name.endsWith('copy'), name.startsWith('hard'))
    return new SetRule(key, list.addExtra(encodeStr(b)), name === 'set')
  })
  return { rules, list }
}

function isTransfer(name: RuleName): boolean {
  return name.endsWith('rename') || name.endsWith('copy')
}

function testOf(name: RuleName, text: string, limit: RegexLimit | undefined): KeyTest | undefined {
  if (name === 'remove_regex') return new ExpressionTest(text, limit)
  const isPrefix = name === 'remove_wildcard' || name.startsWith('move')
  return isPrefix ? new PrefixTable([Buffer.from(text)]) : undefined
}

function testedRule(name: RuleName, tested: TestedKeys): Rule {
  if (name === 'move_to_start') return new MoveToStart(tested)
  return name === 'move_to_end' ? new MoveToEnd(tested) : new RemoveTested(tested)
}
