import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folderOf, shipper } from '../support/cli.ts'
import { openLog, stateAt, textChunk } from '../support/segments/logs.ts'
import { tmp } from '../support/tmp.ts'

const CONFIG =
  '[SERVICE]\n    storage.path chunks\n[INPUT]\n    Name forward\n    Port 0\n    storage.type filesystem\n[OUTPUT]\n    Name null\n    Match *\n'

test('lists what waits for each output and in which file, beside a running agent', async () => {
  const folder = tmp()
  const { log } = openLog(folder, { outputs: ['forward.0', 'ka\x1bfka'] })
  const first = log.append(textChunk('one', { count: 1200 }), ['forward.0', 'ka\x1bfka'])
  log.append(textChunk('three', { count: 34 }), ['ka\x1bfka'])
  await log.sync()
  log.commit(new Map([['forward.0', stateAt(first.next)]]))
  const { code, stdout, stderr } = await shipper(['buffer', folder, '--check'])
  expect([code, stderr]).toEqual([0, ''])
  const time = new Date(first.storedMs).toISOString()
  expect(stdout).toMatch(new RegExp(`^buffer ${folder}: 1 file, \\d+ B\n`))
  expect(stdout).toContain(
    `OUTPUT     RECORDS  SIZE  CHUNKS  OLDEST\nka\\x1bfka  1,234    8 B   2       ${time}\n`,
  )
  expect(stdout).toMatch(
    /\nFILE +SIZE +WAITING RECORDS\n0{19}1\.seg +\d+ B +ka\\x1bfka 1,234\n\nall checksums are correct\n$/,
  )
  await log.close()
})

test('says that nothing waits, and takes the folder of a configuration', async () => {
  const cwd = folderOf({ 'a.conf': CONFIG })
  const { log } = openLog(join(cwd, 'chunks'))
  await log.close()
  const { code, stdout } = await shipper(['buffer', '-c', 'a.conf'], { cwd })
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'buffer chunks: 0 files, 0 B\n\nnothing waits\n' })
})

test('ends with 1 and names the place when records are damaged', async () => {
  const folder = tmp()
  const { log } = openLog(folder)
  const { at, next } = log.append(textChunk('needle', { count: 7 }), ['a'])
  await log.close()
  const path = join(folder, '00000000000000000001.seg')
  writeFileSync(
    path,
    readFileSync(path)
      .toString('latin1')
      .replace(/needle(?!.*needle)/s, 'noodle'),
    'latin1',
  )
  expect((await shipper(['buffer', folder])).code).toBe(0)
  const { code, stdout } = await shipper(['buffer', folder, '--check'])
  expect(code).toBe(1)
  expect(stdout).toEndWith(
    `\ndamaged\n  00000000000000000001.seg  7 records, byte ${at.offset} to ${next.offset}: the records of a chunk are damaged\n`,
  )
})

test.each([
  [['buffer'], 'usage: shipper buffer FOLDER'],
  [['buffer', 'a', 'b'], 'usage: shipper buffer FOLDER'],
  [['buffer', 'a', '--json'], '/api/v1/storage'],
])('says how it is used: %p', async (args, text) => {
  const { code, stderr } = await shipper(args)
  expect(code).toBe(2)
  expect(stderr).toContain(text)
})

test('says that a configuration has no buffer, and that a folder is not there', async () => {
  const cwd = folderOf({ 'a.conf': '[INPUT]\n    Name mem\n[OUTPUT]\n    Name null\n    Match *\n' })
  const none = await shipper(['buffer', '-c', 'a.conf'], { cwd })
  expect([none.code, none.stderr]).toEqual([
    2,
    expect.stringContaining('this configuration has no buffer on disk'),
  ])
  const gone = await shipper(['buffer', 'nowhere'], { cwd })
  expect([gone.code, gone.stderr]).toEqual([
    1,
    expect.stringContaining(
      'there is no buffer on disk in nowhere: no such file or directory; pass the storage.path',
    ),
  ])
  const file = await shipper(['buffer', 'a.conf'], { cwd })
  expect([file.code, file.stderr]).toEqual([1, expect.stringContaining('a.conf: it is not a directory')])
})

test('says what waits for an output that the configuration does not have', async () => {
  const cwd = folderOf({ 'a.conf': CONFIG })
  expect((await shipper(['buffer', '-c', 'a.conf'], { cwd })).stdout).toBe(
    'there is no buffer in chunks yet, nothing waits\n',
  )
  const { log } = openLog(join(cwd, 'chunks'), { outputs: ['null.0', 'old'] })
  log.append(textChunk('three', { count: 3 }), ['null.0', 'old'])
  await log.close()
  const text =
    'has 3 records (5 B) for the output old, which is not in the configuration; they stay there: to send them, add an output with Alias old'
  const { code, stdout } = await shipper(['buffer', '-c', 'a.conf'], { cwd })
  expect([code, stdout]).toEqual([0, expect.stringContaining(text)])
  expect(stdout).not.toContain('for the output null.0')
  const dry = await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect([dry.code, dry.stderr]).toEqual([0, expect.stringContaining(text)])
  expect(dry.stderr).not.toContain('for the output null.0')
})

test('-D warns of chunks of fluent-bit, which are not read', async () => {
  const cwd = folderOf({ 'a.conf': CONFIG })
  mkdirSync(join(cwd, 'chunks', 'forward.0'), { recursive: true })
  writeFileSync(join(cwd, 'chunks', 'forward.0', '1-2.flb'), '')
  const { code, stderr } = await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect(code).toBe(0)
  expect(stderr).toContain('chunks has 1 chunk of fluent-bit (forward.0), which is not read')
})
