import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { shortOrLong } from '../support/long.ts'
import { commandAsOtherUser, testAsOtherUser } from '../support/other-user.ts'
import { freePorts } from '../support/ports.ts'
import { run, shipperCommand, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { HANG_MS, until } from '../support/until.ts'

const JSON_OUT = ['-o', 'stdout', '-p', 'format=json_lines', '-p', 'json_date_key=false']

/** The head of a message with three values: a connection that has sent it is not idle. */
const HALF_MESSAGE = Buffer.from([0x93])
/** Limit of a drain; 4 GiB of zeros take a minute where other tests run at the same time. */
const LIMIT_MS = shortOrLong(HANG_MS, 3_600_000)

async function drained(path: string, more: string[] = []): Promise<Record<string, unknown>[]> {
  const options = [`path=${path}`, 'read_from_head=on', 'exit_on_eof=on'].flatMap((text) => ['-p', text])
  const result = await run(['-i', 'tail', ...options, ...more, ...JSON_OUT], { limitMs: LIMIT_MS })
  expect(result.code).toBe(0)
  return result.stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Record<string, unknown>)
}

/** Bytes of the hole that are read, up to the 4 GiB of it: offsets need more than 32 bits in any case. */
const READ_BYTES = shortOrLong(16_000_000, 4 * 1024 ** 3)

test('lines after 4 GiB of holes are read, with the right offsets', async () => {
  const dir = tmp()
  const path = join(dir, 'sparse.log')
  const at = 4 * 1024 ** 3 + 100
  const fd = openSync(path, 'w')
  ftruncateSync(fd, at)
  writeSync(fd, 'behind\nthe hole\n', at)
  closeSync(fd)
  const db = join(dir, 'pos.db')
  if (READ_BYTES < at) writeRow(db, path, at - READ_BYTES)
  expect(await drained(path, ['-p', 'offset_key=at', '-p', `db=${db}`])).toEqual([
    { at, log: 'behind' },
    { at: at + 7, log: 'the hole' },
  ])
  const rows = new Database(db, { readonly: true }).query('SELECT offset FROM in_tail_files').all()
  expect(rows).toEqual([{ offset: at + 16 }])
})

/** Makes the database of an agent that has read the file up to the offset. */
function writeRow(db: string, path: string, offset: number): void {
  const store = new Database(db)
  store.exec(
    'CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER, rotated INTEGER DEFAULT 0)',
  )
  const { ino } = statSync(path)
  store
    .query('INSERT INTO in_tail_files (name, offset, inode, created) VALUES (?, ?, ?, 1700000000)')
    .run(path, offset, ino)
  store.close()
}

test('a line of 3 MB is cut and marked, and the next lines are read', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, `${'y'.repeat(3_000_000)}\nnext\n`)
  const [long, next] = await drained(path)
  expect(String(long?.log)).toHaveLength(1_000_000)
  expect(long?.truncated).toBe(true)
  expect(next).toEqual({ log: 'next' })
})

test('CRLF, NUL bytes, invalid UTF-8 and a last line without newline are passed on as documented', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, Buffer.from('crlf\r\nnul\0nul\n\xe9t\xe9\nlast', 'latin1'))
  const records = await drained(path)
  expect(records.map((r) => r.log)).toEqual(['crlf', 'nul\0nul', '\ufffdt\ufffd', 'last'])
})

test('ten thousand files are all read, even with a soft limit of 1,024 descriptors', async () => {
  const dir = tmp()
  mkdirSync(join(dir, 'logs'))
  for (let i = 0; i < 10_000; i++) writeFileSync(join(dir, 'logs', `${i}.log`), `${i} line\n`)
  const sink = await Sink.start('lines')
  const agent = [
    ...shipperCommand(),
    '-i',
    'tail',
    '-t',
    'app',
    '-p',
    `path=${join(dir, 'logs')}/*.log`,
    '-p',
    'read_from_head=on',
  ]
  const rest = [
    '-p',
    `db=${join(dir, 'pos.db')}`,
    '-p',
    'exit_on_eof=on',
    '-o',
    'forward',
    '-p',
    `port=${sink.port}`,
    '-f',
    '0.1',
  ]
  const limited = start([], { command: ['sh', '-c', 'ulimit -Sn 1024; exec "$@"', 'sh', ...agent, ...rest] })
  expect((await limited.ended()).code).toBe(0)
  expect(await sink.missing(10_000)).toEqual({ missing: 0, first: [] })
})

test('connections take at most a quarter of the descriptors, so that a new file is read however many there are', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const [port = 0] = await freePorts(1)
  const tail = ['-i', 'tail', '-p', `path=${path}`, '-p', 'read_from_head=on', '-p', 'refresh_interval=0.2']
  const args = [...tail, '-i', 'forward', '-p', `port=${port}`, ...JSON_OUT, '-m', '*', '-f', '0.1']
  const command = ['sh', '-c', 'ulimit -n 120; exec "$@"', 'sh', ...shipperCommand()]
  const agent = start(args, { command })
  await agent.waitForStderr('at most 30 connections, and not Max_Connections (1024)')
  let closed = 0
  const peers = Array.from({ length: 200 }, () => {
    const peer = connect({ port, host: '127.0.0.1' }, () => peer.write(HALF_MESSAGE))
    return peer.on('error', () => {}).on('close', () => closed++)
  })
  await until(() => closed >= 170, { what: () => `${closed} closed, ${agent.stderr}` })
  writeFileSync(path, 'one\n')
  await agent.waitForStdout('one')
  for (const peer of peers) peer.destroy()
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

testAsOtherUser(
  'a file that cannot be read is logged and counted, and is read as soon as it can be',
  async () => {
    const dir = tmp()
    chmodSync(dir, 0o755)
    const path = join(dir, 'a.log')
    writeFileSync(path, 'secret\n', { mode: 0o600 })
    const args = [
      '-i',
      'tail',
      '-p',
      `path=${path}`,
      '-p',
      'read_from_head=on',
      '-p',
      'refresh_interval=0.2',
      ...JSON_OUT,
      '-m',
      '*',
    ]
    const agent = start([], {
      command: [...commandAsOtherUser(), ...args, '-f', '0.1'],
    })
    await agent.waitForStderr('E_TAIL_UNREADABLE')
    const once = [...args.slice(0, 2), '-p', 'exit_on_eof=on', ...args.slice(2)]
    const finite = start([], {
      command: [...commandAsOtherUser(), ...once],
    })
    await finite.waitForStderr('1 path could not be read')
    expect((await finite.ended()).code).toBe(1)
    chmodSync(path, 0o644)
    await agent.waitForStdout('secret')
    expect(agent.stderr.split('E_TAIL_UNREADABLE').length).toBe(2)
  },
)

test('a hundred inputs share a Memory_Limit that is smaller than the sum of their read buffers', async () => {
  const dir = tmp()
  const each = Array.from({ length: 100 }, (_, i) => i)
  const inputs = each.map((i) => {
    writeFileSync(join(dir, `${i}.log`), `first ${i} `.padEnd(99, 'x').concat('\n').repeat(500))
    return `[INPUT]\n    Name tail\n    Path ${dir}/${i}.log\n    Read_From_Head on\n`
  })
  const service = '[SERVICE]\n    Memory_Limit 4M\n    Flush 1\n'
  writeFileSync(join(dir, 'a.conf'), `${service}${inputs.join('')}[OUTPUT]\n    Name stdout\n    Match *\n`)
  const agent = start(['-c', join(dir, 'a.conf')])
  await until(() => agent.stdout.split('"log"=>"first').length === 50_001)
  for (const i of each) appendFileSync(join(dir, `${i}.log`), `then ${i}\n`)
  await until(() => agent.stdout.split('"log"=>"then').length === 101)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

testAsOtherUser(
  'a folder that cannot be read is logged, and its files are read as soon as it can be',
  async () => {
    const dir = tmp()
    chmodSync(dir, 0o755)
    mkdirSync(join(dir, 'private'), { mode: 0o700 })
    writeFileSync(join(dir, 'private/a.log'), 'secret\n', { mode: 0o644 })
    const path = join(dir, 'private/*.log')
    // The first search scans twice; a file that can be read in the second scan counts as there from the start.
    const head = ['-p', 'read_from_head=on', '-p', 'refresh_interval=0.2']
    const args = ['-i', 'tail', '-p', `path=${path}`, ...head, ...JSON_OUT, '-m', '*']
    const agent = start([], {
      command: [...commandAsOtherUser(), ...args, '-f', '0.1'],
    })
    await agent.waitForStderr(`cannot read ${dir}/private: EACCES`)
    chmodSync(join(dir, 'private'), 0o755)
    await agent.waitForStdout('secret')
  },
)

test('a file replaced between two runs is read from its start, shorter or longer', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const db = ['-p', `db=${join(dir, 'pos.db')}`]
  writeFileSync(path, 'one\ntwo\nthree\n')
  await drained(path, db)
  const { ino } = statSync(path)
  writeFileSync(path, 'short\n')
  expect(statSync(path).ino).toBe(ino)
  expect((await drained(path, db)).map((r) => r.log)).toEqual(['short'])
  writeFileSync(path, 'now much longer\nthan before\n')
  expect((await drained(path, db)).map((r) => r.log)).toEqual(['now much longer', 'than before'])
})

test('a folder that appears later is found', async () => {
  const dir = tmp()
  const agent = start([
    '-i',
    'tail',
    '-p',
    `path=${join(dir, 'later/a.log')}`,
    // The folder may appear before or after the first search.
    '-p',
    'read_from_head=on',
    ...JSON_OUT,
    '-m',
    '*',
    '-f',
    '0.1',
  ])
  await agent.waitForStderr('positions are not stored')
  mkdirSync(join(dir, 'later'))
  writeFileSync(join(dir, 'later/a.log'), 'here\n')
  await agent.waitForStdout('here')
})
