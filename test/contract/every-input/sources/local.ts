import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { appendFileSync, closeSync, constants, existsSync, openSync, read } from 'node:fs'
import { join } from 'node:path'
import type { InputContext } from '../../../../src/core/plugin.ts'
import type { LoggedLine } from '../../../../src/core/services.ts'
import { loadLibc } from '../../../../src/lib/fs/libc.ts'
import { type Device, NONE } from '../../../../src/plugins/inputs/kmsg/device.ts'
import { KmsgInput } from '../../../../src/plugins/inputs/kmsg/kmsg.ts'
import { DockerDaemon, eventLine } from '../../../support/docker/daemon.ts'
import { Journal, numberedEntries } from '../../../support/journal/journal.ts'
import { journalTools } from '../../../support/journal/tools.ts'
import { EventApi } from '../../../support/kubernetes/event-api.ts'
import { writeLines } from '../../../support/tail/lines.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import type { InputBench } from '../bench.ts'
import type { Source, Texts } from '../source.ts'
import { LONG_LINE, lineOf, linesOf, numberUnder, range } from './senders.ts'

/** Lines that are appended to a file, with a database. */
export async function tailSource(texts: Texts = {}): Promise<Source> {
  const folder = tmp()
  const path = join(folder, 'a.log')
  writeLines(path, 0, 0)
  return {
    folder,
    texts: { path, db: join(folder, 'pos.db'), read_from_head: 'on', refresh_interval: '0.05', ...texts },
    numberOf: numberUnder('log'),
    give: (from, to) => writeLines(path, from, to),
    giveOversize: () => appendFileSync(path, `${LONG_LINE}\n`),
  }
}

/** A pipe that a program fills: it waits while nobody reads. `reader` is the end to read. */
class FilledPipe {
  readonly reader: number
  readonly path = join(tmp(), 'pipe')
  readonly #cat: ChildProcess
  readonly #ended: Promise<unknown>

  constructor() {
    execFileSync('mkfifo', [this.path])
    const guard = openSync(this.path, constants.O_RDWR)
    this.reader = openSync(this.path, constants.O_RDONLY)
    const writer = openSync(this.path, constants.O_WRONLY)
    closeSync(guard)
    this.#cat = spawn('cat', [], { stdio: ['pipe', writer, 'ignore'] })
    closeSync(writer)
    this.#cat.stdin?.on('error', () => {})
    this.#ended = new Promise((resolve) => this.#cat.once('exit', resolve))
  }

  write(text: string): void {
    this.#cat.stdin?.write(text)
  }

  async end(): Promise<void> {
    this.#cat.stdin?.destroy()
    this.#cat.kill('SIGKILL')
    await this.#ended
  }
}

const END = Buffer.alloc(1)

/** A pipe in the place of the standard input of this process. */
export async function stdinSource(texts: Texts = {}): Promise<Source> {
  const libc = await loadLibc({
    dup: { args: ['i32'], returns: 'i32' },
    dup2: { args: ['i32', 'i32'], returns: 'i32' },
  })
  if (libc === undefined) throw new Error('there is no C library')
  const pipe = new FilledPipe()
  const before = libc.dup(0)
  libc.dup2(pipe.reader, 0)
  closeSync(pipe.reader)
  const end = async (): Promise<void> => {
    await pipe.end()
    // Reads that are pending end now; one that had not begun would take what is there for the next test.
    for (let n = 0; n < 3; n++)
      await new Promise<void>((resolve) => read(0, END, 0, 1, null, () => resolve()))
  }
  // Runs after the end of the input, which is created later.
  atEnd(async () => {
    await end()
    libc.dup2(before, 0)
    closeSync(before)
  })
  return {
    texts,
    numberOf: numberUnder('log'),
    give: (from, to) => pipe.write(linesOf(from, to)),
    giveOversize: () => pipe.write(`${LONG_LINE}\n`),
    end,
  }
}

/** A command that copies a pipe to its output. */
export async function execSource(texts: Texts = {}): Promise<Source> {
  const folder = tmp()
  const pipe = new FilledPipe()
  const ran = join(folder, 'ran')
  atEnd(() => pipe.end())
  return {
    folder,
    texts: { command: `echo >> ${ran}; exec cat ${pipe.path}`, oneshot: 'on', ...texts },
    ready: (bench) => bench.until(() => existsSync(ran), 'the command'),
    numberOf: numberUnder('exec'),
    give: (from, to) => pipe.write(linesOf(from, to)),
    giveOversize: () => pipe.write(`${LONG_LINE}\n`),
    end: async () => {
      await pipe.end()
      try {
        closeSync(pipe.reader)
      } catch {
        // Closed before.
      }
    },
    uses: () => Number(existsSync(ran)),
  }
}

/** A device that gives one message in each read, and to each who opens it all of them, as /dev/kmsg does. */
class KeptMessages implements Device {
  readonly messages: string[] = []
  opened = 0
  #next = 0
  open(): void {
    this.opened++
    this.#next = 0
  }
  read(buf: Buffer): number {
    const message = this.messages[this.#next]
    if (message === undefined) return NONE
    this.#next++
    return buf.write(message, 0, 'latin1')
  }
  close(): void {}
}

export const UPTIME_SECONDS = 100

export async function kmsgSource(texts: Texts = {}): Promise<Source> {
  const device = new KeptMessages()
  const folder = tmp()
  return {
    folder,
    texts: { db: join(folder, 'pos.db'), ...texts },
    create: (options: never, ctx: InputContext) =>
      new KmsgInput(options, ctx, device, { uptimeMs: () => UPTIME_SECONDS * 1000, bootId: () => 'boot' }),
    numberOf: numberUnder('msg'),
    give: (from, to) => {
      device.messages.push(
        ...range(from, to).map((n) => `6,${n},${UPTIME_SECONDS * 1_000_000},-;${lineOf(n)}\n`),
      )
    },
    uses: () => device.opened,
  }
}

const tools = journalTools()
/** Why there is no journal on this machine; empty when there is. */
export const noJournal = tools.reason

/** A folder of journal files, with a database. */
export async function systemdSource(texts: Texts = {}): Promise<Source> {
  const folder = tmp()
  const journal = new Journal(tools, join(folder, 'journal'))
  const before = process.env.PATH
  process.env.PATH = tools.path
  atEnd(() => {
    process.env.PATH = before
  })
  // Without an entry there is no boot to follow.
  journal.write(numberedEntries(0, 1))
  let isFirst = true
  return {
    folder,
    texts: { path: journal.dir, db: join(folder, 'pos.db'), ...texts },
    ready: async (bench) => {
      if (!isFirst) return
      isFirst = false
      await bench.has(1)
      bench.settleAll('delivered')
      bench.made.length = 0
    },
    numberOf: ({ LOG: log }) => Number(String(log).slice('line '.length)) - 1,
    give: (from, to) => journal.write(numberedEntries(from + 1, to + 1, { TEXT: 'x'.repeat(150) })),
    giveOversize: () => journal.write(numberedEntries(1, 2, { TEXT: LONG_LINE })),
  }
}

/** Time of the manual clock of a run, at which it asks for events first. */
const EVENT_NANO = BigInt(Date.UTC(2026, 10, 21, 7)) * 1_000_000n
export const EVENT_SECONDS = Date.UTC(2026, 10, 21, 7) / 1000

export async function dockerSource(texts: Texts = {}): Promise<Source> {
  const daemon = await DockerDaemon.start()
  const folder = tmp()
  return {
    folder,
    texts: { unix_path: daemon.path, db: join(folder, 'pos.db'), ...texts },
    ready: (bench) => bench.until(() => daemon.listening > 0, 'the connection'),
    numberOf: ({ message }) => Number(JSON.parse(String(message)).Actor.ID.slice(1)),
    give: (from, to) => {
      for (const n of range(from, to)) daemon.emit(`v${n}`, EVENT_NANO + BigInt(n))
    },
    giveOversize: () => {
      daemon.write(`${eventLine('x'.repeat(1_100_000), EVENT_NANO)}\n`)
    },
    uses: () => daemon.requests.length,
  }
}

export async function kubernetesSource(texts: Texts = {}): Promise<Source> {
  const api = await EventApi.start()
  const folder = tmp()
  const none = { kube_ca_file: '/nonexistent/file', kube_token_file: '/nonexistent/file' }
  return {
    folder,
    texts: { kube_url: api.url, db: join(folder, 'pos.db'), ...none, ...texts },
    ready: (bench) => bench.until(() => api.watching > 0, 'the watch'),
    numberOf: ({ metadata }) => Number((metadata as { name: string }).name.slice(1)),
    give: (from, to) => {
      for (const n of range(from, to)) api.put(`e${String(n).padStart(6, '0')}`)
    },
    giveOversize: () => void api.put('large', { note: 'x'.repeat(4_100_000) }),
    uses: () => api.requests.length,
  }
}

/** Lines that other instances log. */
export async function logsSource(texts: Texts = {}): Promise<Source> {
  let take: ((line: LoggedLine, isOnWay: boolean) => void) | undefined
  return {
    texts,
    services: {
      tapLog: (taker) => {
        take = taker
        return () => {
          take = undefined
        }
      },
    },
    numberOf: numberUnder('message'),
    give: (from, to, bench) => {
      const timeMs = bench.clock.nowMs()
      for (const n of range(from, to))
        take?.({ timeMs, level: 'info', instance: 'tail.0', text: lineOf(n) }, false)
    },
  }
}

/** What makes records as time passes: `give` lets them come. */
export function sampled(texts: () => Texts | Promise<Texts>): (more?: Texts) => Promise<Source> {
  return async (more = {}) => ({
    texts: { ...(await texts()), ...more },
    give: async (from, to, bench: InputBench) => {
      await bench.until(() => {
        bench.stage.sealAll()
        return bench.made.length >= to - from || bench.waiting > 0
      }, 'the records')
    },
  })
}
