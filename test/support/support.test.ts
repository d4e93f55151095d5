import { expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CollectingOutput } from './engine/assembled.ts'
import { chunkOf } from './engine/chunk-of.ts'
import { Records } from './engine/records.ts'
import { run, start } from './process.ts'
import { atEnd, tmp } from './tmp.ts'
import { until, within } from './until.ts'

test('until returns the value that ended the wait', async () => {
  let n = 0
  expect(await until(() => (++n === 3 ? 'three' : undefined), { everyMs: 1 })).toBe('three')
})

test('the error of until names the condition', async () => {
  const wait = until(() => false, { limitMs: 10, what: 'the moon' })
  await expect(wait).rejects.toThrow('waited 10 ms in vain for: the moon')
})

test('within returns a value that is ready before the limit, and fails at the limit', async () => {
  await expect(within(new Promise(() => {}), 5, 'never')).rejects.toThrow('never')
  expect(await within(Promise.resolve(1), 1000, 'now')).toBe(1)
})

let left = ''
test('tmp creates a writable folder', () => {
  left = tmp()
  writeFileSync(join(left, 'a'), 'a')
  expect(existsSync(join(left, 'a'))).toBe(true)
})
test('the folder of tmp is removed after its test', () => {
  expect(existsSync(left)).toBe(false)
})

const sh = { command: ['/bin/sh', '-c'] }
test('run collects both streams and the exit status', async () => {
  const done = await run(['cat; echo oops >&2; exit 3'], { ...sh, stdin: 'in\n' })
  expect(done).toEqual({ code: 3, signal: null, stdout: 'in\n', stderr: 'oops\n' })
})

test('a process that ends without the expected text fails the wait at once', async () => {
  const running = start(['echo other >&2'], sh)
  await expect(running.waitForStderr('ready', 60_000)).rejects.toThrow('other')
})

let pid = 0
test('start does not wait for the end of the process', async () => {
  const running = start(['echo ready; exec sleep 60'], sh)
  pid = running.pid
  await running.waitForStdout('ready')
  expect(running.exit).toBeUndefined()
})
test('a process that still runs at the end of its test is killed', () => {
  expect(() => process.kill(pid, 0)).toThrow('ESRCH')
})

const order: string[] = []
test('a test cleans up in the reverse order', () => {
  atEnd(() => void order.push('first'))
  atEnd(async () => void order.push('second'))
})
test('its clean-up has finished before the next test begins', () => {
  expect(order).toEqual(['second', 'first'])
})

const shared = tmp()
test('a folder created at the top of a file exists for all its tests', () => {
  expect(existsSync(shared)).toBe(true)
})

test('outputs that are opened take what waits before a flush of the same turn', async () => {
  const chunks = [1, 2, 3].map((n) => chunkOf([{ n }], 't'))
  const records = new Records()
  const texts = new CollectingOutput()
  records.blocked = texts.blocked = true
  const waiting = chunks.slice(0, 2).flatMap((chunk) => [records.flush(chunk), texts.flush(chunk)])
  records.open()
  texts.release()
  const last = chunks.slice(2).flatMap((chunk) => [records.flush(chunk), texts.flush(chunk)])
  await Promise.all([...waiting, ...last])
  expect(records.records.map(({ record }) => record)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  expect(texts.texts).toEqual(chunks.map((chunk) => chunk.entries().toString('latin1')))
})
