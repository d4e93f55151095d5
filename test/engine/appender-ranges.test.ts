import { describe, expect, test } from 'bun:test'
import type { Contributor, Outcome } from '../../src/core/plugin.ts'
import { bench, type Sealed, write } from '../support/engine/appender-bench.ts'

/** A contributor that has read up to `end`; its range begins where the last one was closed. */
function ranges(name: string): Contributor & { end: number; outcomes: [string, Outcome][] } {
  let start = 0
  return {
    end: 0,
    outcomes: [],
    closeRange() {
      if (start === this.end) return undefined
      const identity = `${name}:${start}-${this.end}`
      start = this.end
      return { identity, settle: (outcome) => this.outcomes.push([identity, outcome]) }
    },
  }
}

describe('ranges', () => {
  test('of all contributors are settled once, with the chunk, and determine its id', () => {
    const { appender, sealed } = bench()
    const [a, b, idle] = [ranges('a'), ranges('b'), ranges('c')]
    write(appender, 'xy')
    a.end = 10
    b.end = 7
    for (const contributor of [a, b, idle]) appender.addContributor(contributor)
    appender.seal()
    expect([a.outcomes, b.outcomes]).toEqual([[], []])
    const { chunk, ack } = sealed[0] as Sealed
    ack('delivered')
    expect([a.outcomes, b.outcomes, idle.outcomes]).toEqual([
      [['a:0-10', 'delivered']],
      [['b:0-7', 'delivered']],
      [],
    ])
    a.end = 20
    write(appender, 'z')
    appender.addContributor(a)
    appender.seal()
    sealed[1]?.ack('aborted')
    expect(a.outcomes[1]).toEqual(['a:10-20', 'aborted'])
    expect(b.outcomes.length).toBe(1)
    expect(sealed[1]?.chunk.id).not.toBe(chunk.id)
  })

  test('of a contributor that was not added again are not in the next chunk', () => {
    const { appender, sealed } = bench()
    const [a, b] = [ranges('a'), ranges('b')]
    for (const contributor of [a, b]) {
      a.end += 5
      b.end += 5
      write(appender, 'x')
      appender.addContributor(contributor)
      appender.seal()
    }
    for (const { ack } of sealed) ack('delivered')
    expect([a.outcomes, b.outcomes]).toEqual([[['a:0-5', 'delivered']], [['b:0-10', 'delivered']]])
  })

  test('give the same id for the same origin and another one for any other', () => {
    const idOf = (tag: string, name: string, end: number): string => {
      const { appender, sealed } = bench({ tag })
      const file = ranges(name)
      file.end = end
      write(appender, 'x')
      appender.addContributor(file)
      appender.seal()
      return sealed[0]?.chunk.id ?? ''
    }
    expect(idOf('t', 'a', 5)).toBe(idOf('t', 'a', 5))
    expect(new Set([idOf('t', 'a', 5), idOf('u', 'a', 5), idOf('t', 'b', 5), idOf('t', 'a', 6)]).size).toBe(4)
  })
})

describe('ranges without records', () => {
  test('are settled as filtered when Flush has passed, and their bytes reported', () => {
    const { appender, clock, sealed, skipped: passed, account } = bench()
    const file = ranges('a')
    appender.reserve(10)
    appender.commit(0, 30)
    file.end = 30
    appender.addContributor(file)
    clock.advance(1000)
    expect(file.outcomes).toEqual([['a:0-30', 'filtered']])
    expect([sealed.length, passed, account.used]).toEqual([0, [30], 0])
    write(appender, 'x', 5)
    appender.seal()
    expect(sealed[0]?.chunk.inputBytes).toBe(5)
  })

  test('are settled with the next chunk, which counts their bytes', () => {
    const { appender, sealed, skipped: passed } = bench()
    const file = ranges('a')
    appender.commit(0, 30)
    file.end = 30
    appender.addContributor(file)
    write(appender, 'x', 5)
    file.end = 35
    appender.seal()
    sealed[0]?.ack('dropped')
    expect(file.outcomes).toEqual([['a:0-35', 'dropped']])
    expect([sealed[0]?.chunk.inputBytes, passed]).toEqual([35, []])
  })
})

test('abandon sends nothing, aborts the ranges and releases buffer and timer', () => {
  const { appender, sealed, account, clock, skipped: passed } = bench()
  const file = ranges('a')
  write(appender, 'x')
  file.end = 1
  appender.addContributor(file)
  appender.abandon()
  expect(file.outcomes).toEqual([['a:0-1', 'aborted']])
  expect([sealed.length, account.used, clock.waiting, appender.pendingBytes, appender.idle]).toEqual([
    0,
    0,
    0,
    0,
    true,
  ])
  appender.seal()
  expect([sealed.length, passed.length]).toEqual([0, 0])
})
