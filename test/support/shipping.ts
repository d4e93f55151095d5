import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sink } from './forward/sink.ts'
import { type Running, start } from './process.ts'
import { writeLines } from './tail/lines.ts'
import { until } from './until.ts'

type Options = Record<string, string | number>

export interface Shipping {
  /** Holds the configuration, the database and, if `tail` names no other path, `a.log`. */
  dir: string
  ports: number[]
  service?: Options
  tail?: Options
  forward?: Options
  /** Starts the binary, if not by its path alone: in other mounts, as another user. */
  command?: string[]
}

/** The binary, following `a.log` from its head with stored positions, with one forward output for each port. */
export function ship(s: Shipping): Running {
  const tail = { tag: 'app', path: join(s.dir, 'a.log'), db: join(s.dir, 'pos.db'), read_from_head: 'on' }
  const text = [
    section('SERVICE', { flush: 0.1, ...s.service }),
    section('INPUT', { name: 'tail', ...tail, ...s.tail }),
    ...s.ports.map((port) => section('OUTPUT', { name: 'forward', match: '*', port, ...s.forward })),
  ]
  const conf = join(s.dir, 'agent.conf')
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf], s.command === undefined ? {} : { command: s.command })
}

function section(name: string, options: Options): string {
  const lines = Object.entries(options).map(([key, value]) => `    ${key}  ${value}\n`)
  return `[${name}]\n${lines.join('')}`
}

/** Waits until lines 0 to `count` have all arrived; the failure says which did not and what the agent said. */
export async function allArrive(sink: Sink, agent: Running, count: number, limitMs = 30_000): Promise<void> {
  try {
    await until(async () => (await sink.summary()).distinct >= count, { limitMs })
  } catch (cause) {
    const state = JSON.stringify([await sink.summary(), await sink.missing(count)])
    throw new Error(`not all of ${count} lines in ${limitMs} ms: ${state}\n${agent.stderr.slice(-3000)}`, {
      cause,
    })
  }
}

/** Lines of the agent's log with this code. */
export function linesWith(agent: Running, code: string): Record<string, unknown>[] {
  const all = agent.stderr.split('\n').filter((line) => line.includes(code))
  return all.map((line) => JSON.parse(line))
}

/** For longer than the pauses between attempts: each line is delivered before the next is written. */
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
    await allArrive(sink, agent, lines, 5000)
  }
  return lines
}

/** Acknowledged bytes of each open file, by what the agent prints on SIGUSR1. */
export async function ackedBytes(agent: Running): Promise<number[]> {
  const before = agent.stderr.length
  agent.kill('SIGUSR1')
  const dump = await until(() => DUMP.exec(agent.stderr.slice(before))?.[0], { what: 'the dump' })
  return [...dump.matchAll(FILE_ROW)].map(([, acked]) => Number(acked))
}

const DUMP = /^--- shipper [\s\S]*?^---$/m
/** STATE LAG SIZE READ ACKED DEV:INODE PATH */
const FILE_ROW = /^ +\w+ +\d+ +\d+ +\d+ +(\d+) +\d+:\d+ +\S+$/gm

/** The most memory that the process ever had. */
export function peakBytes(agent: Running): number {
  const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8')
  return Number(PEAK.exec(status)?.[1]) * 1024
}

const PEAK = /VmHWM:\s+(\d+)/

/** Numbers from 0 up to 1 that a seed repeats. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
