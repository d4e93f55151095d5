import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sink } from './forward/sink.ts'
import { type Running, start } from './process.ts'
import { writeLines } from './tail/lines.ts'
import { until, untilReaches } from './until.ts'

type Options = Record<string, string | number>

export interface Shipping {
  /** Folder of the configuration, the database and, if `tail` names no other path, `a.log`. */
  dir: string
  ports: number[]
  service?: Options
  tail?: Options
  /** Options of several inputs, instead of `tail`. */
  inputs?: Options[]
  forward?: Options
  /** Command that starts the binary in other mounts or as another user; default: the binary itself. */
  command?: string[]
}

/**
 * Starts the binary: it follows `a.log` from its head, stores offsets, and has one forward output for each
 * port.
 */
export function ship({
  dir,
  ports,
  service,
  tail,
  inputs = [tail ?? {}],
  forward,
  command,
}: Shipping): Running {
  const follows = { tag: 'app', path: join(dir, 'a.log'), db: join(dir, 'pos.db'), read_from_head: 'on' }
  const text = [
    section('SERVICE', { flush: 0.1, ...service }),
    ...inputs.map((input) => section('INPUT', { name: 'tail', ...follows, ...input })),
    ...ports.map((port) => section('OUTPUT', { name: 'forward', match: '*', port, ...forward })),
  ]
  const conf = join(dir, 'agent.conf')
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf], command === undefined ? {} : { command })
}

function section(name: string, options: Options): string {
  const lines = Object.entries(options).map(([key, value]) => `    ${key}  ${value}\n`)
  return `[${name}]\n${lines.join('')}`
}

/**
 * Waits until lines 0 to `count` have arrived, as long as more of them keep arriving. The error names the
 * missing lines and shows the end of the agent's log.
 */
export async function allArrive(sink: Sink, agent: Running, count: number): Promise<void> {
  try {
    await untilReaches(count, async () => (await sink.summary()).distinct)
  } catch (cause) {
    const state = JSON.stringify([await sink.summary(), await sink.missing(count)])
    throw new Error(`not all of ${count} lines: ${state}\n${agent.stderr.slice(-3000)}`, { cause })
  }
}

/**
 * Sends SIGKILL and waits until the process has ended and the sink has read what was still in the sockets.
 */
export async function kill9(agent: Running, sink: Sink): Promise<void> {
  agent.kill('SIGKILL')
  await killed(agent, sink)
}

/**
 * Lets the sink kill the agent with SIGKILL when it has received `lines` different lines. The sink does it
 * itself, in the middle of a chunk: a test process that polls may come too late on a busy machine, when
 * everything has arrived.
 */
export async function kill9At(agent: Running, sink: Sink, lines: number): Promise<void> {
  await sink.killAt(agent.pid, lines)
  await killed(agent, sink)
}

async function killed(agent: Running, sink: Sink): Promise<void> {
  await agent.ended()
  await sink.killAt(0, 0)
  await until(async () => (await sink.summary()).open === 0, { what: 'the end of the connections' })
}

/** Returns the lines of the agent's log with this error code. */
export function linesWith(agent: Running, code: string): Record<string, unknown>[] {
  const all = agent.stderr.split('\n').filter((line) => line.includes(code))
  return all.map((line) => JSON.parse(line))
}

/**
 * Writes lines for longer than the pauses between attempts to store offsets; each line arrives before the
 * next is written. Returns the number of lines written so far.
 */
export async function keepsDelivering(
  sink: Sink,
  agent: Running,
  path: string,
  from: number,
): Promise<number> {
  const end = performance.now() + 5000
  let lines = from
  while (performance.now() < end) {
    writeLines(path, lines, lines + 10)
    lines += 10
    await allArrive(sink, agent, lines)
  }
  return lines
}

/** A row of the dump that the agent prints on SIGUSR1: an open file and its offsets in bytes. */
export interface DumpedFile {
  path: string
  inode: string
  size: number
  read: number
  acked: number
}

/** Returns the text that the agent writes into its log, of text or JSON, on SIGUSR1. */
async function dumpOf(agent: Running): Promise<string> {
  const before = agent.stderr.length
  agent.kill('SIGUSR1')
  return until(() => DUMP.exec(messagesOf(agent.stderr.slice(before)))?.[0], { what: 'the dump' })
}

function messagesOf(log: string): string {
  // The last line may not have arrived completely.
  const lines = log.split('\n').slice(0, -1)
  const messages = lines.map((line) => (line.startsWith('{') ? (JSON.parse(line).message as string) : line))
  return messages.map((message) => `${message}\n`).join('')
}

/** Returns the open files from the dump. */
export async function dumpedFiles(agent: Running): Promise<DumpedFile[]> {
  return [...(await dumpOf(agent)).matchAll(FILE_ROW)].map(
    ([, size, read, acked, inode = '', path = '']) => ({
      path,
      inode,
      size: Number(size),
      read: Number(read),
      acked: Number(acked),
    }),
  )
}

/**
 * Returns the counter `lost_bytes` of the tail input. Unlike the log it is not folded when a message repeats.
 */
export async function lostBytes(agent: Running): Promise<number> {
  return Number(LOST_BYTES.exec(await dumpOf(agent))?.[1] ?? 0)
}

/** Returns the acknowledged bytes of each open file. */
export async function ackedBytes(agent: Running): Promise<number[]> {
  return (await dumpedFiles(agent)).map(({ acked }) => acked)
}

const LOST_BYTES = /\blost_bytes (\d+)/
const DUMP = /^--- shipper [\s\S]*?^---$/m
/** STATE LAG SIZE READ ACKED DEV:INODE PATH */
const FILE_ROW = /^ +\w+ +\d+ +(\d+) +(\d+) +(\d+) +\d+:(\d+) +(\S.*)$/gm

/** Returns the peak of the process's resident memory. */
export function peakBytes(agent: Running): number {
  const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8')
  return Number(PEAK.exec(status)?.[1]) * 1024
}

const PEAK = /VmHWM:\s+(\d+)/

/** Returns a generator of numbers from 0 up to 1; the same seed gives the same numbers. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
