import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { appendFileSync, chmodSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { xxh3 } from '../../src/lib/hash/xxh3.ts'
import { Sink } from '../support/forward/sink.ts'
import { Mounts, withMounts } from '../support/mounts.ts'
import { commandAsOtherUser, testAsOtherUser } from '../support/other-user.ts'
import { type Running, run, shipperCommand, start } from '../support/process.ts'
import { allArrive, keepsDelivering, linesWith, ship } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LOG = /"log"=>"[^"]*"/g
const LINES = 'one\ntwo\nthree\n'

/** Returns the arguments for a tail input on `a.log` with stored offsets. */
function follows(dir: string): string[] {
  return ['-i', 'tail', '-p', `path=${join(dir, 'a.log')}`, '-p', `db=${join(dir, 'pos.db')}`]
}

/** Runs an agent that prints the lines of the file up to its end. */
async function drain(dir: string, more: string[] = []) {
  const result = await run([
    ...follows(dir),
    '-p',
    'exit_on_eof=on',
    ...more,
    '-o',
    'stdout',
    '-p',
    'format=json_lines',
    '-p',
    'json_date_key=false',
  ])
  const lines = result.stdout.split('\n').filter((l) => l !== '')
  return { ...result, lines: lines.map((l) => (JSON.parse(l) as { log: string }).log) }
}

function fluentBitDatabase(dir: string, withMarkers: boolean, offset: number): void {
  const db = new Database(join(dir, 'pos.db'))
  const markers = withMarkers ? ', offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0' : ''
  db.exec(
    `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER, rotated INTEGER DEFAULT 0${markers});`,
  )
  const path = join(dir, 'a.log')
  const inode = statSync(path).ino
  const before = Buffer.from(LINES).subarray(Math.max(0, offset - 32), offset)
  const marker = BigInt.asIntN(64, xxh3(before))
  if (withMarkers) {
    db.query(
      'INSERT INTO in_tail_files (name, offset, inode, created, offset_marker, offset_marker_size) VALUES (?, ?, ?, 1700000000, ?, ?)',
    ).run(path, offset, inode, marker, before.length)
  } else {
    db.query('INSERT INTO in_tail_files (name, offset, inode, created) VALUES (?, ?, ?, 1700000000)').run(
      path,
      offset,
      inode,
    )
  }
  db.close()
}

for (const withMarkers of [false, true]) {
  test(`a database of fluent-bit ${withMarkers ? 'with' : 'without'} offset markers is resumed where it stopped, and fluent-bit can use it again`, async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), LINES)
    fluentBitDatabase(dir, withMarkers, 4)
    const first = await drain(dir)
    expect(first.lines).toEqual(['two', 'three'])
    const db = new Database(join(dir, 'pos.db'), { readonly: true, safeIntegers: true })
    const rows = db.query('SELECT * FROM in_tail_files').all()
    db.close()
    expect(rows).toEqual([
      {
        id: 1n,
        name: join(dir, 'a.log'),
        offset: BigInt(LINES.length),
        inode: BigInt(statSync(join(dir, 'a.log')).ino),
        created: 1700000000n,
        rotated: 0n,
        offset_marker: BigInt.asIntN(64, xxh3(Buffer.from(LINES))),
        offset_marker_size: BigInt(LINES.length),
      },
    ])
  })
}

test('a second agent on the same database refuses to start and says why', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), LINES)
  const args = [...follows(dir), '-o', 'null', '-m', '*']
  const first = start(args)
  await until(() => existsSync(join(dir, 'pos.db')) && statSync(join(dir, 'pos.db')).size > 0, {})
  const second = await run(args)
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('E_STORE_LOCKED')
  expect(second.stderr).toContain(String(first.pid))
})

test('a database that another process has locked fails the start with a clear error, and nothing is lost', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), LINES)
  await drain(dir, ['-p', 'read_from_head=on'])
  const other = new Database(join(dir, 'pos.db'))
  other.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
  const locked = await drain(dir)
  expect(locked.code).toBe(1)
  expect(locked.stderr).toContain('E_STORE_BUSY')
  other.exec('ROLLBACK')
  other.close()
  expect((await drain(dir)).code).toBe(0)
})

/** Locks the database from another process, since SQLite ignores locks of the same process. */
async function holdDatabase(dir: string): Promise<Running> {
  const script = join(import.meta.dirname, '../support/store/peer-process.ts')
  const args = [script, 'hold', join(dir, 'pos.db'), 'bun:sqlite']
  const other = start(args, { command: [process.execPath], stdin: 'open' })
  await other.waitForStdout('held')
  return other
}

test('lines keep arriving while another program has locked the database; this is logged once, and offsets are stored afterwards', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const sink = await Sink.start('lines')
  writeLines(path, 0, 1000)
  const agent = ship({ dir, ports: [sink.port] })
  await allArrive(sink, agent, 1000)
  const other = await holdDatabase(dir)
  let lines = await keepsDelivering(sink, agent, path, 1000)
  expect(linesWith(agent, 'E_STORE_BUSY')).toMatchObject([
    { level: 'warn', plugin: 'tail.0', hint: expect.stringContaining('close the program') },
  ])
  await other.stop()
  await agent.waitForStderr('positions are being written again')
  agent.kill('SIGKILL')
  await agent.exited
  writeLines(path, lines, lines + 1000)
  lines += 1000
  await allArrive(sink, ship({ dir, ports: [sink.port] }), lines)
  expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
  expect((await sink.summary()).duplicates).toBe(0)
})

test('a start waits while another program has locked the database, then resumes where the agent stopped', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), LINES)
  await drain(dir, ['-p', 'read_from_head=on'])
  appendFileSync(join(dir, 'a.log'), 'four\n')
  const other = await holdDatabase(dir)
  const args = ['-i', 'tail', '-p', `path=${dir}/a.log`, '-p', `db=${dir}/pos.db`, '-p', 'exit_on_eof=on']
  const agent = start([...args, '-o', 'stdout', '-m', '*'])
  await agent.waitForStderr('waiting')
  await other.stop()
  expect(await agent.ended()).toEqual({ code: 0, signal: null })
  expect(agent.stdout.match(LOG)).toEqual(['"log"=>"four"'])
})

withMounts(
  'a database on a read-only file system ends the start with a clear error, and resumes where it stopped when the database is writable',
  async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), LINES)
    await drain(dir, ['-p', 'read_from_head=on'])
    appendFileSync(join(dir, 'a.log'), 'four\n')
    const mounts = await Mounts.make(`mount --bind ${dir} ${dir}\nmount -o remount,bind,ro ${dir}`)
    const command = mounts.command(shipperCommand())
    const args = [
      '-i',
      'tail',
      '-p',
      `path=${dir}/a.log`,
      '-p',
      `db=${dir}/pos.db`,
      '-o',
      'stdout',
      '-m',
      '*',
    ]
    const refused = await run(args, { command })
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('E_STORE_READONLY')
    expect(refused.stderr).toContain('EROFS')
    expect((await drain(dir)).lines).toEqual(['four'])
  },
)

test('a corrupt database is set aside and logged, and the file is read from its start even with Read_From_Head off', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), LINES)
  expect((await drain(dir, ['-p', 'read_from_head=on'])).lines).toHaveLength(3)
  const bytes = Buffer.alloc(statSync(join(dir, 'pos.db')).size, 0xa5)
  writeFileSync(join(dir, 'pos.db'), bytes)
  const after = await drain(dir)
  expect(after.code).toBe(0)
  expect(after.lines).toEqual(['one', 'two', 'three'])
  expect(after.stderr).toContain('corrupt')
  expect(readdirSync(dir).some((name) => name.startsWith('pos.db.corrupt-'))).toBe(true)
  expect((await drain(dir)).lines).toEqual([])
})

testAsOtherUser('a database in a read-only folder fails the start with a clear error', async () => {
  const dir = tmp()
  chmodSync(dir, 0o755)
  writeFileSync(join(dir, 'a.log'), LINES)
  const args = [...follows(dir), '-o', 'null', '-m', '*']
  const command = commandAsOtherUser()
  const result = await run(args, { command })
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(/E_STORE_(READONLY|UNREADABLE)/)
  expect(result.stderr).toContain(dir)
})

test('two inputs that follow the same file with one database each resume where they stopped', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), LINES)
  const head = ['-p', 'read_from_head=on']
  const inputs = [...follows(dir), ...head, '-t', 'behind', ...follows(dir), ...head, '-t', 'ahead']
  const toUnreachable = ['-o', 'forward://127.0.0.1:1', '-m', 'behind']
  const toNull = ['-o', 'null', '-m', 'ahead', '-f', '0.1']
  const first = start([...inputs, ...toUnreachable, ...toNull])
  const offsets = (): unknown[] => rowsOf(dir).map(({ offset }) => offset)
  await until(() => offsets().includes(LINES.length))
  await first.stop()
  expect(offsets()).toEqual([0, LINES.length])
  const second = start([...inputs, '-o', 'stdout', '-m', 'behind', ...toNull])
  await second.waitForStdout('three')
  await until(() => offsets().join() === `${LINES.length},${LINES.length}`)
  await second.stop()
  expect([...second.stdout.matchAll(LOG)].join()).toBe('"log"=>"one","log"=>"two","log"=>"three"')
})

function rowsOf(dir: string): { offset: number }[] {
  try {
    const db = new Database(join(dir, 'pos.db'), { readonly: true })
    const rows = db.query('SELECT offset FROM in_tail_files ORDER BY offset').all() as { offset: number }[]
    db.close()
    return rows
  } catch {
    // It does not exist yet.
    return []
  }
}
