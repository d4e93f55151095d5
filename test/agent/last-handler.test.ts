import { expect, test } from 'bun:test'
import { LastHandler, stackOf } from '../../src/agent/last-handler.ts'
import { noteUserCode } from '../../src/lib/plugin/user-code.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'
import { atEnd } from '../support/tmp.ts'

/** Installs a last handler whose process does not end, and returns what it does. */
function installed(write: (text: string) => void = () => {}) {
  const clock = new ManualClock()
  const done: string[] = []
  const quiet = () => {}
  const codes: unknown[] = []
  const error = (text: string, fields?: Record<string, unknown>): void => {
    done.push(text.split(';')[0] ?? '')
    codes.push(fields?.code)
    write(text)
  }
  const handler = new LastHandler({
    log: { error, warn: quiet, info: quiet, debug: quiet },
    clock,
    stop: () => done.push('stop'),
    limitMs: 9000,
    closeLog: () => done.push('close'),
    exit: (status) => done.push(`exit ${status}`),
  })
  const remove = handler.install()
  atEnd(remove)
  return { clock, codes, done, handler, remove }
}

const fail = (message: string) => process.emit('uncaughtException', new Error(message))

test('the first error stops, the second one exits with 70', () => {
  const { done, handler, remove, clock } = installed()
  expect(handler.hasCaught).toBe(false)
  fail('a')
  expect(done).toEqual(['unexpected error, stopping: a', 'stop'])
  expect(handler.hasCaught).toBe(true)
  fail('b')
  expect(done.slice(2)).toEqual([
    'unexpected error during the stop, exiting immediately: b',
    'close',
    'exit 70',
  ])
  remove()
  expect(clock.waiting).toBe(0)
})

test('a stop that does not end in time exits with 70', () => {
  const { done, clock } = installed()
  fail('a')
  clock.advance(8999)
  expect(done).toHaveLength(2)
  clock.advance(1)
  expect(done.slice(2)).toEqual([
    'the stop after an unexpected error takes too long, exiting immediately',
    'close',
    'exit 70',
  ])
})

test('a log that fails hides neither the error nor the stop, and starts no loop', () => {
  const { done } = installed(() => {
    throw new Error('the log is broken')
  })
  fail('a')
  expect(done).toEqual(['unexpected error, stopping: a', 'stop'])
})

test('an error of a script says so with its place, and further ones do not hurry the stop', () => {
  noteUserCode('/etc/agent-test/orders.js')
  const { done, codes } = installed()
  const thrown = (message: string, file: string) =>
    process.emit(
      'uncaughtException',
      Object.assign(new Error(message), {
        stack: `Error: ${message}\n    at cb (${file}:2:73)\n    at x (/$bunfs/root/a.js:1:2)`,
      }),
    )
  thrown('a', '/etc/agent-test/orders.js')
  thrown('b', '/etc/agent-test/lib/imported.js')
  expect(done).toEqual(['error of a script at /etc/agent-test/orders.js:2:73, stopping: a', 'stop'])
  expect(codes).toEqual(['E_SCRIPT'])
  thrown('c', '/elsewhere/other.js')
  expect(done.slice(2)).toEqual([
    'unexpected error during the stop, exiting immediately: c',
    'close',
    'exit 70',
  ])
  expect(codes).toEqual(['E_SCRIPT', 'E_INTERNAL'])
})

test('a script that ends the process is logged, and the status is 70; an end on purpose is not', () => {
  noteUserCode('/etc/agent-test/orders.js')
  const one = installed()
  process.emit('exit', 0)
  expect(one.done).toEqual(['the process is ended without a stop of the agent', 'close', 'exit 70'])
  expect(one.codes).toEqual(['E_SCRIPT'])
  one.remove()
  const other = installed()
  other.handler.leave()
  process.emit('exit', 1)
  expect(other.done).toEqual([])
})

test('a stack names the causes, and ends in a circle of them', () => {
  const error = new Error('outer', { cause: new Error('inner') })
  expect(stackOf(error)).toMatch(/^Error: outer\n {4}at [\s\S]+\ncaused by Error: inner\n {4}at /)
  const circle = new Error('round')
  circle.cause = circle
  expect(stackOf(circle)?.split('caused by')).toHaveLength(4)
  expect(stackOf('text')).toBeUndefined()
})
