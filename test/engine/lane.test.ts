import { expect, test } from 'bun:test'
import { Lane, type Route } from '../../src/engine/lane.ts'
import { makeChunk, receiptOf } from '../support/engine/chunks.ts'

function route(name: string): Route {
  const chunk = makeChunk(name)
  const passage = { bytes: 0, onWay: 0, enteredMs: 0 }
  return {
    chunk,
    receipt: receiptOf(chunk).receipt,
    passage,
    attempts: 0,
    chunkFailures: 0,
    failed: false,
    isOverdue: false,
    givenUp: undefined,
    isGivingUp: false,
  }
}

const names = (routes: Route[]): string => routes.map((r) => r.chunk.id).join('')

function launched(lane: Lane, n: number): Route[] {
  return Array.from({ length: n }, () => lane.startNext() as Route)
}

test('routes are started in order', () => {
  const lane = new Lane('t', 'in.0')
  for (const name of 'abcd') lane.push(route(name))
  expect(names(launched(lane, 3))).toBe('abc')
  expect([names(lane.inFlight), lane.waitingCount, lane.empty]).toEqual(['abc', 1, false])
  lane.startNext()
  expect([lane.startNext(), lane.ready]).toEqual([undefined, false])
  for (const r of [...lane.inFlight]) lane.complete(r)
  expect(lane.empty).toBe(true)
})

test('failed routes are requeued at the front, in order, and may fail again', () => {
  const lane = new Lane('t', 'in.0')
  for (const name of 'abcdef') lane.push(route(name))
  const [a, b, c, d] = launched(lane, 4) as [Route, Route, Route, Route]
  d.failed = b.failed = true
  lane.complete(a)
  lane.complete(c)
  expect(lane.requeueFailed()).toBe(2)
  expect([lane.inFlight.length, lane.waitingCount, b.failed]).toEqual([0, 4, false])
  expect(names(launched(lane, 4))).toBe('bdef')
})

test('a blocked lane is not ready although routes wait', () => {
  const lane = new Lane('t', 'in.0')
  lane.push(route('a'))
  expect(lane.ready).toBe(true)
  lane.blocked = true
  expect(lane.ready).toBe(false)
})

test('completed routes are removed', () => {
  const lane = new Lane('t', 'in.0')
  for (let i = 0; i < 5000; i++) {
    lane.push(route(`${i}`))
    const next = lane.startNext() as Route
    expect(next.chunk.id).toBe(`${i}`)
    lane.complete(next)
  }
  expect(lane.waiting.length).toBeLessThan(100)
})

test('drain returns the routes without a pending flush, including failed ones', () => {
  const lane = new Lane('t', 'in.0')
  for (const name of 'abcde') lane.push(route(name))
  const [a] = launched(lane, 3) as [Route]
  a.failed = true
  expect(names(lane.drain())).toBe('ade')
  expect([names(lane.inFlight), lane.waitingCount]).toEqual(['bc', 0])
})

test('a sample of the routes that wait has, of those that are wanted, the first, the last, and others at steps that double', () => {
  const lane = new Lane('t', 'in.0')
  const all = 'abcdefghijklmnopqrstuvwxyz'
  for (const name of all) lane.push(route(name))
  launched(lane, 3)
  const sample = (count: number, isWanted = (_: string): boolean => true) =>
    names(lane.sample(count, ({ id }) => isWanted(id)))
  expect(sample(4)).toBe('dwyz')
  expect(sample(6)).toBe('dkswyz')
  expect(sample(20)).toBe('dkswyz')
  expect(sample(23)).toBe(all.slice(3))
  expect(sample(4, (id) => !'dexy'.includes(id))).toBe('fuwz')
  expect(sample(4, () => false)).toBe('')
  launched(lane, 21)
  expect([sample(1), sample(5)]).toEqual(['y', 'yz'])
  launched(lane, 2)
  expect(sample(5)).toBe('')
})
