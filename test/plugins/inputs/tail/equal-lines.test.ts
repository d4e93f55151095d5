import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { fc } from '../../../support/property.ts'
import { MemoryStore, readAll, resume, TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** How a log is rotated, and what is written to it. */
interface Scheme {
  /** True when all lines are equal, else those at the same place of each file are. */
  isOneLine: boolean
  names: 'ascending' | 'descending' | 'date' | 'before the extension'
  compress: 'never' | 'at once' | 'at the next rotation'
  /** False for a program that compresses without setting the time of the .gz. */
  keepsTime: boolean
  /** True for copytruncate. */
  isCopied: boolean
  /** True when Path matches the rotated files too. */
  isAllOfPath: boolean
}

type Step =
  | { do: 'write'; lines: number }
  | { do: 'rotate' }
  /** Lets the clock of the file system go on. */
  | { do: 'tick' }
  /** Starts the agent if it is not running, and waits until all lines were read. */
  | { do: 'look' }
  | { do: 'stop' }
  | { do: 'abort' }

const LINE = 'the same line each time\n'

/** A log whose files have the same lines, and an agent that comes and goes. */
class EqualLog {
  written = 0
  isAborted = false
  readonly #dir = join(tmp(), 'logs')
  readonly #path: string
  readonly #store = new MemoryStore()
  readonly #runs: TailRun[] = []
  readonly #scheme: Scheme
  #truncations = 0
  #run: TailRun | undefined
  #rotations = 0

  constructor(scheme: Scheme) {
    this.#scheme = scheme
    this.#path = join(this.#dir, 'e.log')
    mkdirSync(this.#dir)
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'write') this.write(step.lines)
    else if (step.do === 'rotate') this.#rotate()
    else if (step.do === 'tick') Bun.sleepSync(2 * TICK_MS)
    else if (step.do === 'look') await this.look()
    else await this.leave(step.do)
  }

  write(lines: number): void {
    const first = existsSync(this.#path) ? readFileSync(this.#path, 'latin1').split('\n').length : 1
    const line = (n: number): string => (this.#scheme.isOneLine ? LINE : `line ${n} of each file\n`)
    appendFileSync(this.#path, Array.from({ length: lines }, (_, i) => line(first + i)).join(''))
    this.written += lines
  }

  async look(): Promise<void> {
    const { isAllOfPath } = this.#scheme
    this.#run ??= this.#start(isAllOfPath ? join(this.#dir, 'e*log*') : this.#path)
    const run = this.#run
    const end = `end ${this.#runs.length} ${this.written++}`
    appendFileSync(this.#path, `${end}\n`)
    await until(() => run.lines().includes(end))
    const isDone = ({ state, read, acked }: TailRun['files'][number]): boolean =>
      (state === 'idle' || state === 'deleted') && acked === read
    await until(() => run.files.every(isDone), { what: () => JSON.stringify(run.files) })
  }

  async leave(how: 'stop' | 'abort'): Promise<void> {
    await this.#run?.[how]()
    this.isAborted ||= how === 'abort' && this.#run !== undefined
    this.#run = undefined
  }

  /** Number of different lines that arrived, and of all. */
  get arrived(): { different: number; all: number } {
    const received = this.#runs.flatMap((run) => run.received)
    return { different: new Set(received.map(({ id }) => id)).size, all: received.length }
  }

  get told(): string {
    return this.#runs
      .map((run) =>
        run.logs
          .filter(({ level }) => level !== 'debug')
          .map(({ message, fields }) => `${message} ${fields.offset ?? ''}`)
          .join('\n'),
      )
      .join('\n--\n')
  }

  #start(path: string): TailRun {
    const tail = {
      path,
      read_from_head: 'on',
      rotate_wait: '30ms',
      refresh_interval: '20ms',
      progress_check_interval: '20ms',
    }
    const run = new TailRun({ tail, store: this.#store, ids: true }).start()
    this.#runs.push(run)
    return run
  }

  #rotate(): void {
    if (!existsSync(this.#path)) return
    const { names, compress } = this.#scheme
    const n = ++this.#rotations
    if (names === 'descending') this.#shift()
    const name = this.#nameOf(names === 'descending' ? 1 : n)
    // Within one clock tick, the order of compressed files and of copies is not known.
    if (compress !== 'never' || this.#scheme.isCopied) Bun.sleepSync(2 * TICK_MS)
    if (this.#scheme.isCopied) {
      copyFileSync(this.#path, name)
      truncateSync(this.#path)
      this.written++
      appendFileSync(this.#path, `start ${++this.#truncations} ${'.'.repeat(64)}\n`)
    } else renameSync(this.#path, name)
    if (compress === 'at once') this.#compress(name)
    if (compress === 'at the next rotation') {
      const before = this.#nameOf(names === 'descending' ? 2 : n - 1)
      if (existsSync(before)) this.#compress(before)
    }
  }

  #shift(): void {
    for (let n = this.#rotations; n > 0; n--)
      for (const suffix of ['', '.gz'])
        if (existsSync(this.#nameOf(n) + suffix))
          renameSync(this.#nameOf(n) + suffix, this.#nameOf(n + 1) + suffix)
  }

  #nameOf(n: number): string {
    if (this.#scheme.names === 'date') return `${this.#path}-202611${10 + n}`
    if (this.#scheme.names === 'before the extension') return join(this.#dir, `e-2026-11-${10 + n}.log`)
    return `${this.#path}.${n}`
  }

  #compress(path: string): void {
    const { mtime } = statSync(path)
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
    if (this.#scheme.keepsTime) utimesSync(`${path}.gz`, mtime, mtime)
    rmSync(path)
  }
}

const schemes = fc.record<Scheme>({
  names: fc.constantFrom('ascending', 'descending', 'date', 'before the extension'),
  compress: fc.constantFrom('never', 'never', 'at once', 'at the next rotation'),
  keepsTime: fc.boolean(),
  isAllOfPath: fc.boolean(),
  isOneLine: fc.boolean(),
  isCopied: fc.constant(false),
})
const steps = fc.array<Step>(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(1, 3, 5, 5, 40, 60).map<Step>((lines) => ({ do: 'write', lines })),
    },
    { weight: 4, arbitrary: fc.constant<Step>({ do: 'rotate' }) },
    { weight: 2, arbitrary: fc.constant<Step>({ do: 'tick' }) },
    { weight: 2, arbitrary: fc.constant<Step>({ do: 'look' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'stop' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'abort' }) },
  ),
  { minLength: 4, maxLength: 14 },
)

async function followed(scheme: Scheme, taken: readonly Step[]): Promise<EqualLog> {
  const log = new EqualLog(scheme)
  try {
    log.write(10)
    await log.look()
    for (const step of taken) await log.take(step)
    await log.look()
  } finally {
    await log.leave('abort')
  }
  return log
}

test.each([
  ['by renaming', false],
  ['by copytruncate', true],
] as const)(
  'however a log whose files have the same lines is rotated %s while the agent comes and goes, no line is lost',
  async (_, isCopied) => {
    await fc.assert(
      fc.asyncProperty(schemes, steps, async (scheme, taken) => {
        // A longer log that begins as one that was deleted counts as restored, unless its lines are all equal.
        const isOneLine = scheme.isOneLine || scheme.compress !== 'never'
        const log = await followed({ ...scheme, isOneLine, isCopied }, taken)
        expect(log.arrived.different, log.told).toBeGreaterThanOrEqual(log.written)
      }),
      { numRuns: 20 },
    )
  },
)

const RENAMED: Scheme = {
  isOneLine: true,
  names: 'ascending',
  compress: 'never',
  keepsTime: true,
  isCopied: false,
  isAllOfPath: true,
}

test('a file of one line that was rotated and compressed unseen is read, although the deleted one before it begins with that line', async () => {
  const scheme: Scheme = { ...RENAMED, isAllOfPath: false, compress: 'at once', keepsTime: false }
  const log = await followed(scheme, [{ do: 'rotate' }, { do: 'write', lines: 1 }, { do: 'rotate' }])
  expect(log.arrived.different, log.told).toBe(log.written)
})

test.each([
  [100, 300, 50],
  [100, 300, 500],
  [300, 100, 100],
  [100, 100, 100],
])(
  'files of %i, %i and %i equal lines, of which one was read, arrive once each',
  async (first, second, third) => {
    for (const how of ['stop', 'abort'] as const)
      for (const isAllOfPath of [false, true]) {
        const log = new EqualLog({ ...RENAMED, isAllOfPath })
        log.write(first)
        await log.look()
        await log.leave(how)
        for (const step of [{ do: 'rotate' }, { do: 'write', lines: second }, { do: 'rotate' }] as Step[])
          await log.take(step)
        log.write(third)
        await log.look()
        await log.leave('stop')
        expect(log.arrived, log.told).toEqual({ different: log.written, all: log.written })
      }
  },
)

describe('a log of equal lines that has taken the place of one that was read is read from its start', () => {
  const options = { refresh_interval: '20ms', progress_check_interval: '20ms', rotate_wait: '30ms' }
  const CASES: [string, (path: string) => void][] = [
    ['at its path', () => {}],
    ['at its path, after a deletion', (path) => rmSync(path)],
    ['at the path of the rotated one', (path) => renameSync(path, `${path}.1`)],
  ]
  for (const pattern of ['', '*'])
    for (const [where, leave] of CASES)
      test(`${where}, with Path e.log${pattern}`, async () => {
        const path = join(tmp(), 'e.log')
        const store = new MemoryStore()
        const tail = { path: `${path}${pattern}`, ...options }
        writeFileSync(path, LINE.repeat(100))
        await readAll(store, tail, 100)
        if (where === 'at its path') renameSync(path, join(tmp(), 'moved'))
        else leave(path)
        // The file that was read is deleted by the second rotation.
        writeFileSync(`${path}.new`, LINE.repeat(300))
        renameSync(`${path}.new`, where.startsWith('at its') ? path : `${path}.1`)
        if (!where.startsWith('at its')) writeFileSync(path, '')
        const run = resume(store, tail)
        expect(await run.waitForLines(300, 10_000)).toHaveLength(300)
      })
})
