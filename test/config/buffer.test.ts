import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmp } from '../support/tmp.ts'
import { type Given, load, OUT } from './loading.ts'

const SERVICE = '[SERVICE]\n    storage.path /var/lib/x/chunks\n'
const DISK = '[INPUT]\n    Name clock\n    storage.type filesystem\n'

async function buffer(text: string, given?: Given) {
  const { plan, reported, warnings } = await load(text, given)
  return { buffer: plan?.buffer, reported, warnings }
}

test('an input with storage.type filesystem has a buffer in storage.path, with fluent-bit’s defaults', async () => {
  expect(await buffer(`${SERVICE}${DISK}[INPUT]\n    Name clock\n${OUT}`)).toEqual({
    buffer: {
      folder: '/var/lib/x/chunks',
      inputs: ['clock.0'],
      memoryBytes: 5_000_000,
      maxChunks: 128,
      deletesDamaged: false,
      flushesAtStop: false,
      limits: new Map(),
    },
    reported: [],
    warnings: [],
  })
})

test('the options of the service and of the outputs are in the plan', async () => {
  const text =
    `${SERVICE}    storage.max_chunks_up 9\n    storage.backlog.mem_limit 1M\n    storage.backlog.flush_on_shutdown on\n` +
    `    storage.delete_irrecoverable_chunks on\n    storage.sync Full\n    storage.checksum on\n    storage.metrics on\n` +
    `${DISK}    Alias a\n${OUT}    storage.total_limit_size 2M\n${OUT}    Alias b\n    storage.total_limit_size 1G\n${OUT}    storage.total_limit_size off\n${OUT}    storage.total_limit_size 0\n`
  const { buffer: found, warnings, reported } = await buffer(text)
  expect([warnings, reported]).toEqual([[], []])
  expect(found).toEqual({
    folder: '/var/lib/x/chunks',
    inputs: ['a'],
    memoryBytes: 1_000_000,
    maxChunks: 9,
    deletesDamaged: true,
    flushesAtStop: true,
    limits: new Map([
      ['send.0', 2_000_000],
      ['b', 1_000_000_000],
    ]),
  })
})

test('storage.max_chunks_up 0 is the default, as in fluent-bit', async () => {
  const { buffer: found } = await buffer(`${SERVICE}    storage.max_chunks_up 0\n${DISK}${OUT}`)
  expect(found?.maxChunks).toBe(128)
})

test('without storage.path the folder is beside the first database', async () => {
  const text = `[INPUT]\n    Name remember\n    DB /var/lib/y/pos.db\n${DISK}${OUT}`
  const { buffer: found, reported, warnings } = await buffer(text)
  expect(found).toMatchObject({ folder: '/var/lib/y/buffer', inputs: ['clock.0'] })
  expect([reported, warnings]).toEqual([[], []])
})

test('without storage.path and a database the place of storage.type is reported', async () => {
  const { buffer: found, reported } = await buffer(`[INPUT]\n    Name clock\n${DISK}${OUT}`)
  expect(found).toBeUndefined()
  expect(reported).toEqual([
    'a.conf:5:18: [clock] storage.type filesystem needs a folder: storage.path in [SERVICE] is not set, and no input has a DB to put it next to',
  ])
  const inherited = `[SERVICE]\n    storage.inherit on\n    storage.type filesystem\n[INPUT]\n    Name clock\n${OUT}`
  expect((await buffer(inherited)).reported).toEqual([
    expect.stringContaining('a.conf:3:18: [clock] storage.type'),
  ])
})

test('a missing folder is reported with the other problems, but not when a file with it may be missing', async () => {
  expect((await buffer(`${DISK}    none 1\n${OUT}`)).reported).toHaveLength(2)
  expect((await buffer(`@INCLUDE none.conf\n${DISK}${OUT}`)).reported).toHaveLength(1)
})

test('inputs without a storage.type have the one of the service only with storage.inherit', async () => {
  const inputs = '[INPUT]\n    Name clock\n[INPUT]\n    Name clock\n    storage.type memory\n'
  const on = await buffer(`${SERVICE}    storage.type filesystem\n    storage.inherit on\n${inputs}${OUT}`)
  expect(on).toMatchObject({ buffer: { inputs: ['clock.0'] }, warnings: [], reported: [] })
  const off = await buffer(`${SERVICE}    storage.type filesystem\n${inputs}${OUT}`)
  expect(off.buffer).toBeUndefined()
  expect(off.warnings).toEqual([
    'a.conf:2:18: [service] "storage.path" has no effect: no input has storage.type filesystem',
    'a.conf:3:18: [service] storage.type filesystem has no effect: inputs inherit it only with storage.inherit on, as in fluent-bit',
  ])
  expect((await buffer(`[SERVICE]\n    storage.inherit on\n${inputs}${OUT}`)).warnings).toEqual([
    'a.conf:2:21: [service] storage.inherit has no effect: [SERVICE] has no storage.type',
  ])
})

test.each([
  [
    '[SERVICE]\n    storage.type disk\n',
    '2:18: [service] "storage.type" must be one of memory, filesystem, memrb, not "disk"',
  ],
  [
    '[SERVICE]\n    storage.sync off\n',
    '2:18: [service] "storage.sync" must be one of normal, full, not "off"',
  ],
  [
    '[SERVICE]\n    storage.max_chunks_up -1\n',
    '2:27: [service] "storage.max_chunks_up" must be an integer of at least 0, not "-1"',
  ],
  [
    '[SERVICE]\n    storage.backlog.mem_limit lots\n',
    '2:31: [service] "storage.backlog.mem_limit" must be a size like 32K or 5M, not "lots"',
  ],
])('a bad value is refused: %p', async (service, problem) => {
  expect((await buffer(`${service}[INPUT]\n    Name clock\n${OUT}`)).reported).toEqual([`a.conf:${problem}`])
})

test('a storage.total_limit_size without room for a chunk is refused', async () => {
  const of = async (limit: string) =>
    (await buffer(`${SERVICE}${DISK}${OUT}    storage.total_limit_size ${limit}\n`)).reported
  expect(await of('5')).toEqual([
    'a.conf:9:30: [send] "storage.total_limit_size" must be at least 64K, or off, not "5": 5 bytes have no room for a chunk',
  ])
  expect(await of('63999')).toHaveLength(1)
  for (const limit of ['64K', 'off', '0', '5G']) expect(await of(limit)).toEqual([])
})

test('a bad storage.type of an input is refused with its location', async () => {
  expect((await buffer(`[INPUT]\n    Name clock\n    storage.type filesytem\n${OUT}`)).reported).toEqual([
    'a.conf:3:18: [clock] "storage.type" must be one of memory, filesystem, memrb, not "filesytem" (did you mean filesystem?)',
  ])
})

test('memrb is memory, with a warning', async () => {
  expect(await buffer(`[INPUT]\n    Name clock\n    storage.type memrb\n${OUT}`)).toEqual({
    buffer: undefined,
    reported: [],
    warnings: [
      'a.conf:3:18: [clock] storage.type memrb is the same as memory here: the input pauses at its memory limit, and nothing is dropped',
    ],
  })
})

test('an input that can read again what it has read gets a warning', async () => {
  const { buffer: found, warnings } = await buffer(
    `[INPUT]\n    Name remember\n    DB /var/lib/y/pos.db\n    storage.type filesystem\n${OUT}`,
  )
  expect(found?.inputs).toEqual(['remember.0'])
  expect(warnings).toEqual([
    'a.conf:4:18: [remember] storage.type filesystem copies to disk what remember can read again: see "When not to use it" in docs/guides/buffer.md',
  ])
})

test('options of the buffer have no effect without one, and a warning says so', async () => {
  const service =
    '[SERVICE]\n    storage.max_chunks_up 5\n    storage.metrics off\n    storage.checksum on\n    storage.sync normal\n'
  expect(await buffer(`${service}[INPUT]\n    Name clock\n${OUT}    storage.total_limit_size 1M\n`)).toEqual({
    buffer: undefined,
    reported: [],
    warnings: [
      'a.conf:2:27: [service] "storage.max_chunks_up" has no effect: no input has storage.type filesystem',
      'a.conf:11:30: [send] "storage.total_limit_size" has no effect: no input has storage.type filesystem',
    ],
  })
})

test('a storage.path with segments of an earlier run is emptied when no input is kept in it any more', async () => {
  const folder = tmp()
  writeFileSync(join(folder, '00000000000000000001.seg'), '')
  const { buffer: found, warnings } = await buffer(
    `[SERVICE]\n    storage.path ${folder}\n    storage.max_chunks_up 9\n[INPUT]\n    Name clock\n${OUT}    storage.total_limit_size 1M\n`,
  )
  expect(found).toMatchObject({ folder, inputs: [], limits: new Map([['send.0', 1_000_000]]) })
  // The limit and the options of the service have an effect on what is left.
  expect(warnings).toEqual([
    `a.conf:2:18: [service] no input has storage.type filesystem: what ${folder} still has is sent, and nothing is added`,
  ])
})

test('segments in the default folder are reported when no input is kept there', async () => {
  const folder = join(tmp(), 'buffer')
  mkdirSync(folder)
  const text = `[INPUT]\n    Name remember\n    DB ${join(folder, '..', 'pos.db')}\n${OUT}`
  expect((await buffer(text)).warnings).toEqual([])
  writeFileSync(join(folder, '00000000000000000001.seg'), '')
  const { buffer: found, warnings } = await buffer(text)
  expect(found).toBeUndefined()
  expect(warnings).toEqual([expect.stringContaining(`${folder} has records that an agent has kept on disk`)])
})

test('an empty storage.path is the default, not the working directory', async () => {
  const given = { env: { FOLDER: '' } }
  const text = `[SERVICE]\n    storage.path \${FOLDER}\n[INPUT]\n    Name remember\n    DB /var/lib/y/pos.db\n${DISK}${OUT}`
  expect((await buffer(text, given)).buffer?.folder).toBe('/var/lib/y/buffer')
})

test('-b sets storage.path', async () => {
  const text = `${SERVICE}${DISK}${OUT}`
  const flags: Given['flags'] = (all) => all.service('storage.path', '/srv/b', '-b')
  expect((await buffer(text, { flags })).buffer?.folder).toBe('/srv/b')
})

test('an input that would read the files of the buffer is refused', async () => {
  const of = (folder: string) =>
    buffer(
      `[SERVICE]\n    storage.path ${folder}\n[INPUT]\n    Name remember\n    DB /var/pos\n${DISK}${OUT}`,
    )
  expect((await of('/var/pos.d/')).reported).toEqual([
    'a.conf:3:1: remember.0 would read the files of the buffer in /var/pos.d/',
  ])
  expect((await of('/var/other')).reported).toEqual([])
})
