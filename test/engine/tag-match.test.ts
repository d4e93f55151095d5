import { expect, test } from 'bun:test'
import { CounterMap } from '../../src/engine/counters.ts'
import { CountedRegexLimit } from '../../src/engine/regex-limit.ts'
import { matches, tagMatch } from '../../src/engine/tag-match.ts'
import { withMatchReason } from '../../src/lib/regex/counters.ts'

const STARTS_B = /^b/

function stageFor(matchRegex: string) {
  const warnings: string[] = []
  const log = { error() {}, info() {}, debug() {}, warn: (message: string) => warnings.push(message) }
  const counters = new CounterMap(withMatchReason())
  const limit = new CountedRegexLimit(100, counters, log as never)
  return { stage: tagMatch({ common: { match: undefined, matchRegex } }, limit), counters, warnings }
}

test('Match_Regex has the syntax of fluent-bit: Onigmo, with or without slashes', () => {
  const { stage } = stageFor('/^A[[:digit:]]+\\z/i')
  expect(['a12', 'A1', 'ab1', 'a1\n'].map((tag) => matches(stage, tag))).toEqual([true, true, false, false])
})

test('a tag on which Match_Regex reaches the limit matches: it is counted, and logged once', () => {
  const { stage, counters, warnings } = stageFor('^(x*)*$')
  const tags = [`${'x'.repeat(2000)}!`, `${'x'.repeat(3000)}!`]
  expect(tags.map((tag) => matches(stage, tag))).toEqual([true, true])
  expect([counters.get('regex_step_limit', 'match'), warnings.length]).toEqual([2, 1])
  expect(warnings[0]).toContain('Match_Regex: the expression reached Regex_Step_Limit')
})

test('a regular expression takes precedence over a pattern; without either no tag matches', () => {
  const stage = (match?: string, matchRegex?: RegExp) => ({ match, matchRegex })
  expect(matches(stage('*', STARTS_B), 'a')).toBe(false)
  expect(matches(stage('a', STARTS_B), 'b')).toBe(true)
  expect(matches(stage(), 'a')).toBe(false)
})
