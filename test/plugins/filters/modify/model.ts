import { encodeStr } from '../../../../src/core/msgpack/encode.ts'
import { pairOf, type RawPair } from '../../../support/records/raw-record.ts'

type Change = (pairs: RawPair[], a: string, b: string) => RawPair[]

const has = (pairs: readonly RawPair[], key: string): boolean => pairs.some((pair) => pair.key === key)
const without = (pairs: readonly RawPair[], key: string): RawPair[] =>
  pairs.filter((pair) => pair.key !== key)
const starts = (prefix: string) => (pair: RawPair) => pair.key?.startsWith(prefix) === true
const not = (test: (pair: RawPair) => boolean) => (pair: RawPair) => !test(pair)

/** Renames or copies the last pair with the key `a`. */
function transfer(pairs: RawPair[], a: string, b: string, isCopy: boolean): RawPair[] {
  const last = pairs.findLast((pair) => pair.key === a) as RawPair
  const renamed = pairOf(b, last.value)
  return pairs.flatMap((pair) => {
    if (isCopy) return pair === last ? [pair, renamed] : [pair]
    if (pair === last) return [renamed]
    return pair.key === a ? [] : [pair]
  })
}

/** What each rule does with the pairs of a record, by a plain reading of the manual. */
export const RULES: Record<string, Change> = {
  set: (pairs, a, b) => [...without(pairs, a), pairOf(a, encodeStr(b))],
  add: (pairs, a, b) => (has(pairs, a) ? pairs : [...pairs, pairOf(a, encodeStr(b))]),
  remove: (pairs, a) => without(pairs, a),
  remove_wildcard: (pairs, a) => pairs.filter(not(starts(a))),
  remove_regex: (pairs, a) => pairs.filter(({ key }) => key === undefined || !new RegExp(a).test(key)),
  rename: (pairs, a, b) => (!has(pairs, a) || has(pairs, b) ? pairs : transfer(pairs, a, b, false)),
  hard_rename: (pairs, a, b) =>
    !has(pairs, a) || a === b ? pairs : transfer(without(pairs, b), a, b, false),
  copy: (pairs, a, b) => (!has(pairs, a) || has(pairs, b) ? pairs : transfer(pairs, a, b, true)),
  hard_copy: (pairs, a, b) => (!has(pairs, a) || a === b ? pairs : transfer(without(pairs, b), a, b, true)),
  move_to_start: (pairs, a) => [...pairs.filter(starts(a)), ...pairs.filter(not(starts(a)))],
  move_to_end: (pairs, a) => [...pairs.filter(not(starts(a))), ...pairs.filter(starts(a))],
}

/** Applies rules such as `set a x`; returns undefined when the record stays as it is. */
export function modified(pairs: RawPair[], rules: readonly string[]): RawPair[] | undefined {
  const after = rules.reduce((all, rule) => {
    const [name = '', a = '', b = ''] = rule.split(' ')
    return (RULES[name] as Change)(all, a, b)
  }, pairs)
  const isSame = after.length === pairs.length && after.every((pair, i) => pair === pairs[i])
  return isSame ? undefined : after
}
