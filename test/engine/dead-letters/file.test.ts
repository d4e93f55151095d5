import { afterEach, describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { ShipperError } from '../../../src/core/error.ts'
import { DeadLetterFile } from '../../../src/engine/dead-letters/file.ts'
import { type DeadLetter, encodeRow, pieceRow } from '../../../src/lib/dead-letters/row.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { tmp } from '../../support/tmp.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

const LETTER: DeadLetter = {
  time: '2026-01-02T03:04:05.006Z',
  cause: 'rejected',
  code: 'E_OUTPUT_REJECTED',
  reason: 'no',
  tag: 't',
  input: 'in.0',
  output: 'out.0',
  chunk: 'c',
  record: '',
}

/** Returns a row of exactly this many bytes that contains `name`. */
function row(name: string, bytes = 300): Buffer {
  const empty = encodeRow({ ...LETTER, reason: name }).length
  return encodeRow({ ...LETTER, reason: name, record: 'A'.repeat(bytes - empty) })
}

function failing(call: keyof typeof systemCalls, code: string): void {
  Object.assign(systemCalls, {
    [call]: () => {
      throw Object.assign(new Error(`${code}: injected`), { code })
    },
  })
}

function reasonsIn(path: string): string[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).reason)
}

function refusal(write: () => void): ShipperError {
  try {
    write()
  } catch (error) {
    return error as ShipperError
  }
  throw new Error('it was written')
}

test.each([0, 1, 2, 3, 196_607, 196_608, 196_609, 1_000_000])(
  'the row of a record of %d bytes is the same in pieces',
  (bytes) => {
    const { record: _, ...letter } = LETTER
    const buf = Buffer.alloc(bytes + 10)
    for (let i = 0; i < buf.length; i++) buf[i] = (i * 7919) >> 3
    const row = pieceRow(letter, buf, 5, bytes + 5)
    const pieces = [...row.pieces()]
    const whole = encodeRow({ ...letter, record: buf.toString('base64', 5, bytes + 5) })
    expect(Buffer.concat(pieces).equals(whole)).toBe(true)
    expect(row.length).toBe(Buffer.concat(pieces).length)
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(300_000)
  },
)

describe('a dead-letter file', () => {
  test('has nothing of a row in pieces of which one cannot be written', () => {
    const path = join(tmp(), 'letters')
    const file = new DeadLetterFile(path, 10_000_000)
    const broken = {
      length: 20,
      *pieces() {
        yield Buffer.from('{"replayed":')
        failing('writeSync', 'ENOSPC')
        yield Buffer.from('0,"a":1}')
      },
    }
    expect(refusal(() => file.append(broken)).code).toBe('E_DEAD_LETTERS')
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  test('has complete lines, is readable by its owner only, and is closed after each sync', async () => {
    const path = join(tmp(), 'letters')
    const file = new DeadLetterFile(path, 100_000)
    for (const names of [['a', 'b'], ['c']]) {
      for (const name of names) file.append(row(name))
      await file.sync()
      // Not the number of descriptors: the runtime opens some of its own at any time.
      expect(readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith(path))).toEqual([])
    }
    expect(reasonsIn(path)).toEqual(['a', 'b', 'c'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('is rotated at a tenth of the limit; at the limit nothing is written until a part is removed', async () => {
    const dir = tmp()
    const path = join(dir, 'letters')
    const file = new DeadLetterFile(path, 3000)
    for (let i = 0; i < 10; i++) file.append(row(`r${i}`))
    await file.sync()
    const refused = refusal(() => file.append(row('late')))
    expect(refused).toMatchObject({ code: 'E_DEAD_LETTERS', retryable: true, scope: 'chunk' })
    expect(refused.message).toBe(`${path} has reached its Dead_Letter_Limit of 3000 bytes`)
    // Every row is in a part now, so that a replay can make room while the agent runs.
    expect(readdirSync(dir).filter((name) => statSync(join(dir, name)).size > 0)).toHaveLength(10)
    expect(statSync(path).size).toBe(0)
    const total = readdirSync(dir).reduce((n, name) => n + statSync(join(dir, name)).size, 0)
    expect(total).toBe(3000)
    refusal(() => file.append(row('late')))
    rmSync(`${path}.1`)
    file.append(row('in time'))
    await file.sync()
    expect(reasonsIn(path)).toEqual(['in time'])
    expect(reasonsIn(`${path}.2`)).toEqual(['r1'])
    // A second agent, or the next run, counts the parts too.
    refusal(() => new DeadLetterFile(path, 3000).append(row('late')))
  })

  test.each([
    ['{"repl', 'a row that a kill has cut at its start'],
    [row('x').toString().slice(0, 200), 'a row that a kill has cut in its middle'],
  ])('loses %s: its record was not settled', async (torn) => {
    const path = join(tmp(), 'letters')
    writeFileSync(path, `${row('whole')}${torn}`)
    const file = new DeadLetterFile(path, 100_000)
    file.append(row('next'))
    await file.sync()
    expect(reasonsIn(path)).toEqual(['whole', 'next'])
  })

  test('keeps an incomplete line of another program, and ends it', async () => {
    const path = join(tmp(), 'letters')
    writeFileSync(path, `notes ${'x'.repeat(100_000)}`)
    const file = new DeadLetterFile(path, 10_000_000)
    file.append(row('next'))
    await file.sync()
    const [first, second] = readFileSync(path, 'utf8').split('\n')
    expect(first).toStartWith('notes x')
    expect(JSON.parse(second as string).reason).toBe('next')
  })

  test('is written again when there is space: what a full disk has cut is removed', async () => {
    const path = join(tmp(), 'letters')
    const file = new DeadLetterFile(path, 100_000)
    file.append(row('a'))
    let calls = 0
    Object.assign(systemCalls, {
      writeSync: (fd: number, bytes: Uint8Array, at: number) => {
        if (calls++ === 0) return original.writeSync(fd, bytes, at, 50)
        throw Object.assign(new Error('ENOSPC: injected'), { code: 'ENOSPC' })
      },
    })
    expect(refusal(() => file.append(row('b')))).toMatchObject({ code: 'E_DEAD_LETTERS', retryable: true })
    // The cut row cannot be removed at first.
    failing('ftruncateSync', 'EIO')
    calls = 0
    refusal(() => file.append(row('b')))
    Object.assign(systemCalls, original)
    file.append(row('b'))
    await file.sync()
    expect(reasonsIn(path)).toEqual(['a', 'b'])
  })

  test('reports a failed sync to those whose rows it concerns, and works again after it', async () => {
    const path = join(tmp(), 'letters')
    const file = new DeadLetterFile(path, 100_000)
    Object.assign(systemCalls, {
      fsync: (_fd: number, done: (error: Error) => void) =>
        done(Object.assign(new Error('EIO: injected'), { code: 'EIO' })),
    })
    file.append(row('a'))
    expect(await file.sync().catch((error) => error)).toMatchObject({ code: 'E_DEAD_LETTERS' })
    Object.assign(systemCalls, original)
    file.append(row('a'))
    await file.sync()
    expect(reasonsIn(path)).toEqual(['a', 'a'])
  })

  test('syncs rows that are written during a sync, also across a rotation', async () => {
    const dir = tmp()
    const path = join(dir, 'letters')
    const file = new DeadLetterFile(path, 10_000)
    const synced: string[] = []
    const waiting: (() => void)[] = []
    Object.assign(systemCalls, {
      fsync: (fd: number, done: (error: null) => void) =>
        waiting.push(() => {
          original.fsyncSync(fd)
          done(null)
        }),
    })
    file.append(row('a', 900))
    const first = file.sync().then(() => synced.push('first'))
    file.append(row('b', 900))
    const second = file.sync().then(() => synced.push('second'))
    waiting.shift()?.()
    await first
    expect(synced).toEqual(['first'])
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
    waiting.shift()?.()
    await second
    expect([reasonsIn(`${path}.1`), reasonsIn(path)]).toEqual([['a'], ['b']])
    expect(readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith(dir))).toEqual([])
  })

  test('is created anew when all of its rows are replayed', async () => {
    const path = join(tmp(), 'letters')
    const replayed = row('old').toString().replace('"replayed":0', '"replayed":1')
    writeFileSync(path, replayed)
    const file = new DeadLetterFile(path, 100_000)
    file.append(row('new'))
    await file.sync()
    expect(reasonsIn(path)).toEqual(['new'])
    appendFileSync(path, replayed)
    const next = new DeadLetterFile(path, 100_000)
    next.append(row('newer'))
    await next.sync()
    expect(reasonsIn(path)).toEqual(['new', 'old', 'newer'])
  })

  test('is never a link, a FIFO or a directory, and nothing blocks', () => {
    const dir = tmp()
    writeFileSync(join(dir, 'target'), '')
    symlinkSync(join(dir, 'target'), join(dir, 'link'))
    execFileSync('mkfifo', [join(dir, 'fifo')])
    mkdirSync(join(dir, 'folder'))
    for (const name of ['link', 'fifo', 'folder', 'none/letters']) {
      const path = join(dir, name)
      const error = refusal(() => new DeadLetterFile(path, 100_000).append(row('a')))
      expect(error).toMatchObject({ code: 'E_DEAD_LETTERS', retryable: true })
      expect(error.message).toStartWith(`${path} cannot be opened: `)
    }
    expect(statSync(join(dir, 'target')).size).toBe(0)
  })

  test('returns every errno of every call as an error that is retried, and writes the row after it', async () => {
    const calls = [
      'openSync',
      'fstatSync',
      'readSync',
      'writeSync',
      'readdirSync',
      'renameSync',
      'fsyncSync',
    ] as const
    for (const call of calls)
      for (const code of ['EIO', 'EACCES', 'EROFS', 'EDQUOT', 'EMFILE', 'ESTALE']) {
        const path = join(tmp(), 'letters')
        writeFileSync(path, row('old'))
        const file = new DeadLetterFile(path, 10_000)
        failing(call, code)
        let failed: unknown
        try {
          file.append(row('a', 900))
        } catch (error) {
          failed = error
        }
        Object.assign(systemCalls, original)
        if (failed !== undefined) {
          expect([call, code, failed]).toMatchObject([
            call,
            code,
            { code: 'E_DEAD_LETTERS', retryable: true },
          ])
          file.append(row('a', 900))
        }
        await file.sync()
        const rows = [`${path}.1`, path].flatMap((part) =>
          statSync(part, { throwIfNoEntry: false }) ? reasonsIn(part) : [],
        )
        expect([call, code, rows]).toEqual([call, code, ['old', 'a']])
      }
  })
})

function target(fd: string): string {
  try {
    return execFileSync('readlink', [`/proc/${process.pid}/fd/${fd}`], { encoding: 'utf8' })
  } catch {
    return ''
  }
}
