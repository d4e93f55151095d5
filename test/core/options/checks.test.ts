import { expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { checkHost, checkRetryLimit, invalidIfThrows } from '../../../src/core/options/checks.ts'
import { parseValue } from '../../../src/core/options/parse.ts'

test('a check returns the requirement and why the value does not meet it', () => {
  expect(checkRetryLimit('no_limits')).toBeUndefined()
  expect(checkRetryLimit('0')).toEqual({
    must: 'a number from 1, no_limits or no_retries',
    instead: 'retries are unlimited',
  })
})

test('an empty host is refused, a name or address is not', () => {
  for (const host of ['localhost', '10.0.0.5', '::1']) expect(checkHost(host)).toBeUndefined()
  for (const host of ['', ' ']) expect(checkHost(host)).toMatchObject({ must: 'a host name or address' })
})

test('a host with a port is refused, an IPv6 address is not', () => {
  for (const host of ['::1', 'fd00::1:24224', '[::1]', '::ffff:10.0.0.1'])
    expect(checkHost(host)).toBeUndefined()
  for (const host of ['10.0.0.5:24224', 'hub:1', '[::1]:24224'])
    expect(checkHost(host)).toMatchObject({
      reason: 'it holds a port',
      hint: expect.stringContaining('set Port'),
    })
})

test('a character that no host name has is named', () => {
  expect(checkHost('a<b')?.reason).toBe('"<" is not allowed in a host name')
  expect(checkHost('a b')?.reason).toBe('a blank is not allowed in a host name')
  expect(checkHost('a # b')?.reason).toBe('a blank is not allowed in a host name')
})

test('invalidIfThrows passes on message and hint of the error', () => {
  const refuse = (): never => {
    throw new ShipperError('E_PARSER_REGEX', 'too odd', { hint: 'be plain' })
  }
  expect(invalidIfThrows('plain', refuse)).toEqual({ must: 'plain', reason: 'too odd', hint: 'be plain' })
  expect(invalidIfThrows('plain', () => 1)).toBeUndefined()
})

test('a checked option accepts what its type and its check accept', () => {
  const option = {
    type: 'int',
    help: '',
    check: (n: number) => (n % 2 === 0 ? undefined : { must: 'even' }),
  } as const
  expect(parseValue('n', option, '4')).toEqual({ value: 4 })
  expect(parseValue('n', option, '5')).toEqual({ problem: '"n" must be even, not "5"', hint: '' })
  expect(parseValue('n', option, 'x')).toEqual({ problem: '"n" must be an integer, not "x"', hint: '' })
})

test('neither a checked secret nor the reason, which may quote it, is shown', () => {
  const option = {
    type: 'string',
    help: '',
    secret: true,
    check: () => ({ must: 'a key', why: 'hunter2 is none' }),
  } as const
  expect(parseValue('key', option, 'hunter2')).toEqual({
    problem: '"key" must be a key, not ******',
    hint: '',
  })
})
