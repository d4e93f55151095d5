import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isNameFailure, reasonsOf } from '../../../src/lib/net/connect-failure.ts'
import { start } from '../../support/process.ts'
import { tmp } from '../../support/tmp.ts'

const refused = (address: string) =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED', syscall: 'connect' })

test('names the reason for each address of a name, equal ones once, and says how many it leaves out', () => {
  const errors = ['[::1]:9', '127.0.0.1:9', '127.0.0.1:9'].map(refused)
  expect(reasonsOf(new AggregateError(errors, ''))).toBe(
    'connect ECONNREFUSED [::1]:9, connect ECONNREFUSED 127.0.0.1:9',
  )
  const many = Array.from({ length: 60 }, (_, i) => refused(`10.0.0.${i}:9`))
  expect(reasonsOf(new AggregateError(many, ''))).toEndWith('10.0.0.3:9, and 56 more')
})

test('gives a reason for every error, also for one without a message', () => {
  expect(reasonsOf(Object.assign(new AggregateError([], ''), { code: 'ETIMEDOUT' }))).toBe('ETIMEDOUT')
  expect(reasonsOf(Object.assign(new Error(''), { code: 'EHOSTUNREACH' }))).toBe('EHOSTUNREACH')
  expect(reasonsOf(new Error(''))).toBe('the system gave no reason')
})

test.each(['ENOTFOUND', 'EAI_AGAIN', 'ESERVFAIL', 'ETIMEOUT'])(
  'knows %s of the resolver as a failure of the name, and not of the peer',
  (code) => {
    const error = Object.assign(new Error(`getaddrinfo ${code} x`), { code, syscall: 'getaddrinfo' })
    expect(isNameFailure(error)).toBe(true)
    expect(isNameFailure(new AggregateError([error], ''))).toBe(true)
    expect(isNameFailure(refused('10.0.0.1:9'))).toBe(false)
  },
)

test('an agent at its limit of descriptors says so, instead of blaming the peer', async () => {
  const dir = tmp()
  const preload = join(dir, 'preload.ts')
  writeFileSync(
    preload,
    `const { openSync } = require('node:fs')
setTimeout(() => { try { for (;;) openSync('/dev/null') } catch {} }, 0)`,
  )
  const args = ['-i', 'dummy', '-o', 'forward', '-p', 'port=9', '-f', '0.05']
  const agent = start(args, { env: { BUN_OPTIONS: `--preload ${preload}` } })
  await agent.waitForStderr('this process has no file descriptor left (EMFILE)')
  expect(agent.stderr).not.toContain('ECONNREFUSED')
  expect(agent.stderr).toContain('raise LimitNOFILE')
})
