import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Filter, FilterContext } from '../../../src/core/plugin.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { spec } from '../../../src/plugins/filters/stdout.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../support/engine/chunk-of.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { LaterList } from '../../support/later.ts'
import { start } from '../../support/process.ts'
import { tmp } from '../../support/tmp.ts'

const LINES = Array.from({ length: 5 }, (_, i) => `line ${i}\u001b[2J`)

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `line ${i}`)
}

/** Writes a configuration that reads `lines` from a file, prints them with the filter and discards them. */
function conf(lines: readonly string[], more = ''): { dir: string; path: string } {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), lines.map((line) => `${line}\n`).join(''))
  const path = join(dir, 'agent.conf')
  writeFileSync(
    path,
    `[SERVICE]\n    Flush 0.05\n    Grace 1\n    Log_Format text\n[INPUT]\n    Name tail\n    Tag app\n    Path ${dir}/a.log\n    DB ${dir}/pos.db\n` +
      `    Read_From_Head on\n    Exit_On_Eof on\n${more}[FILTER]\n    Name stdout\n    Match *\n[OUTPUT]\n    Name null\n    Match *\n`,
  )
  return { dir, path }
}

test('prints each record with its number, tag, time and metadata, and escapes what controls a terminal', async () => {
  const run = start(['-c', conf(LINES).path])
  expect(await run.ended()).toEqual({ code: 0, signal: null })
  const lines = run.stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(5)
  lines.forEach((line, i) => {
    expect(line).toMatch(
      new RegExp(String.raw`^\[${i}\] app: \[\d{10}\.\d{9}, \{\}, \{"log"=>"line ${i}\\u001b\[2J"\}\]$`),
    )
  })
})

test('ends with status 141 when the reader of stdout has ended, as the output does', async () => {
  const run = start(['-c', conf(numbered(200_000)).path])
  run.child.stdout?.once('data', () => run.child.stdout?.destroy())
  expect(await run.ended(), run.stderr).toEqual({ code: 141, signal: null })
})

test('every record is printed once and goes on unchanged, also when the reader makes pauses', async () => {
  const { dir, path } = conf(numbered(60_000))
  const file = `Name file\n    Path ${dir}\n    File out\n    Format template\n    Template {log}`
  writeFileSync(path, readFileSync(path, 'utf8').replace('Name null', file))
  const run = start(['-c', path])
  const { stdout } = run.child
  stdout?.on('data', () => {
    stdout.pause()
    setTimeout(() => stdout.resume(), 2)
  })
  expect(await run.ended(), run.stderr).toEqual({ code: 0, signal: null })
  const printed = [...run.stdout.matchAll(/"log"=>"line (\d+)"/g)].map(([, n]) => Number(n))
  expect(printed).toEqual(Array.from({ length: 60_000 }, (_, i) => i))
  expect(readFileSync(join(dir, 'out'), 'utf8').trimEnd().split('\n')).toEqual(numbered(60_000))
})

describe('a pipe that does not block', () => {
  const original = { ...systemCalls }
  afterEach(() => void Object.assign(systemCalls, original))

  /** A filter whose stdout takes `room` more bytes, and then is full, or fails with `code`. */
  class Bench {
    room = 0
    code = 'EAGAIN'
    printed = ''
    closed = 0
    readonly clock = new ManualClock()
    readonly logged = listLog()
    readonly buffers = new LooseBuffers()
    readonly deferral = new LaterList(this.buffers)
    readonly filter: Filter

    constructor() {
      systemCalls.writeSync = ((_fd: number, bytes: Buffer, at: number) => {
        const taken = Math.min(this.room, bytes.length - at)
        if (taken === 0) throw Object.assign(new Error(this.code), { code: this.code })
        this.room -= taken
        this.printed += bytes.toString('latin1', at, at + taken)
        return taken
      }) as typeof original.writeSync
      const { clock } = this
      const ctx = { clock, log: this.logged.log, readerClosed: () => this.closed++ }
      this.filter = spec.create(parseOptions(spec.options, {}), ctx as unknown as FilterContext)
    }

    pass(...records: object[]): void {
      const chunk = chunkOf(records, 'app', this.buffers)
      this.filter.apply(chunk, this.deferral)
      expect(recordsOf(chunk)).toEqual(records as Record<string, unknown>[])
      chunk.release()
    }
  }

  const line = (n: number): string => `[0] app: [1000.500000000, {}, {"n"=>${n}}]\n`

  test('and is full: what it does not take waits in memory of the input, and the chunk with it', () => {
    const b = new Bench()
    b.room = 10
    b.pass({ n: 1 })
    b.room = 1000
    b.pass({ n: 2 })
    expect([b.printed, b.deferral.kept, b.buffers.out.size]).toEqual([
      line(1).slice(0, 10),
      [undefined, undefined],
      2,
    ])
    b.room = line(1).length
    b.clock.advance(5)
    expect([b.printed, b.deferral.kept]).toEqual([line(1) + line(2).slice(0, 10), ['filtered', undefined]])
    b.room = 1000
    b.clock.advance(5)
    b.pass({ n: 3 })
    expect(b.printed).toBe(line(1) + line(2) + line(3))
    expect([b.deferral.kept, b.buffers.out.size, b.clock.waiting]).toEqual([['filtered', 'filtered'], 0, 0])
  })

  test('and is full when the agent stops: what was not printed is read again', async () => {
    const b = new Bench()
    b.pass({ n: 1 })
    await b.filter.close?.()
    expect([b.deferral.kept, b.buffers.out.size, b.clock.waiting]).toEqual([['aborted'], 0, 0])
  })

  test('whose reader ends while it is full: the agent learns of it once, and nothing waits', () => {
    const b = new Bench()
    b.pass({ n: 1 })
    b.code = 'EPIPE'
    b.clock.advance(5)
    b.pass({ n: 2 })
    expect([b.deferral.kept, b.buffers.out.size, b.clock.waiting, b.closed]).toEqual([['filtered'], 0, 0, 1])
    expect(b.logged.lines).toEqual([])
  })

  test('on a full disk: records go on unprinted, which is logged once', () => {
    const b = new Bench()
    b.code = 'ENOSPC'
    b.pass({ n: 1 })
    b.pass({ n: 2 })
    expect([b.deferral.kept, b.closed, b.logged.lines]).toEqual([
      [],
      0,
      ['error prints no more records, which go on unprinted: cannot write to stdout: ENOSPC'],
    ])
  })
})
