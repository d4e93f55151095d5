import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spec } from '../../../src/plugins/inputs/head.ts'
import { InputRun, recordsWithin } from '../../support/engine/input-run.ts'
import { tmp } from '../../support/tmp.ts'

const MISSING = /cannot collect a record.*gone.*no such file/i

describe('head', () => {
  function file(text: string | Buffer): string {
    const path = join(tmp(), 'h.txt')
    writeFileSync(path, text)
    return path
  }

  async function read(text: string | Buffer, options: Record<string, string> = {}): Promise<unknown> {
    const [first] = await recordsWithin(spec, { file: file(text), ...options })
    return first?.record
  }

  test('a record has the first 256 bytes, or Buf_Size of them', async () => {
    expect(await read('a'.repeat(300))).toEqual({ head: 'a'.repeat(256) })
    expect(await read('one\ntwo\n')).toEqual({ head: 'one\ntwo\n' })
    expect(await read('one\ntwo\n', { buf_size: '5' })).toEqual({ head: 'one\nt' })
    expect(await read('')).toEqual({ head: '' })
  })

  test('Lines reads whole lines, however long they are', async () => {
    const long = 'x'.repeat(6000)
    expect(await read(`${long}\ntwo\nthree\n`, { lines: '2' })).toEqual({ head: `${long}\ntwo\n` })
    expect(await read('one\ntwo', { lines: '5' })).toEqual({ head: 'one\ntwo' })
  })

  test('Lines stops at 1 MB of a file without newlines', async () => {
    const record = (await read(Buffer.alloc(2_000_000, 'x'), { lines: '3' })) as { head: string }
    expect(record.head).toHaveLength(1_000_000)
  })

  test('Split_Line gives each line a field, ten of them without Lines; Add_Path comes first', async () => {
    expect(await read('one\ntwo\n', { split_line: 'on', lines: '3' })).toEqual({
      line0: 'one',
      line1: 'two',
      line2: '',
    })
    const path = file('a\nb')
    const [first] = await recordsWithin(spec, { file: path, split_line: 'on', add_path: 'on' })
    expect(Object.entries(first?.record ?? {}).slice(0, 3)).toEqual([
      ['path', path],
      ['line0', 'a'],
      ['line1', 'b'],
    ])
    expect(Object.keys(first?.record ?? {})).toHaveLength(11)
  })

  test('Key names the field, and Add_Path adds the path after it', async () => {
    const path = file('v')
    const [first] = await recordsWithin(spec, { file: path, key: 'k', add_path: 'on' })
    expect(Object.entries(first?.record ?? {})).toEqual([
      ['k', 'v'],
      ['path', path],
    ])
  })

  test('a file that is missing gives a warning and no record, and a record when it is there', async () => {
    const path = join(tmp(), 'gone')
    const run = new InputRun(spec, { file: path })
    await run.pass(1000, 100)
    expect(run.takeRecords()).toEqual([])
    expect(run.log.filter((text) => MISSING.test(text))).toHaveLength(1)
    writeFileSync(path, 'there')
    await run.pass(1000, 100)
    expect(run.takeRecords().map(({ record }) => record)).toEqual([{ head: 'there' }])
    await run.stop()
  })

  test('a FIFO without a writer does not block the agent', async () => {
    const path = join(tmp(), 'fifo')
    spawnSync('mkfifo', [path])
    expect((await recordsWithin(spec, { file: path })).map(({ record }) => record)).toEqual([{ head: '' }])
  })

  test('files of /proc, whose size is 0, are read', async () => {
    const [first] = await recordsWithin(spec, { file: '/proc/loadavg', lines: '1' })
    expect(String(first?.record.head)).toMatch(/^\d+\.\d+ .*\n$/)
  })
})
