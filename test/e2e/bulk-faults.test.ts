import { expect, test } from 'bun:test'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { section } from '../support/kafka/agent.ts'
import { type Running, start } from '../support/process.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const RECORDS = 3000

/** A store of documents on a socket that misbehaves as its test says. */
class Store {
  /** Number of times that each line was written. */
  readonly lines = new Map<string, number>()
  readonly ids = new Set<string>()
  requests = 0
  readonly #server: Server
  /** Called for a request; returns true when it has answered. */
  fault: (request: IncomingMessage, response: ServerResponse, index: number, body: string) => boolean = () =>
    false
  /** Returns the status of an operation that would be written. */
  itemStatus: (index: number, line: string) => number = () => 201
  /** Called before the answer to a request whose operations are written; true: there is none. */
  cut: (response: ServerResponse, index: number, answer: string) => boolean = () => false
  #operations = 0

  constructor() {
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = []
      request.on('error', () => {})
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => this.#answer(request, response, Buffer.concat(pieces).toString()))
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    atEnd(() => {
      this.#server.closeAllConnections()
      this.#server.close()
    })
    return (this.#server.address() as AddressInfo).port
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const index = this.requests++
    if (this.fault(request, response, index, body)) return
    const lines = body.split('\n').slice(0, -1)
    const items: object[] = []
    for (let i = 0; i < lines.length; i += 2) {
      const { create } = JSON.parse(lines[i] as string) as { create: { _id: string } }
      const { log } = JSON.parse(lines[i + 1] as string) as { log: string }
      items.push({ create: this.#write(create._id, log) })
    }
    const errors = items.some((item) => (item as { create: { status: number } }).create.status > 201)
    const answer =
      index % 2 === 0
        ? JSON.stringify({ took: 1, errors, items })
        : JSON.stringify({ items, errors, took: 1 })
    if (!this.cut(response, index, answer)) response.setHeader('content-type', 'application/json').end(answer)
  }

  #write(id: string, line: string): { status: number; error?: { type: string; reason: string } } {
    if (this.ids.has(id))
      return { status: 409, error: { type: 'version_conflict_engine_exception', reason: 'exists' } }
    const status = this.itemStatus(this.#operations++, line)
    if (status === 201) {
      this.ids.add(id)
      this.lines.set(line, (this.lines.get(line) ?? 0) + 1)
      return { status }
    }
    const type = { 400: 'mapper_parsing_exception', 429: 'es_rejected_execution_exception' }[status]
    return { status, error: { type: type ?? 'unavailable_shards_exception', reason: `no: ${status}` } }
  }
}

/** Starts an agent that sends `a.log` to a store. */
async function leaf(
  store: Store,
  options: Record<string, string | number> = {},
): Promise<{ dir: string; agent: Running }> {
  const dir = tmp()
  const port = await store.listen()
  writeFileSync(join(dir, 'a.log'), '')
  const input = {
    name: 'tail',
    tag: 'app',
    path: join(dir, 'a.log'),
    db: join(dir, 'pos.db'),
    read_from_head: 'on',
  }
  const output = { name: 'es', match: '*', host: '127.0.0.1', port, ...options }
  const service = { flush: 0.1, grace: 5, 'scheduler.base': 1, 'scheduler.cap': 1 }
  writeFileSync(
    join(dir, 'agent.conf'),
    [section('SERVICE', service), section('INPUT', input), section('OUTPUT', output)].join('\n'),
  )
  return { dir, agent: start(['-c', join(dir, 'agent.conf')]) }
}

function append(dir: string, from: number, count: number, text = ''): void {
  appendFileSync(
    join(dir, 'a.log'),
    Array.from({ length: count }, (_, i) => `line ${from + i}${text}\n`).join(''),
  )
}

function lettersIn(dir: string): { line: string; reason: string }[] {
  const names = readdirSync(dir).filter((name) => /^dead-letters\..*\.jsonl(\.\d+)?$/.test(name))
  const rows = names
    // A row that is being written has no end yet.
    .flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1))
  return rows.map((row) => {
    const { record, reason } = JSON.parse(row) as { record: string; reason: string }
    const [, { log }] = decode(Buffer.from(record, 'base64')) as [unknown, { log: string }]
    return { line: log, reason }
  })
}

/** Waits until all lines have a fate, stops the agent and checks that each has one. */
async function settled(store: Store, dir: string, agent: Running, count = RECORDS): Promise<void> {
  await until(() => store.lines.size + lettersIn(dir).length >= count, {
    what: () =>
      `${store.lines.size} written, ${lettersIn(dir).length} put aside\n${agent.stderr.slice(-2000)}`,
  })
  await agent.stop()
  const letters = lettersIn(dir).map(({ line }) => line)
  expect([...store.lines.values()].filter((times) => times !== 1)).toEqual([])
  expect(new Set(letters).size).toBe(letters.length)
  expect(letters.filter((line) => store.lines.has(line))).toEqual([])
  expect(store.lines.size + letters.length).toBe(count)
}

test('items that are refused, throttled or failed in any order: each line is there once, or in the dead letters with type and reason', async () => {
  const store = new Store()
  store.itemStatus = (index, line) =>
    line.endsWith('7 ') ? 400 : index % 11 === 3 ? 429 : index % 13 === 5 ? 503 : 201
  const { dir, agent } = await leaf(store)
  append(dir, 0, RECORDS, ' ')
  await settled(store, dir, agent)
  const letters = lettersIn(dir)
  expect(letters).toHaveLength(RECORDS / 10)
  expect(letters.every(({ line }) => line.endsWith('7 '))).toBe(true)
  expect(letters[0]?.reason).toContain('400 mapper_parsing_exception: no: 400')
})

test('answers that are cut, missing or late after the documents were written: nothing is there twice', async () => {
  const store = new Store()
  store.cut = (response, index, answer) => {
    if (index % 4 === 0) response.socket?.destroy()
    else if (index % 4 === 1) {
      response.writeHead(200, { 'content-length': answer.length })
      response.write(answer.slice(0, answer.length / 2), () => response.socket?.destroy())
    } else if (index % 4 === 2) response.end(answer.slice(0, -4))
    else return false
    return true
  }
  const { dir, agent } = await leaf(store)
  for (let i = 0; i < 6; i++) {
    append(dir, i * 500, 500)
    await until(() => store.lines.size >= (i + 1) * 500)
  }
  await settled(store, dir, agent)
  expect(lettersIn(dir)).toEqual([])
})

test('killed again and again while documents are written, equal lines among them: each line is there once', async () => {
  const store = new Store()
  const first = await leaf(store)
  let { agent } = first
  const text = (n: number): string => `line ${n % 50}\n`
  const written = (): number => [...store.lines.values()].reduce((sum, times) => sum + times, 0)
  for (let round = 0; round < 8; round++) {
    appendFileSync(
      join(first.dir, 'a.log'),
      Array.from({ length: 400 }, (_, i) => text(round * 400 + i)).join(''),
    )
    const before = written()
    await until(() => written() > before)
    agent.child.kill('SIGKILL')
    await agent.ended()
    agent = start(['-c', join(first.dir, 'agent.conf')])
  }
  await until(() => written() >= 3200, { what: () => `${written()} written\n${agent.stderr.slice(-1500)}` })
  await agent.stop()
  expect(store.lines.size).toBe(50)
  expect([...store.lines.values()].filter((times) => times !== 64)).toEqual([])
})

for (const [what, status, body, words] of [
  [
    'a wrong token',
    401,
    '{"error":{"type":"security_exception","reason":"unable to authenticate"}}',
    'the credentials are refused: 401 security_exception: unable to authenticate',
  ],
  [
    'a page of a proxy',
    200,
    '<!DOCTYPE html><html><title>Sign in</title></html>',
    'the answer cannot be read: it is not JSON',
  ],
  [
    'a page of a proxy that fails',
    502,
    '<html><title>Bad gateway</title></html>',
    '502, an HTML page with the title "Bad gateway", as from a proxy',
  ],
  ['a missing path', 404, 'nothing here', 'nothing accepts records at this path: 404 nothing here'],
  [
    'a missing pipeline',
    400,
    '{"error":{"type":"illegal_argument_exception","reason":"pipeline with id [x] does not exist"},"status":400}',
    'every request is refused: 400 illegal_argument_exception: pipeline with id [x] does not exist',
  ],
] as const)
  test(`${what}: the log says so, and nothing is lost when it is repaired`, async () => {
    const store = new Store()
    let isBroken = true
    store.fault = (_, response) => {
      if (isBroken) response.writeHead(status).end(body)
      return isBroken
    }
    const { dir, agent } = await leaf(store)
    append(dir, 0, 300)
    await until(() => agent.stderr.includes(JSON.stringify(words).slice(1, -1)), {
      what: () => agent.stderr.slice(-1500),
    })
    isBroken = false
    await settled(store, dir, agent, 300)
    expect(lettersIn(dir)).toEqual([])
  }, 120_000)

test('413 above a size: requests become smaller, and a record that is larger alone is put aside', async () => {
  const store = new Store()
  store.fault = (_, response, __, body) => {
    if (body.length <= 100_000) return false
    response.writeHead(413).end('too large')
    return true
  }
  const { dir, agent } = await leaf(store)
  append(dir, 0, 1000, ` ${'x'.repeat(300)}`)
  append(dir, 1000, 1, ` ${'y'.repeat(150_000)}`)
  append(dir, 1001, 99)
  await settled(store, dir, agent, 1100)
  const letters = lettersIn(dir)
  expect(letters.map(({ line }) => line.slice(0, 10))).toEqual(['line 1000 '])
  expect(letters[0]?.reason).toContain('it is too large')
})
