import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeMulti } from '@msgpack/msgpack'
import type { InputBench } from '../contract/every-input/bench.ts'
import { CASES } from '../contract/every-input/cases.ts'
import type { InputCase, Source, Texts } from '../contract/every-input/source.ts'
import { linesOf, numberUnder, range } from '../contract/every-input/sources/senders.ts'
import { ForwardPeer } from '../support/forward/peer.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { StreamClient } from '../support/server-run.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** Why an input is not part of the run, or is so without its case. */
const LEFT_OUT: Record<string, string> = {
  kmsg: 'on most machines few processes may read the messages of the kernel',
  stdin: 'the pipe of its case is that of this process: it has one of its own here',
}
const COUNT = 300
/** First number of what is acknowledged just before the kill. */
const LATE = 1000
const LATE_COUNT = 10
const SAMPLES: Texts = { interval_sec: '0', interval_nsec: '100000000' }

/** What sources use of a bench; time passes by itself here. */
const REAL_TIME = {
  pass: () => new Promise((resolve) => setTimeout(resolve, 1)),
  until: (condition: () => boolean, what: string) => until(condition, { what }),
  has: async () => [],
  settleAll: () => {},
  made: [],
  input: {},
  lines: ['listening on'],
} as unknown as InputBench

interface Part {
  name: string
  source: Source
  /** Tag of its records. */
  tag: string
  /** What its log line has when it listens. */
  address?: string
}

const nameOf = ({ input, what }: InputCase): string => (what === undefined ? input : `${input}-${what}`)

async function partsOf(): Promise<Part[]> {
  const parts: Part[] = [
    { name: 'stdin', tag: 'stdin', source: { texts: {}, give: () => {}, numberOf: numberUnder('log') } },
  ]
  for (const inputCase of CASES) {
    const { input, noRecords, missingPeer, open, listens } = inputCase
    if ([noRecords, missingPeer, LEFT_OUT[input]].some((reason) => reason !== undefined)) continue
    const name = nameOf(inputCase)
    const source = await open(inputCase.isSampled === true ? SAMPLES : {})
    const { path, port } = source.texts
    const address =
      listens === true ? { address: path === undefined ? `127.0.0.1:${port}` : String(path) } : {}
    parts.push({ name, source, tag: input === 'http' ? 't' : name, ...address })
  }
  return parts
}

function section(name: string, options: Texts): string {
  const lines = Object.entries(options).flatMap(([key, values]) =>
    [values].flat().map((value) => `    ${key} ${value}\n`),
  )
  return `[${name}]\n${lines.join('')}`
}

/** Starts an agent whose inputs are kept on disk, with one output. */
function startAgent(dir: string, inputs: Texts[], ports: { output: number; http: number }): Running {
  const service = {
    ...{
      flush: '0.1',
      grace: '1',
      'scheduler.base': '1',
      'scheduler.cap': '1',
      'storage.path': join(dir, 'buffer'),
    },
    ...{ http_server: 'on', http_listen: '127.0.0.1', http_port: String(ports.http) },
  }
  const output = { name: 'forward', alias: 'out', match: '*', port: String(ports.output) }
  const kept = inputs.map((input) => section('INPUT', { ...input, 'storage.type': 'filesystem' }))
  const file = join(dir, 'agent.conf')
  writeFileSync(file, [section('SERVICE', service), ...kept, section('OUTPUT', output)].join('\n'))
  return start(['-c', file], { stdin: 'open' })
}

/** Returns how many records each input has made, by its name. */
async function recordsMade(http: number): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${http}/api/v1/metrics/prometheus`)).text()
  return new Map([...text.matchAll(RECORDS)].map(([, name = '', count]) => [name, Number(count)]))
}

const RECORDS = /^fluentbit_input_records_total\{name="([^"]+)"\} (\d+)/gm

/** Returns true for an input whose records are numbered by its source, and so are known. */
const isNumbered = ({ name, source }: Part): boolean =>
  source.numberOf !== undefined && name !== 'fluentbit_logs'

/** Returns the numbers of the records that were given to the input. */
function numbersOf({ name, source }: Part): number[] {
  const isLate = source.acknowledged !== undefined || name === 'tcp'
  return [...range(0, COUNT), ...(isLate ? range(LATE, LATE + LATE_COUNT) : [])]
}

/** Sends more to those who answer, and waits for the answers: tcp answers the end of a sender with its own. */
async function sendLate(parts: readonly Part[]): Promise<void> {
  for (const { name, source } of parts) {
    if (source.acknowledged !== undefined) await source.give(LATE, LATE + LATE_COUNT, REAL_TIME)
    else if (name === 'tcp') {
      const client = new StreamClient(Number(source.texts.port))
      await client.send(linesOf(LATE, LATE + LATE_COUNT))
      client.socket.end()
      await until(() => client.ended, { what: 'the end of the connection' })
    }
  }
  const isAnswered = ({ source }: Part): boolean => source.acknowledged?.().includes(LATE) !== false
  await until(() => parts.every(isAnswered), { what: 'the answers' })
}

/** Returns the records that have arrived, by tag: their numbers, or NaN. */
function numbersAt(peer: ForwardPeer, parts: readonly Part[]): Map<string, number[]> {
  const numbers = new Map<string, number[]>()
  const ids = new Set<unknown>()
  for (const { tag, entries, options } of peer.arrivals) {
    // A chunk that is sent again is no duplicate.
    if (ids.has(options?.chunk)) continue
    ids.add(options?.chunk)
    const numberOf = parts.find((part) => part.tag === tag)?.source.numberOf
    const list = numbers.get(tag) ?? []
    numbers.set(tag, list)
    for (const entry of decodeMulti(entries)) {
      const [, record] = entry as [unknown, Record<string, unknown>]
      list.push(numberOf?.(record) ?? Number.NaN)
    }
  }
  return numbers
}

test('kill -9 loses no record of any input that is on disk, nor one that was acknowledged just before', async () => {
  const dir = tmp()
  const [http = 0, second = 0] = await freePorts(2)
  const peer = await new ForwardPeer().listen()
  const output = peer.port
  await peer.close()
  const parts = await partsOf()
  const inputs = parts.map(({ name, source }) => ({
    name: name.split('-')[0] ?? '',
    alias: name,
    tag: name,
    ...source.texts,
  }))
  const agent = startAgent(dir, inputs, { output, http })
  for (const part of parts) {
    const { source, address } = part
    if (address !== undefined) await agent.waitForStderr(`listening on ${address}`)
    // Those that log nothing before they are ready are seen by their source.
    await source.ready?.(REAL_TIME)
    if (isNumbered(part)) await source.give(0, COUNT, REAL_TIME)
  }
  agent.child.stdin?.write(linesOf(0, COUNT))
  let made = new Map<string, number>()
  await until(
    async () => {
      made = await recordsMade(http)
      return parts.every((part) => (made.get(part.name) ?? 0) >= (isNumbered(part) ? COUNT : 1))
    },
    {
      everyMs: 50,
      what: () => `records of all inputs: ${[...made].join(' ')}\n${agent.stderr.slice(-3000)}`,
    },
  )
  await sendLate(parts)
  agent.kill('SIGKILL')
  await agent.ended()
  await peer.listen()
  const next = startAgent(dir, [{ name: 'dummy', tag: 'other', samples: '1' }], { output, http: second })
  const isThere = (): boolean => {
    const numbers = numbersAt(peer, parts)
    return parts.every(({ name, tag }) => (numbers.get(tag)?.length ?? 0) >= (made.get(name) ?? 0))
  }
  await until(isThere, {
    everyMs: 20,
    what: () =>
      `all records: ${JSON.stringify([...numbersAt(peer, parts)].map(([tag, list]) => [tag, list.length]))} of ${[...made].join(' ')}\n${next.stderr.slice(-3000)}`,
  })
  const numbers = numbersAt(peer, parts)
  for (const part of parts) {
    if (!isNumbered(part)) continue
    const list = numbers
      .get(part.tag)
      ?.filter((n) => n >= 0)
      .sort((a, b) => a - b)
    expect([part.name, list]).toEqual([part.name, numbersOf(part)])
  }
  await peer.close()
  for (const { source } of parts) await source.end?.()
})
