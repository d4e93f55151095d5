import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow, MemoryStore, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const GENERATIONS = 5
const STREAMS = ['stdout', 'stderr']
const TIME = '2026-11-21T06:00:00.123456789Z'

function cri(stream: string, tag: string, text: string): string {
  return `${TIME} ${stream} ${tag} ${text}\n`
}

/** Returns the lines of a file, the first of which end the records that the file before has begun. */
function generation(n: number): string {
  const ends = n > 0 ? STREAMS.map((s) => cri(s, 'F', `and ${n}`)) : []
  const begins = n < GENERATIONS - 1 ? STREAMS.map((s) => cri(s, 'P', `between ${n} `)) : []
  return [...ends, ...STREAMS.map((s) => cri(s, 'F', `in ${n}`)), ...begins].join('')
}

function expectedRecords(): string[] {
  const texts: string[] = []
  for (let n = 0; n < GENERATIONS; n++) {
    texts.push(`in ${n}`)
    if (n > 0) texts.push(`between ${n - 1} and ${n}`)
  }
  return texts.flatMap((text) => STREAMS.map((s) => `${s} ${text}`)).sort()
}

function recordsOf(...runs: TailRun[]): string[] {
  return runs.flatMap(({ received }) => received.map(({ record }) => `${record.stream} ${record.log}`)).sort()
}

/** Returns how many files the agent has seen being rotated, or deleted after that. */
function countOf(run: TailRun, step: Step): number {
  if (step === 'deleted') return run.files.filter(({ state }) => state === 'deleted').length
  return run.logs.filter(({ message }) => message.endsWith('was rotated')).length
}

type Step = 'rotated' | 'deleted'

interface Log {
  /** Path that is followed. */
  path: string
  /**
   * Rotates the file that has generation n - 1, as the kubelet does, and writes generation n. `seen` waits until the
   * agent has seen a step.
   */
  rotate: (n: number, seen: (step: Step) => Promise<void>) => Promise<void>
}

function makeLog(isLinked: boolean, isCompressed: boolean, compressesAtOnce: boolean): Log {
  const dir = join(tmp(), 'logs')
  mkdirSync(join(dir, 'pod'), { recursive: true })
  const live = join(dir, 'pod', '0.log')
  const path = isLinked ? join(dir, 'web.log') : live
  writeFileSync(live, generation(0))
  if (isLinked) symlinkSync(live, path)
  const nameOf = (n: number): string => `${live}.20261121-00000${n}`
  const compress = (name: string): void => {
    // The .gz is younger than the file that is at the path now.
    Bun.sleepSync(2 * TICK_MS)
    writeFileSync(`${name}.tmp`, gzipSync(readFileSync(name)))
    renameSync(`${name}.tmp`, `${name}.gz`)
    rmSync(name)
  }
  const rotate: Log['rotate'] = async (n, seen) => {
    renameSync(live, nameOf(n))
    writeFileSync(live, '')
    await seen('rotated')
    const compressed = compressesAtOnce ? n : n - 1
    if (isCompressed && compressed > 0) {
      compress(nameOf(compressed))
      await seen('deleted')
    }
    appendFileSync(live, generation(n))
  }
  return { path, rotate }
}

/** A filter that leaves lines in their files until it is made ready. */
function gate() {
  let open = (): void => {}
  let waiting: Promise<void> | undefined = new Promise((resolve) => {
    open = resolve
  })
  return {
    filter: { apply: () => {}, ready: () => waiting },
    open: () => {
      waiting = undefined
      open()
    },
  }
}

describe('records that begin in one file and end in the next one are complete when the agent is behind', () => {
  for (const [how, isCompressed, compressesAtOnce] of [
    ['renamed', false, false],
    ['compressed at the next rotation', true, false],
    ['compressed at once', true, true],
  ] as const) {
    for (const isLinked of [false, true]) {
      for (const mode of ['live', 'burst', 'stopped', 'killed'] as const) {
        test(`of files that are ${how}${isLinked ? ', behind a link' : ''}, ${mode}`, async () => {
          const { path, rotate } = makeLog(isLinked, isCompressed, compressesAtOnce)
          const store = new MemoryStore()
          const options = { path, 'multiline.parser': 'cri' }
          const { filter, open } = gate()
          const counts = { rotated: 0, deleted: 0 }
          const sees = async (by: TailRun, step: Step): Promise<void> => {
            counts[step]++
            await until(() => countOf(by, step) === counts[step])
          }
          let run = follow(options, { store, filters: [filter] })
          await until(() => run.files.length === 1)
          for (let n = 1; n < GENERATIONS; n++) {
            if (n === 3 && mode === 'stopped') await run.stop()
            if (n === 3 && mode === 'killed') await run.abort()
            const isRunning = mode === 'live' || (mode !== 'burst' && n < 3)
            await rotate(n, (step) => (isRunning ? sees(run, step) : Promise.resolve()))
          }
          // The files are open, and read to their end under the name that they had.
          if (mode === 'live') expect(run.files.filter(({ path: one }) => one.endsWith('.gz'))).toEqual([])
          if (mode === 'stopped' || mode === 'killed') run = follow(options, { store, filters: [filter] })
          open()
          const expected = expectedRecords()
          await until(() => run.received.length >= expected.length, { what: () => recordsOf(run).join('\n') })
          await until(() => run.files.length > 0 && run.files.every(({ read, size }) => read >= size))
          expect(recordsOf(run)).toEqual(expected)
        })
      }
    }
  }
})

describe('a record is not sent before lines that are there and could not be read for longer than its time', () => {
  const FLUSH_MS = 1000
  const options = { docker_mode: 'on', docker_mode_flush: String(FLUSH_MS / 1000) }
  const line = (log: string): string => `${JSON.stringify({ log, stream: 'stdout', time: TIME })}\n`
  const timePasses = async (): Promise<void> => {
    const sinceMs = Date.now()
    await until(() => Date.now() - sinceMs > 1.2 * FLUSH_MS)
  }

  test('in its file, which waits for a filter', async () => {
    const path = join(tmp(), 'a.log')
    const { filter, open } = gate()
    let turns = 0
    const ready = (): Promise<void> | undefined => (++turns === 1 ? undefined : filter.ready())
    const other = line(`${'x'.repeat(500)}\n`).replace('stdout', 'stderr')
    writeFileSync(path, line('begun ') + other.repeat(100) + line('and ended\n'))
    const run = follow({ path, ...options, static_batch_size: '10k' }, { filters: [{ ...filter, ready }] })
    await run.waitForLines(1)
    await timePasses()
    open()
    expect(await run.waitForLines(101)).toContain('begun and ended\n')
  })

  test('in the next file, which waits for a filter', async () => {
    const path = join(tmp(), 'a.log')
    const { filter, open } = gate()
    let isFirst = true
    const ready = (): Promise<void> | undefined => (isFirst ? undefined : filter.ready())
    writeFileSync(path, line('begun '))
    const run = follow({ path, ...options }, { filters: [{ ...filter, ready }] })
    await until(() => run.files[0]?.read === line('begun ').length)
    isFirst = false
    renameSync(path, `${path}.1`)
    writeFileSync(path, line('and ended\n'))
    await until(() => run.files.length === 2)
    await timePasses()
    open()
    expect(await run.waitForLines(1)).toEqual(['begun and ended\n'])
  })
})
