import { expect, test } from 'bun:test'
import {
  ERROR_CODES,
  exitStatusOf,
  formatLocation,
  messageOf,
  ShipperError,
  systemCode,
} from '../../src/core/error.ts'

const CODE = /^E_[A-Z_]+$/
const SUMMARY = /^[a-z].*[^.]$/

test('by default an error is not retryable, affects its chunk only and has the hint of its code', () => {
  const error = new ShipperError('E_OUTPUT_WRITE', 'cannot write /x: ENOSPC')
  expect(error).toBeInstanceOf(Error)
  expect([error.name, error.code, error.message]).toEqual([
    'ShipperError',
    'E_OUTPUT_WRITE',
    'cannot write /x: ENOSPC',
  ])
  expect([error.retryable, error.scope, error.hint]).toEqual([
    false,
    'chunk',
    ERROR_CODES.E_OUTPUT_WRITE.remedy,
  ])
  expect([error.location, error.details, 'cause' in error]).toEqual([undefined, {}, false])
})

test('options override the defaults of the code', () => {
  const cause = new Error('inner')
  const location = { file: 'a.conf', line: 3 }
  const error = new ShipperError('E_PEER_CLOSED', 'gone', {
    hint: 'look there',
    retryable: true,
    scope: 'peer',
    location,
    details: { port: 1 },
    cause,
  })
  expect([error.hint, error.retryable, error.scope]).toEqual(['look there', true, 'peer'])
  expect([error.location, error.details, error.cause]).toEqual([location, { port: 1 }, cause])
})

test('a location is file:line:col, as far as it is known', () => {
  expect(formatLocation({ file: 'a.conf', line: 3, col: 5 })).toBe('a.conf:3:5')
  expect(formatLocation({ file: 'a.conf', line: 3 })).toBe('a.conf:3')
  expect(formatLocation({ file: 'command line' })).toBe('command line')
  expect(formatLocation({ file: 'command line', argument: '-p port' })).toBe('command line, -p port')
  expect(formatLocation(undefined)).toBe('')
})

test('any thrown value has a message, and a system error its code', () => {
  expect([messageOf(new TypeError('no')), messageOf('text'), messageOf(undefined), messageOf(null)]).toEqual([
    'no',
    'text',
    'undefined',
    'null',
  ])
  expect(systemCode(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT')
  expect([systemCode(new Error('x')), systemCode({ code: 5 }), systemCode(null), systemCode('EIO')]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('the exit status comes from the code and is that of a defect for other errors', () => {
  expect(exitStatusOf(new ShipperError('E_CLI_USAGE', 'x'))).toBe(2)
  expect(exitStatusOf(new ShipperError('E_STORE_LOCKED', 'x'))).toBe(1)
  expect(exitStatusOf(new Error('x'))).toBe(70)
})

test('every code has a lower-case summary and a remedy', () => {
  for (const [code, { exit, summary, remedy }] of Object.entries(ERROR_CODES)) {
    expect(code).toMatch(CODE)
    expect(exit).toBeGreaterThan(0)
    expect(summary).toMatch(SUMMARY)
    expect(remedy.length).toBeGreaterThan(3)
  }
})
