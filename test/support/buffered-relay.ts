import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { section } from './kafka/agent.ts'
import { type Running, run, type StartOptions, start } from './process.ts'
import { ship } from './shipping.ts'
import { writeLines } from './tail/lines.ts'
import { tmp } from './tmp.ts'
import { until } from './until.ts'

type Options = Record<string, string | number>

export interface Relay {
  /** Folder of the configuration; `buffer` in it has the segments. */
  dir: string
  /** Port of the input, and of the HTTP server if there is one. */
  port: number
  http?: number
  outputs: Options[]
  service?: Options
  input?: Options
  /** Further sections. */
  more?: string
  options?: StartOptions
}

/** Starts the binary with a forward input that is kept on disk; resolves when it listens. */
export async function startRelay(relay: Relay): Promise<Running> {
  const { dir, port, http, outputs, service, input, more = '', options = {} } = relay
  const server: Options = http === undefined ? {} : { http_server: 'on', http_port: http }
  const retries = { 'scheduler.base': 1, 'scheduler.cap': 1 }
  const text = [
    section('SERVICE', {
      flush: 0.1,
      grace: 2,
      ...retries,
      ...server,
      'storage.path': join(dir, 'buffer'),
      ...service,
    }),
    section('INPUT', { name: 'forward', port, 'storage.type': 'filesystem', ...input }),
    more,
    ...outputs.map((output) => section('OUTPUT', { match: '*', ...output })),
  ]
  const conf = join(dir, 'relay.conf')
  writeFileSync(conf, text.join('\n'))
  const agent = start(['-c', conf], options)
  await agent.waitForStderr('listening on')
  return agent
}

/** Starts a sender of a file, which ends with 0 when everything is acknowledged. */
export function sendFile(port: number, tag: string, path: string): Running {
  const service = { 'scheduler.base': 1, 'scheduler.cap': 1 }
  const tail = { tag, path, exit_on_eof: 'on', buffer_max_size: '4M' }
  return ship({ dir: tmp(), ports: [port], service, tail })
}

/** Starts a sender of numbered lines. */
export function sendLines(port: number, tag: string, from: number, to: number): Running {
  const path = join(tmp(), 'a.log')
  writeLines(path, from, to)
  return sendFile(port, tag, path)
}

/** Waits until senders have got their acknowledgements. */
export async function acknowledged(...senders: Running[]): Promise<void> {
  for (const sender of senders) {
    const exit = await sender.ended()
    if (exit.code !== 0) throw new Error(`a sender ended with ${exit.code ?? exit.signal}: ${sender.stderr}`)
  }
}

/** Kills with SIGKILL and waits for the end. */
export async function killed(agent: Running): Promise<void> {
  agent.kill('SIGKILL')
  await agent.ended()
}

/** Returns what `shipper buffer` prints about the folder. */
export async function bufferText(dir: string): Promise<string> {
  return (await run(['buffer', join(dir, 'buffer')])).stdout
}

/** Waits until nothing is left for an output, also in the states on disk. */
export async function nothingWaits(dir: string, agent: Running): Promise<void> {
  await until(async () => (await bufferText(dir)).includes('nothing waits'), {
    everyMs: 100,
    what: () => `an empty buffer; ${agent.stderr.slice(-3000)}`,
  })
}

/** Returns how often a peer that is down has been tried in vain. */
export async function attempts(http: number): Promise<number> {
  const health = await (await fetch(`http://127.0.0.1:${http}/api/v1/health`)).text()
  return Number(ATTEMPTS.exec(health)?.[1] ?? 0)
}

const ATTEMPTS = /\b(\d+) attempts?\b/

/** Returns the value of a metric of an output. */
export async function metricOf(http: number, name: string, output: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${http}/api/v1/metrics/prometheus`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${name}{name="${output}"}`))
  if (line === undefined) throw new Error(`no ${name} of ${output} in ${text}`)
  return Number(line.split(' ')[1])
}
