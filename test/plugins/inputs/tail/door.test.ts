import { afterEach, expect, test } from 'bun:test'
import { appendFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { Glob } from 'bun'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

const TAIL = join(import.meta.dir, '../../../../src/plugins/inputs/tail')

test('the input reaches the file system through lib/fs only', async () => {
  const past: string[] = []
  for (const name of new Glob('**/*.ts').scanSync(TAIL)) {
    const text = await Bun.file(join(TAIL, name)).text()
    for (const line of text.split('\n'))
      if (
        /from '(node:)?fs(\/promises)?'|\bBun\.(file|write)\b/.test(line) &&
        !line.startsWith('import type')
      )
        past.push(`${name}: ${line}`)
  }
  expect(past).toEqual([])
})

/** The calls that the input makes, except `watch`, which is not made again for a watched directory. */
const CALLS = [
  'statSync',
  'lstatSync',
  'fstatSync',
  'openSync',
  'closeSync',
  'readSync',
  'readdirSync',
  'readdir',
  'readlinkSync',
  'realpathSync',
  'statfsSync',
] as const

for (const call of CALLS) {
  test(`no errno of ${call} ends the input or loses a line, while files come, grow and are rotated`, async () => {
    const dir = tmp()
    mkdirSync(join(dir, 'a/logs'), { recursive: true })
    symlinkSync('a', join(dir, 'b'))
    writeFileSync(join(dir, 'a/logs/x.log'), 'first\n')
    symlinkSync('x.log', join(dir, 'a/logs/link.log'))
    const path = `${dir}/*/logs/*.log,${dir}/a/none.log`
    const quick = { refresh_interval: '10ms', progress_check_interval: '10ms', rotate_wait: '10ms' }
    const run = follow({ path, read_from_head: 'on', ...quick })
    await until(() => run.lines().length === 1)
    const errnos = Object.keys(constants.errno)
    const failed = { count: 0 }
    Object.assign(systemCalls, {
      [call]: (...args: never[]) => {
        // Half of the calls work, so that the input gets far enough for the next one to fail elsewhere. Their order
        // has no period: else one place in the input would be the one that always fails.
        if ((failed.count++ * 0x9e3779b1) >>> 0 < 2 ** 31)
          return (original[call] as (...args: never[]) => unknown)(...args)
        const code = errnos[failed.count % errnos.length]
        const error = Object.assign(new Error(`${code}: injected, ${call}`), { code })
        if (call === 'readdir') return Promise.reject(error)
        throw error
      },
    })
    const expected = new Set(['first'])
    for (let i = 0; i < 10; i++) {
      appendFileSync(join(dir, 'a/logs/x.log'), `x ${i}\n`)
      expected.add(`x ${i}`)
      if (i % 3 === 0) renameSync(join(dir, 'a/logs/x.log'), join(dir, `a/logs/x.log.${i}`))
      writeFileSync(join(dir, `a/logs/new-${i}.log`), `new ${i}\n`)
      expected.add(`new ${i}`)
      await until(() => run.lines().includes(`x ${i}`) && run.lines().includes(`new ${i}`), {
        what: () => `line ${i} while ${call} fails`,
      })
    }
    Object.assign(systemCalls, original)
    expect(new Set(run.lines())).toEqual(expected)
    expect(run.count('lost_bytes')).toBe(0)
    await run.stop()
  })
}
