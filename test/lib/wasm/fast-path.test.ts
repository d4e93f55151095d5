import { describe, expect, test } from 'bun:test'
import { CounterMap } from '../../../src/engine/counters.ts'
import { FastPath, pathCounters } from '../../../src/lib/wasm/fast-path.ts'

const BLOCK_LINES = 1200

/** Offers a block of lines, `k` known and `u` unknown, repeated; returns the calls made and the lines that were written. */
function offer(path: FastPath, pattern: string): { calls: number; written: number } {
  const isKnown = (i: number) => i < BLOCK_LINES && pattern[i % pattern.length] === 'k'
  let calls = 0
  let written = 0
  path.begin(true)
  for (let i = 0; i < BLOCK_LINES; i++) {
    if (!path.isOpen) continue
    calls++
    const from = i
    while (isKnown(i)) i++
    if (i > from) {
      path.hit(i - from)
      written += i - from
      i--
    } else path.miss()
  }
  return { calls, written }
}

describe('FastPath', () => {
  test('is closed before a block, and in a block that no encoder can write', () => {
    const path = new FastPath()
    expect(path.isOpen).toBe(false)
    path.begin(false)
    expect(path.isOpen).toBe(false)
    path.hit(0)
    expect(path.isOpen).toBe(false)
  })

  test('a block of known lines takes one call', () => {
    expect(offer(new FastPath(), 'k')).toEqual({ calls: 1, written: BLOCK_LINES })
  })

  test('a block of unknown lines costs 16 calls, however long it is', () => {
    expect(offer(new FastPath(), 'u')).toEqual({ calls: 16, written: 0 })
  })

  test.each([
    ['every third line', 'kku', 2 / 3],
    ['every second line', 'ku', 1 / 2],
    ['ten lines after ten', 'kkkkkkkkkkuuuuuuuuuu', 1 / 2],
  ])('writes all known lines where %s is unknown', (_, pattern, share) => {
    expect(offer(new FastPath(), pattern).written).toBe(BLOCK_LINES * share)
  })

  test('closes soon when unknown lines outnumber known ones', () => {
    expect(offer(new FastPath(), 'kuu').calls).toBeLessThan(60)
    expect(offer(new FastPath(), 'kuuuuuuuuu').calls).toBeLessThan(25)
  })

  test('after a long run of known lines it still closes after 16 unknown ones', () => {
    const path = new FastPath()
    path.begin(true)
    path.hit(10_000)
    for (let i = 0; i < 15; i++) path.miss()
    expect(path.isOpen).toBe(true)
    path.miss()
    expect(path.isOpen).toBe(false)
  })

  test('the next block starts open again', () => {
    const path = new FastPath()
    offer(path, 'u')
    expect(path.isOpen).toBe(false)
    expect(offer(path, 'kku').written).toBe((BLOCK_LINES * 2) / 3)
  })

  test('counts each record once, with the reason of its fallback', () => {
    const counters = new CounterMap(pathCounters('written', 'small', 'form', 'keys', 'mixed'))
    const path = new FastPath()
    path.begin(true)
    path.hit(100)
    path.miss('keys')
    path.fallback()
    for (let i = 0; i < 40; i++) {
      if (path.isOpen) path.miss()
      path.fallback()
    }
    path.begin(false, 'small')
    path.fallback(7)
    expect(counters.get('fast_path_records')).toBe(0)
    path.report(counters)
    path.report(counters)
    expect(counters.snapshot().counters).toEqual({ fast_path_records: 100, fallback_records: 48 })
    expect(counters.snapshot().counterReasons).toEqual({
      fallback_records: { small: 7, form: 15, keys: 1, mixed: 25 },
    })
  })
})
