import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { accessSync, chmodSync, constants, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../src/core/error.ts'
import type { OffsetStore } from '../../src/core/offset-store.ts'
import { Bench, names, row, rows } from '../contract/offset-store/bench.ts'
import { peerOrSkip } from '../support/skip.ts'
import { atEnd, tmp } from '../support/tmp.ts'

const ROOT = process.getuid?.() === 0
const NOBODY = 65534

function benchIn(dir: string): Bench {
  const bench = new Bench(dir, 'bun:sqlite')
  atEnd(() => bench.end())
  return bench
}

/** Root may write anything, so the agent of these tests is another user. */
function readable(): boolean {
  const inRoot = import.meta.dirname
  return !ROOT || spawnSync('ls', [inRoot], { uid: NOBODY }).status === 0
}
const testAsUser = peerOrSkip('another user', readable(), 'the work tree is not readable for others')

async function asUser(bench: Bench): Promise<Record<string, unknown>> {
  const { answer } = await bench.peer('agent', ROOT ? { uid: NOBODY } : {})
  return answer
}

describe('a database of another user', () => {
  async function createDatabase(): Promise<Bench> {
    const bench = benchIn(tmp())
    chmodSync(bench.dir, 0o777)
    const store = await bench.open()
    store.write({ upsert: rows(3), remove: [] })
    store.close()
    for (const name of readdirSync(bench.dir)) chmodSync(join(bench.dir, name), 0o666)
    return bench
  }

  testAsUser('is opened when everyone may write it', async () => {
    expect(await asUser(await createDatabase())).toEqual({ rows: 3, damaged: false })
  })

  testAsUser('is refused when the file is read-only', async () => {
    const bench = await createDatabase()
    chmodSync(bench.path, 0o444)
    expect(await asUser(bench)).toMatchObject({
      code: 'E_STORE_READONLY',
      message: expect.stringContaining(bench.path),
      hint: expect.stringContaining('writable'),
    })
  })

  testAsUser('is refused when its folder is read-only', async () => {
    const bench = await createDatabase()
    chmodSync(bench.dir, 0o555)
    const answer = await asUser(bench)
    expect(answer).toMatchObject({ code: 'E_STORE_READONLY' })
    expect(answer.message).toContain(`EACCES, write to the directory ${bench.dir}`)
    // Without the lock file it is the lock that cannot be created.
    chmodSync(bench.dir, 0o777)
    rmSync(`${bench.path}.lock`)
    chmodSync(bench.dir, 0o555)
    expect(await asUser(bench)).toMatchObject({
      code: answer.code,
      message: expect.stringContaining('EACCES'),
    })
  })

  testAsUser('is refused when its folder cannot be created', async () => {
    const bench = await createDatabase()
    chmodSync(bench.dir, 0o555)
    const { answer } = await bench.peer('agent', {
      path: join(bench.dir, 'state/pos.db'),
      ...(ROOT ? { uid: NOBODY } : {}),
    })
    expect(answer).toMatchObject({ code: 'E_STORE_READONLY' })
    expect(answer.message).toContain('cannot create the directory')
  })

  testAsUser('is refused when it may not be read', async () => {
    const bench = await createDatabase()
    chmodSync(bench.path, 0o000)
    expect(await asUser(bench)).toMatchObject({ code: 'E_STORE_UNREADABLE' })
  })

  test('is refused when its directory is a file', async () => {
    const bench = benchIn(tmp())
    writeFileSync(join(bench.dir, 'state'), '')
    const error = await failure(bench.open({}, join(bench.dir, 'state/pos.db')))
    expect(error.code).toBe('E_STORE_UNREADABLE')
  })
})

/** Mounts a file system of this size; undefined where mounting is not possible. */
function mount(size: string): string | undefined {
  if (!ROOT) return undefined
  const dir = tmp()
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir])
  if (status !== 0) return undefined
  atEnd(() => {
    spawnSync('umount', ['-l', dir])
  })
  return dir
}

function canMount(): boolean {
  const probe = `mount -t tmpfs tmpfs "$1" && umount -l "$1"`
  return ROOT && spawnSync('sh', ['-c', probe, 'sh', tmp()]).status === 0
}
const testOnMount = peerOrSkip('a mount', canMount(), 'only root may mount')

function mounted(size: string): Bench {
  const dir = mount(size)
  if (dir === undefined) throw new Error('no mount')
  return benchIn(dir)
}

function fill(dir: string): void {
  const all = spawnSync('sh', ['-c', 'cat /dev/zero > "$1/fill"', 'sh', dir])
  expect(all.status).not.toBe(0)
}

async function failure(promise: Promise<unknown>): Promise<ShipperError> {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  )
  expect(error).toBeInstanceOf(ShipperError)
  return error
}

/** Writes until the disk is full, which the last call reports by throwing. */
function writeUntilFull(store: OffsetStore): ShipperError {
  for (let n = 100; n < 20_000; n += 100) {
    try {
      store.write({ upsert: rows(100, n), remove: [] })
    } catch (error) {
      return error as ShipperError
    }
  }
  throw new Error('the disk was never full')
}

describe('a full disk', () => {
  testOnMount('rolls back a write that fails, and a later one succeeds', async () => {
    const bench = mounted('1m')
    const store = await bench.open()
    store.write({ upsert: [row(1)], remove: [] })
    const error = writeUntilFull(store)
    expect(error).toMatchObject({ code: 'E_STORE_FULL', retryable: true })
    expect(error.message).toContain(bench.path)
    const before = names(store)
    const next = row(3)
    // The log is full: it has space for the next page only after a checkpoint.
    spawnSync('mount', ['-o', 'remount,size=4m', bench.dir])
    store.write({ upsert: [next], remove: [] })
    expect(names(store)).toEqual([...before, next.name])
    expect(before.length % 100).toBe(1)
    store.close()
    expect((await bench.open()).rows()).toHaveLength(before.length + 1)
  })

  testOnMount('does not prevent a start with the stored positions', async () => {
    const bench = mounted('512k')
    const store = await bench.open()
    store.write({ upsert: rows(20), remove: [] })
    store.close()
    rmSync(`${bench.path}.lock`)
    fill(bench.dir)
    const again = await bench.open()
    expect(again.rows()).toHaveLength(20)
    expect(again.damaged).toBe(false)
    expect(bench.logged.join()).toContain('is full: opened the database exclusively')
    expect((await failure(bench.open({}, join(bench.dir, 'new.db')))).code).toBe('E_STORE_FULL')
    rmSync(join(bench.dir, 'fill'))
    again.write({ upsert: [row(30)], remove: [] })
    again.close()
    expect((await bench.open()).rows()).toHaveLength(21)
  })

  testOnMount('keeps a damaged database unchanged until there is space to rebuild it', async () => {
    const bench = mounted('512k')
    const store = await bench.open()
    store.write({ upsert: rows(20), remove: [] })
    store.close()
    writeFileSync(`${bench.path}-wal`, 'garbage')
    fill(bench.dir)
    expect((await failure(bench.open())).code).toBe('E_STORE_FULL')
    expect(readdirSync(bench.dir).filter((name) => name.includes('corrupt'))).toEqual([])
    rmSync(join(bench.dir, 'fill'))
    const again = await bench.open()
    expect([again.damaged, again.rows().length]).toEqual([true, 20])
  })
})

testOnMount('a read-only file system is named as the reason', async () => {
  const bench = mounted('1m')
  const store = await bench.open()
  store.write({ upsert: [row(1)], remove: [] })
  store.close()
  spawnSync('mount', ['-o', 'remount,ro', bench.dir])
  const error = await failure(bench.open())
  expect(error.code).toBe('E_STORE_READONLY')
  expect(error.message).toContain('EROFS')
  expect(() => accessSync(bench.dir, constants.W_OK)).toThrow('EROFS')
  const fresh = await failure(bench.open({}, join(bench.dir, 'new/pos.db')))
  expect(fresh).toMatchObject({ code: 'E_STORE_READONLY' })
})

test('an error names the file and the reason given by SQLite', async () => {
  const bench = benchIn(tmp())
  const store = await bench.open()
  const wrong = row(1, { name: null as unknown as string })
  const error = await failure((async () => store.write({ upsert: [wrong], remove: [] }))())
  expect(error.message).toStartWith(`cannot use the database ${bench.path}: NOT NULL constraint failed`)
})
