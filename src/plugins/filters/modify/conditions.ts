import { skip, TRUE } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import type { RegexLimit, RegexUse } from '../../../core/plugin.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { isKey } from '../../../lib/records/keys.ts'
import { ListedValue } from '../../../lib/records/listed-value.ts'
import type { PairList } from '../../../lib/records/pair-list.ts'
import { type LineMatcher, matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../lib/regex/match-result.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import type { ConditionName, Named } from './options.ts'

const UNSATISFIED: RegexUse = { reason: 'condition', effect: 'the condition does not hold' }

/** Returns a matcher for a condition that counts the texts on which it takes too many steps. */
type Matching = (buf: Buffer, start: number, end: number) => -1 | 0 | 1

/** A condition, compiled once. Nothing is allocated per record. */
export interface ConditionTest {
  /** Tests the map at `map`, which `list` has read. */
  holds(list: PairList, buf: Buffer, map: number, end: number): boolean
}

/** Returns the test of a condition; `keyIndex` returns the index of a key of the list. */
export function conditionTest(
  { name, a, b }: Named<ConditionName>,
  keyIndex: (key: string) => number,
  limit: RegexLimit | undefined,
): ConditionTest {
  const value = (): ListedValue => new ListedValue(RecordAccessor.parseLoose(a), keyIndex)
  const text = (): Buffer => Buffer.from(b)
  switch (name) {
    case 'key_exists':
      return new Exists(value(), true)
    case 'key_does_not_exist':
      return new Exists(value(), false)
    case 'key_value_equals':
      return new Equals(value(), text(), true)
    case 'key_value_does_not_equal':
      return new Equals(value(), text(), false)
    case 'key_value_matches':
      return new Matches(value(), matching(b, limit), true)
    case 'key_value_does_not_match':
      return new Matches(value(), matching(b, limit), false)
    case 'a_key_matches':
      return new KeyMatches(matching(a, limit), true)
    case 'no_key_matches':
      return new KeyMatches(matching(a, limit), false)
    case 'matching_keys_have_matching_values':
      return new AllMatch(matching(a, limit), matching(b, limit), true)
    case 'matching_keys_do_not_have_matching_values':
      return new AllMatch(matching(a, limit), matching(b, limit), false)
  }
}

/** Result of an expression that has reached its limit of steps. */
const UNDECIDED = -1

function matching(expression: string, limit: RegexLimit | undefined): Matching {
  const matcher: LineMatcher = matcherOf(translateOnigmo(expression), limit?.stepsPerByte)
  return (buf, start, end) => {
    const result = matcher.match(buf, start, end)
    if (result === MATCH) return 1
    if (result !== TOO_MANY_STEPS) return 0
    limit?.reached(expression, 'Condition', UNSATISFIED)
    return UNDECIDED
  }
}

class Exists implements ConditionTest {
  readonly #value: ListedValue
  readonly #expected: boolean

  constructor(value: ListedValue, expected: boolean) {
    this.#value = value
    this.#expected = expected
  }

  holds(list: PairList, buf: Buffer, map: number, end: number): boolean {
    return this.#value.find(list, buf, map, end) >= 0 === this.#expected
  }
}

/** A value that is missing is neither equal nor unequal. */
class Equals implements ConditionTest {
  readonly #value: ListedValue
  readonly #text: Buffer
  readonly #expected: boolean

  constructor(value: ListedValue, text: Buffer, expected: boolean) {
    this.#value = value
    this.#text = text
    this.#expected = expected
  }

  holds(list: PairList, buf: Buffer, map: number, end: number): boolean {
    const at = this.#value.find(list, buf, map, end)
    return at >= 0 && isKey(buf, at, this.#text) === this.#expected
  }
}

class Matches implements ConditionTest {
  readonly #value: ListedValue
  readonly #matching: Matching
  readonly #expected: number

  constructor(value: ListedValue, matching: Matching, expected: boolean) {
    this.#value = value
    this.#matching = matching
    this.#expected = expected ? 1 : 0
  }

  holds(list: PairList, buf: Buffer, map: number, end: number): boolean {
    const at = this.#value.find(list, buf, map, end)
    return at >= 0 && matchesValue(this.#matching, buf, at) === this.#expected
  }
}

class KeyMatches implements ConditionTest {
  readonly #matching: Matching
  readonly #expected: boolean

  constructor(matching: Matching, expected: boolean) {
    this.#matching = matching
    this.#expected = expected
  }

  holds(_list: PairList, buf: Buffer, map: number, end: number): boolean {
    let key = mapBody(buf, map)
    let result = 0
    for (let left = mapPairs(buf, map); left > 0 && result === 0; left--) {
      result = matchesText(this.#matching, buf, key)
      key = skip(buf, skip(buf, key, end), end)
    }
    return result !== UNDECIDED && (result === 1) === this.#expected
  }
}

/** True when the value of each key that matches is a text that matches, so also when no key matches. */
class AllMatch implements ConditionTest {
  readonly #keys: Matching
  readonly #values: Matching
  readonly #expected: boolean

  constructor(keys: Matching, values: Matching, expected: boolean) {
    this.#keys = keys
    this.#values = values
    this.#expected = expected
  }

  holds(_list: PairList, buf: Buffer, map: number, end: number): boolean {
    let key = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const value = skip(buf, key, end)
      const isMatch = matchesText(this.#keys, buf, key)
      const result = isMatch === 1 ? matchesValue(this.#values, buf, value) : 1
      if (isMatch === UNDECIDED || result === UNDECIDED) return false
      if (result === 0) return !this.#expected
      key = skip(buf, value, end)
    }
    return this.#expected
  }
}

function matchesText(matching: Matching, buf: Buffer, at: number): -1 | 0 | 1 {
  const head = textHead(buf, at)
  return head < 0 ? 0 : matching(buf, at + head, at + head + textLength(buf, at))
}

const TRUE_TEXT = Buffer.from('true')
const FALSE_TEXT = Buffer.from('false')

/** Matches a text, or the text of a boolean; nothing else matches. */
function matchesValue(matching: Matching, buf: Buffer, at: number): -1 | 0 | 1 {
  const type = buf[at] as number
  if (type !== TRUE && type !== TRUE - 1) return matchesText(matching, buf, at)
  const text = type === TRUE ? TRUE_TEXT : FALSE_TEXT
  return matching(text, 0, text.length)
}
