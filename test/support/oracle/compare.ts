import { isDeepStrictEqual } from 'node:util'
import type { OracleCase, Outcome } from './case.ts'

/**
 * How an outcome stands to that of fluent-bit: `exact`: the same bytes; `same`: the same values in another spelling; `better`: as
 * the case says it should be; `fault`, `stated`: another outcome where the case says why; `absent`: the configuration names a
 * plugin that is not there; `differs`: anything else.
 */
export type Verdict = 'exact' | 'same' | 'better' | 'fault' | 'stated' | 'absent' | 'differs'

const ABSENT = /unknown (?:input|filter|output|processor) |not supported yet/

/** Replaces in every text of both outcomes what differs in all cases of a kind, so that only the rest is compared. */
export type Rewrite = readonly [pattern: RegExp, text: string]

export function verdictOf(
  oracle: OracleCase,
  outcome: Outcome,
  stderr: string,
  rewrites: readonly Rewrite[] = [],
): Verdict {
  if (outcome.status === 'refused' && ABSENT.test(stderr)) return 'absent'
  const rewritten = (value: Outcome): Outcome => rewrite(value, rewrites) as Outcome
  const got = rewritten(outcome)
  const likeness = compare(rewritten(oracle.got), got, oracle.any_order === true)
  if (likeness !== undefined) return likeness
  if (oracle.better !== undefined)
    return compare(rewritten(oracle.better), got, oracle.any_order === true) === undefined
      ? 'differs'
      : 'better'
  if (oracle.fault !== undefined) return 'fault'
  return oracle.stated === undefined ? 'differs' : 'stated'
}

function rewrite(value: unknown, rewrites: readonly Rewrite[]): unknown {
  if (typeof value === 'string')
    return rewrites.reduce((text, [from, to]) => text.replaceAll(from, to), value)
  if (Array.isArray(value)) return value.map((item) => rewrite(item, rewrites))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rewrite(item, rewrites)]))
}

function compare(want: Outcome, got: Outcome, anyOrder: boolean): 'exact' | 'same' | undefined {
  if (isDeepStrictEqual(want, got)) return 'exact'
  const [wanted, found] = [values(want, anyOrder), values(got, anyOrder)]
  return isDeepStrictEqual(wanted, found) ? 'same' : undefined
}

const CHUNK_INDEX = /^\[\d+\] /
const NOW = /@NOW\w*@(?:\.n)?/g
/** An integer that a float64 cannot represent. */
const LONG_INTEGER = /(?<=[[:,\s])-?\d{16,}(?=[\],}\s])/g

/** Returns JSON texts as values, so that spellings of numbers, escapes and the order of keys do not matter. */
function values(value: unknown, anyOrder: boolean): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => values(item, anyOrder))
    return anyOrder ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items
  }
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, values(item, anyOrder)]))
  return typeof value === 'string' ? parsedText(value) : value
}

function parsedText(text: string): unknown {
  if (text.startsWith('{') || text.startsWith('[')) {
    const json = text.replace(NOW, '0').replace(LONG_INTEGER, '"$&"')
    for (const form of [json, `[${json.replaceAll('}{', '},{')}]`]) {
      try {
        return { json: JSON.parse(form) as unknown }
      } catch {
        // Not of this form.
      }
    }
  }
  return text.includes('\n') ? text.split('\n').map(parsedText) : text.replace(CHUNK_INDEX, '[n] ')
}
