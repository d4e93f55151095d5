import { expect } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, decodeMulti } from '@msgpack/msgpack'
import {
  acknowledged,
  attempts,
  bufferText,
  killed,
  nothingWaits,
  sendFile,
  sendLines,
  startRelay,
} from '../support/buffered-relay.ts'
import { sharedBroker, testWithKafka } from '../support/kafka/brokers.ts'
import { decodeBatch } from '../support/kafka/decode.ts'
import { kafkaPeer } from '../support/kafka/peer.ts'
import { freePorts } from '../support/ports.ts'
import { run } from '../support/process.ts'
import { seeded } from '../support/shipping.ts'
import { numbered } from '../support/tail/lines.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`kafka-buffer.test.ts: SHIPPER_SEED=${SEED}\n`)

const broker = await sharedBroker()

/** Options of a kafka output without which a stopped broker is noticed late. */
const KAFKA = {
  name: 'kafka',
  alias: 'kafka',
  brokers: broker?.bootstrap,
  request_timeout: 1,
  message_key: '$TAG',
}

/** Numbers of the lines of three senders: each has its own, and its tag is the key. */
const TAGS = ['one', 'two', 'three']
const ofTag = (tag: number, n: number): number => tag * 1_000_000 + n

function numbersOf(lines: readonly string[]): number[] {
  return lines.map((line) => Number(line.slice(0, 8)))
}

/** Checks the numbers of one sender: all of them, in the order of their first arrival, and some exactly once. */
function expectLines(numbers: readonly number[], tag: number, count: number, isOnce: (n: number) => boolean) {
  const times = new Map<number, number>()
  for (const n of numbers) times.set(n, (times.get(n) ?? 0) + 1)
  expect([...times.keys()]).toEqual(Array.from({ length: count }, (_, n) => ofTag(tag, n)))
  const repeated = [...times].filter(([n, often]) => often > 1 && isOnce(n - ofTag(tag, 0)))
  expect(repeated).toEqual([])
}

testWithKafka(
  'while a broker is stopped senders get their acknowledgements, also after kill -9; then it gets each line in the order of its key, and those twice at most that were on their way at the kill',
  async () => {
    await broker.createTopic('outage', { partitions: 3 })
    const dir = tmp()
    const [port = 0, http = 0] = await freePorts(2)
    const outputs = [
      { ...KAFKA, topics: 'outage', format: 'raw' },
      { name: 'file', alias: 'file', path: dir, file: 'all', format: 'template', template: '{log}' },
    ]
    const [before, stopped, killedAt, all] = [1000, 4000, 14_000, 15_000]
    const begin = () => startRelay({ dir, port, http, outputs })
    const send = (from: number, to: number) =>
      TAGS.map((tag, i) => sendLines(port, tag, ofTag(i, from), ofTag(i, to)))
    const first = await begin()
    await acknowledged(...send(0, before))
    await nothingWaits(dir, first)
    await broker.stop()
    atEnd(() => broker.cont())
    await acknowledged(...send(before, stopped))
    // Longer than the timeout of a request, several times.
    await until(async () => (await attempts(http)) >= 2, { what: () => first.stderr })
    const senders = send(stopped, killedAt)
    const written = () => readFileSync(join(dir, 'all'), 'utf8').split('\n').slice(0, -1)
    await until(() => written().length > TAGS.length * stopped, { what: () => first.stderr })
    await killed(first)
    const second = await begin()
    await acknowledged(...senders)
    await acknowledged(...send(killedAt, all))
    await until(async () => (await attempts(http)) >= 2, { what: () => second.stderr })
    broker.cont()
    await nothingWaits(dir, second)

    const isOnce = (n: number) => n < before || n >= killedAt
    const records = await broker.consume('outage')
    const lines = written()
    for (const [i, tag] of TAGS.entries()) {
      const ours = records.filter(({ key }) => String(key) === tag)
      expect(new Set(ours.map(({ partition }) => partition)).size).toBe(1)
      expectLines(numbersOf(ours.map(({ value }) => String(value))), i, all, isOnce)
      const inFile = numbersOf(lines).filter((n) => Math.floor(n / 1_000_000) === i)
      expectLines(inFile, i, all, isOnce)
    }
    expect(await second.stop()).toEqual({ code: 0, signal: null })
    expect(readdirSync(join(dir, 'buffer')).filter((name) => name.endsWith('.seg'))).toEqual([])
  },
  400_000,
)

interface Letter {
  cause: string
  reason: string
  tag: string
  output: string
}

/** Returns the rows of the dead letters in the folder of the buffer. */
function lettersIn(dir: string): Letter[] {
  const lines = readFileSync(join(dir, 'buffer/dead-letters.kafka.jsonl'), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

testWithKafka(
  'a topic that is missing waits on disk over a kill -9 and holds up no other; a record that is too large is in the folder of the buffer, once',
  async () => {
    await broker.createTopic('fine', {}, { 'max.message.bytes': '200000' })
    const dir = tmp()
    const [port = 0] = await freePorts(1)
    const begin = () => startRelay({ dir, port, outputs: [{ ...KAFKA, topics: '$TAG', format: 'raw' }] })
    const first = await begin()
    await acknowledged(sendLines(port, 'late', 0, 5000))
    const path = join(dir, 'large.log')
    const lines = Array.from({ length: 2000 }, (_, n) => numbered(n))
    writeFileSync(path, [...lines.slice(0, 1000), `${'L'.repeat(300_000)}\n`, ...lines.slice(1000)].join(''))
    await acknowledged(sendFile(port, 'fine', path))
    const waiting = /^kafka +5,000 /m
    await until(async () => waiting.test(await bufferText(dir)), { everyMs: 100, what: () => first.stderr })
    const letter = { cause: 'rejected', tag: 'fine', output: 'kafka' }
    expect(lettersIn(dir)).toMatchObject([letter])
    expect(lettersIn(dir)[0]?.reason).toContain('MESSAGE_TOO_LARGE')
    await killed(first)

    const second = await begin()
    await acknowledged(sendLines(port, 'fine', 2000, 3000))
    await until(async () => (await broker.records('fine')) === 3000, { what: () => second.stderr })
    await broker.createTopic('late')
    await nothingWaits(dir, second)
    const once = (count: number) => ({ records: count, missing: 0, duplicates: 0, disorder: 0 })
    expect(await broker.numbers('late', 5000)).toMatchObject(once(5000))
    expect(await broker.numbers('fine', 3000)).toMatchObject(once(3000))
    expect(lettersIn(dir)).toHaveLength(1)
    expect(await second.stop()).toEqual({ code: 0, signal: null })
  },
  400_000,
)

testWithKafka(
  'what a topic refuses for Dead_Letter_After goes to the folder of the buffer, its senders have their acknowledgements, and a replay sends it',
  async () => {
    const dir = tmp()
    const [port = 0] = await freePorts(1)
    const output = { ...KAFKA, topics: '$TAG', format: 'raw', dead_letter_after: 2 }
    const agent = await startRelay({ dir, port, outputs: [output] })
    await acknowledged(sendLines(port, 'refused', 0, 500))
    await nothingWaits(dir, agent)
    const letter = { cause: 'destination', tag: 'refused', output: 'kafka' }
    expect(lettersIn(dir)).toMatchObject(Array(500).fill(letter))
    await broker.createTopic('refused')
    const letters = join(dir, 'buffer/dead-letters.kafka.jsonl')
    const replay = await run(['dead-letters', 'replay', letters, '-c', join(dir, 'relay.conf')])
    expect(replay.code, replay.stderr).toBe(0)
    expect(await broker.numbers('refused', 500)).toMatchObject({ records: 500, missing: 0, disorder: 0 })
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
  400_000,
)

/** Returns lines with all bytes except line ends. */
function linesOfBytes(count: number, seed: number): Buffer[] {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, n) => {
    const bytes = Buffer.from(`${n} `.padEnd(8 + random() * 600))
    for (let at = 7; at < bytes.length; at++) bytes[at] = random() * 256
    return Buffer.from(bytes.filter((byte) => byte !== 10 && byte !== 13))
  })
}

const NOT_ENOUGH_REPLICAS = 19
const RAW = { rawStrings: true }

const fileOf = (lines: readonly Buffer[]): Buffer =>
  Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))

/** Returns the field log of a record. */
const logOf = (record: unknown): Buffer => Buffer.from((record as { log: Uint8Array }).log)

testWithKafka(
  'two kafka outputs, a file and a peer share chunks: each gets the same bytes, also what is sent again after a time-out or a refusal, and what is read back',
  async () => {
    await broker.createTopic('shared')
    const other = await kafkaPeer()
    const [dir, peerDir] = [tmp(), tmp()]
    const [port = 0, http = 0, peerPort = 0] = await freePorts(3)
    const fileIn = (path: string) => ({ name: 'file', alias: 'file', path, file: 'all', format: 'msgpack' })
    const peer = await startRelay({ dir: peerDir, port: peerPort, outputs: [fileIn(peerDir)] })
    const outputs = [
      { ...KAFKA, topics: 'shared', format: 'raw' },
      fileIn(dir),
      { name: 'forward', alias: 'peer', port: peerPort },
      {
        ...KAFKA,
        alias: 'other',
        brokers: `127.0.0.1:${other.port}`,
        topics: 'logs',
        format: 'msgpack',
        compression: 'gzip',
      },
    ]
    const agent = await startRelay({ dir, port, http, outputs })
    const lines = linesOfBytes(12_000, SEED)
    const send = (from: number, to: number) => {
      const path = join(tmp(), 'a.log')
      writeFileSync(path, fileOf(lines.slice(from, to)))
      return sendFile(port, 'app', path)
    }
    await acknowledged(send(0, 4000))
    await nothingWaits(dir, agent)
    await broker.stop()
    atEnd(() => broker.cont())
    other.refuse = () => NOT_ENOUGH_REPLICAS
    // The file and the peer use the memory again while two outputs wait with what they have.
    for (let from = 4000; from < lines.length; from += 1000) await acknowledged(send(from, from + 1000))
    await until(async () => (await attempts(http)) >= 1, { what: () => agent.stderr })
    other.refuse = () => 0
    broker.cont()
    await nothingWaits(dir, agent)
    const values = (await broker.consume('shared')).map(({ value }) => value ?? Buffer.alloc(0))
    expect(Buffer.compare(fileOf(values), fileOf(lines))).toBe(0)
    const batches = await Promise.all(other.written().map(({ bytes }) => decodeBatch(bytes)))
    const records = batches.flatMap((batch) => batch.records.map(({ value }) => decode(value, RAW)))
    expect(Buffer.compare(fileOf(records.map(logOf)), fileOf(lines))).toBe(0)
    await nothingWaits(peerDir, peer)
    for (const path of [dir, peerDir]) {
      const entries = [...decodeMulti(readFileSync(join(path, 'all')), RAW)]
      const inFile = entries.map((entry) => logOf((entry as [unknown, unknown])[1]))
      expect(Buffer.compare(fileOf(inFile), fileOf(lines))).toBe(0)
    }
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
  400_000,
)
