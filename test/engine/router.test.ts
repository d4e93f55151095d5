import { expect, test } from 'bun:test'
import { matches, Router, type TagMatch } from '../../src/engine/router.ts'

const STARTS_A = /^a/
const STARTS_B = /^b/

const stage = (match?: string, matchRegex?: RegExp): TagMatch => ({ match, matchRegex })

test('stages are found in order of declaration, also from the cache', () => {
  const stages = [stage('*'), stage('a.*'), stage('b'), stage(undefined, STARTS_A)]
  const router = new Router(stages)
  for (let i = 0; i < 2; i++) {
    expect(router.find('a.x')).toEqual([stages[0], stages[1], stages[3]] as TagMatch[])
    expect(router.find('b')).toEqual([stages[0], stages[2]] as TagMatch[])
    expect(router.find('c')).toEqual([stages[0]] as TagMatch[])
  }
})

test('a regular expression takes precedence over a pattern; without either no tag matches', () => {
  expect(matches(stage('*', STARTS_B), 'a')).toBe(false)
  expect(matches(stage('a', STARTS_B), 'b')).toBe(true)
  expect(matches(stage(), 'a')).toBe(false)
})

test('more tags than the cache holds are still routed', () => {
  const router = new Router([stage('*7')])
  for (let i = 0; i < 25_000; i++) expect(router.find(`t${i}`).length).toBe(i % 10 === 7 ? 1 : 0)
  expect(router.find('t7').length).toBe(1)
})
