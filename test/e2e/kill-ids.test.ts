import { expect, test } from 'bun:test'
import { appendFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { DockerDaemon } from '../support/docker/daemon.ts'
import { Client } from '../support/forward/input-run.ts'
import { KillRun, once } from '../support/ids/kill-run.ts'
import { Journal, START_US } from '../support/journal/journal.ts'
import { journalTools } from '../support/journal/tools.ts'
import { EventApi } from '../support/kubernetes/event-api.ts'
import { shortOrLong } from '../support/long.ts'
import { freePorts } from '../support/ports.ts'
import type { Running } from '../support/process.ts'
import { StreamClient } from '../support/server-run.ts'
import { peerOrSkip } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`kill-ids.test.ts: SHIPPER_SEED=${SEED}\n`)

const KILLS = shortOrLong(6, 20)
const PER_KILL = 150

const tools = journalTools()
const testWithJournal = peerOrSkip('journalctl', tools.reason === '', tools.reason)

testWithJournal(
  'systemd: after many kill -9 a store has each entry once, equal ones as often as they were written',
  async () => {
    const dir = tmp()
    const journal = new Journal(tools, join(dir, 'journal'))
    const input = { name: 'systemd', db: 'pos.db', tag: 'host.*', path: journal.dir, lowercase: 'on' }
    const run = await KillRun.start({ dir, inputs: [input], seed: SEED, env: { PATH: tools.path } })
    let written = 0
    let equal = 0
    const write = (): void => {
      const from = written
      written += PER_KILL
      const entries = Array.from({ length: PER_KILL }, (_, i) => {
        const n = from + i
        const fields = { LOG: `n=${n};`, MESSAGE: `message ${n}`, _SYSTEMD_UNIT: `unit-${n % 3}.service` }
        return { us: START_US + n * 1000, fields }
      })
      // As journald writes lines that a program has written at once: with one time, and all fields equal.
      const last = {
        us: START_US + written * 1000 - 1,
        fields: { LOG: 'n=equal;', _SYSTEMD_UNIT: 'unit-0.service' },
      }
      journal.write([...entries, last, last, last])
      equal += 3
    }
    for (let kill = 0; kill < KILLS; kill++) {
      write()
      await run.runAndKill(
        () => {},
        () => written + equal,
      )
    }
    await run.finish(written + equal)
    expect(run.marks()).toEqual(once(written, equal))
    expect(run.store.conflicts).toBeGreaterThan(0)
  },
)

const LUA =
  'function f(tag, ts, r) if r.two ~= nil then return 2, ts, {{log=r.log}, {log="half " .. r.log}} end return 0, 0, 0 end'

testWithJournal(
  'systemd with filters that join, copy and multiply records: each of them is there once',
  async () => {
    const dir = tmp()
    const journal = new Journal(tools, join(dir, 'journal'))
    const input = { name: 'systemd', db: 'pos.db', tag: 'host', path: journal.dir, lowercase: 'on' }
    const filters = [
      { name: 'lua', call: 'f', code: LUA },
      { name: 'rewrite_tag', match: 'host', rule: '$log ^copy copied true' },
      { name: 'modify', set: 'x y' },
    ]
    const run = await KillRun.start({ dir, inputs: [input], filters, seed: SEED, env: { PATH: tools.path } })
    let groups = 0
    const expected = new Map<string, number>()
    for (let kill = 0; kill < 10; kill++) {
      const from = groups
      groups += 40
      journal.write(
        Array.from({ length: 120 }, (_, i) => {
          const n = from + Math.floor(i / 3)
          const us = START_US + (3 * from + i) * 1000
          if (i % 3 === 0) return { us, fields: { LOG: `n=one${n};` } }
          if (i % 3 === 1) return { us, fields: { LOG: `n=two${n};`, TWO: 'x' } }
          return { us, fields: { LOG: `copy n=copy${n};` } }
        }),
      )
      for (let n = from; n < groups; n++) expected.set(`one${n}`, 1).set(`two${n}`, 2).set(`copy${n}`, 2)
      await run.runAndKill(
        () => {},
        () => groups * 5,
      )
    }
    await run.finish(groups * 5)
    expect(run.marks()).toEqual(expected)
    expect(run.store.conflicts).toBeGreaterThan(0)
  },
)

test('kmsg: after many kill -9 a store has each message of the boot once, equal texts among them', async () => {
  const dir = tmp()
  const log = join(dir, 'kmsg')
  const agent = [process.execPath, resolve(import.meta.dirname, '../support/ids/kmsg-agent.ts')]
  const inputs = [{ name: 'kmsg', db: 'pos.db', tag: 'kernel' }]
  const run = await KillRun.start({
    dir,
    inputs,
    seed: SEED,
    command: agent,
    env: { SHIPPER_TEST_KMSG: log },
  })
  let written = 0
  let equal = 0
  for (let kill = 0; kill < KILLS; kill++) {
    let lines = ''
    for (let i = 0; i < PER_KILL; i++) lines += `6,${written + equal + i},1000,-;n=${written + i};\n`
    written += PER_KILL
    for (let i = 0; i < 3; i++) lines += `6,${written + equal++},1000,-;n=equal;\n`
    appendFileSync(log, lines)
    await run.runAndKill(
      () => {},
      () => written + equal,
    )
  }
  await run.finish(written + equal)
  expect(run.marks()).toEqual(once(written, equal))
  expect(run.store.conflicts).toBeGreaterThan(0)
})

test('docker_events: after many kill -9 a store has each event once', async () => {
  const daemon = await DockerDaemon.start()
  const run = await KillRun.start({
    inputs: [{ name: 'docker_events', db: 'pos.db', tag: 'docker', unix_path: daemon.path }],
    seed: SEED,
  })
  let made = 0
  const emit = (count: number): void => {
    for (let i = 0; i < count; i++)
      daemon.emit(`n=${made++};`, BigInt(Date.now()) * 1_000_000n + BigInt(made))
  }
  for (let kill = 0; kill < KILLS; kill++) {
    await run.runAndKill(
      async (agent) => {
        await until(() => daemon.listening > 0 || agent.exit)
        // The daemon keeps 256: those that were not acknowledged have to be among them.
        for (let part = 0; part < 4 && !agent.exit; part++) {
          emit(10)
          await until(() => run.store.byId.size >= made - 10 || agent.exit)
        }
      },
      () => (kill + 1) * 40,
    )
    await until(() => daemon.listening === 0)
    // While the agent is away.
    emit((kill + 1) * 40 - made)
  }
  await run.finish(made)
  expect(run.marks()).toEqual(once(made))
  expect(run.store.conflicts).toBeGreaterThan(0)
})

test('kubernetes_events: after many kill -9 a store has each event once, and each change of it', async () => {
  const api = await EventApi.start()
  const input = {
    name: 'kubernetes_events',
    db: 'pos.db',
    tag: 'k8s',
    kube_url: api.url,
    kube_retention_time: '100000h',
  }
  const none = { kube_ca_file: '/nonexistent', kube_token_file: '/nonexistent' }
  const run = await KillRun.start({ inputs: [{ ...input, ...none }], seed: SEED })
  let made = 0
  const lastTimestamp = `${new Date().toISOString().slice(0, 19)}Z`
  for (let kill = 0; kill < KILLS; kill++) {
    await run.runAndKill(
      async (agent) => {
        // A list has an event that happened twice only as it is now.
        await until(() => api.watching > 0 || agent.exit)
        for (let i = 0; i < 60; i++) {
          const name = `e${made - (made % 3 === 2 ? 1 : 0)}`
          api.put(name, { note: `n=${made++};`, lastTimestamp })
        }
      },
      () => (kill + 1) * 60,
    )
  }
  await run.finish(made)
  expect(run.marks()).toEqual(once(made))
  expect(run.store.conflicts).toBeGreaterThan(0)
})

/** Senders whose records get numbers, and what the agent has told them to be safe. */
class Senders {
  readonly accepted = new Set<number>()
  #given = 0
  readonly #ports: { tcp: number; http: number; forward: number }

  constructor(ports: { tcp: number; http: number; forward: number }) {
    this.#ports = ports
  }

  /** Sends a request, and resolves when it is answered with success, or was cut off. */
  async post(count: number): Promise<void> {
    const numbers = this.#next(count)
    const body = JSON.stringify(numbers.map((n) => ({ log: `n=${n};` })))
    const headers = { 'content-type': 'application/json' }
    const url = `http://127.0.0.1:${this.#ports.http}/app`
    const answer = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined)
    if (answer?.ok === true) this.#accept(numbers)
  }

  /** Sends a message of the forward protocol, and resolves when it is acknowledged, or was cut off. */
  async forward(count: number): Promise<void> {
    const numbers = this.#next(count)
    const client = new Client(this.#ports.forward)
    client.send(
      encode(['app', numbers.map((n) => [1_700_000_000, { log: `n=${n};` }]), { chunk: `c${numbers[0]}` }]),
    )
    await until(() => client.acks.length > 0 || client.closed || client.ended)
    if (client.acks.length > 0) this.#accept(numbers)
    client.socket.destroy()
  }

  /** Sends lines, and resolves when the agent, which must go on, has told that they have settled. */
  async lines(count: number): Promise<void> {
    const numbers = this.#next(count)
    const client = new StreamClient(this.#ports.tcp)
    await client.send(numbers.map((n) => `n=${n};\n`).join(''))
    client.socket.end()
    await until(() => client.ended, { what: 'the end of the connection' })
    this.#accept(numbers)
  }

  #next(count: number): number[] {
    this.#given += count
    return Array.from({ length: count }, (_, i) => this.#given - count + i)
  }

  #accept(numbers: number[]): void {
    for (const n of numbers) this.accepted.add(n)
  }
}

test('with a buffer on disk a store has what was accepted from senders once, over many kill -9', async () => {
  const dir = tmp()
  const [tcp = 0, http = 0, forward = 0] = await freePorts(3)
  const senders = new Senders({ tcp, http, forward })
  const run = await KillRun.start({
    dir,
    seed: SEED,
    service: { 'storage.path': join(dir, 'buffer') },
    inputs: Object.entries({ tcp, http, forward }).map(([name, port]) => ({
      ...{ name, port, tag: 'app', 'storage.type': 'filesystem' },
      ...(name === 'tcp' ? { format: 'none' } : {}),
    })),
  })
  const listening = (agent: Running) =>
    until(
      () =>
        agent.exit ||
        [tcp, http, forward].every((port) => agent.stderr.includes(`listening on 127.0.0.1:${port}`)),
    )
  // Longer than records wait in memory for outputs that are prompt.
  run.store.delayMs = 80
  await run.proxy.down()
  const first = run.startAgent()
  await listening(first)
  for (let i = 0; i < 20; i++) await Promise.all([senders.lines(20), senders.post(20), senders.forward(20)])
  expect(senders.accepted.size).toBe(1200)
  await first.stop('SIGKILL')
  await run.proxy.up()
  for (let kill = 0; kill < KILLS; kill++) {
    let isGiven = false
    await run.runAndKill(
      async (agent) => {
        await listening(agent)
        for (let i = 0; i < 3 && !agent.exit; i++) await Promise.all([senders.post(20), senders.forward(20)])
        isGiven = true
      },
      () => (isGiven ? senders.accepted.size : Number.POSITIVE_INFINITY),
    )
  }
  const missing = (): number[] => {
    const marks = run.marks()
    return [...senders.accepted].filter((n) => !marks.has(String(n)))
  }
  await run.finish(() => missing().length === 0)
  expect([...run.marks()].filter(([, count]) => count > 1)).toEqual([])
  expect(missing()).toEqual([])
  expect(run.store.conflicts).toBeGreaterThan(0)
})
