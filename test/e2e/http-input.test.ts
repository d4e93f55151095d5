import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { HttpClient, post } from '../support/http/listening-input.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, run, start } from '../support/process.ts'
import { testWith } from '../support/skip.ts'
import { connectAll } from '../support/socket-client.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const RECORDS = 2000

/** Starts the binary with an input http, whose records go to a file. */
async function started(more = ''): Promise<{ agent: Running; port: number; out: string; dir: string }> {
  const dir = tmp()
  const out = join(dir, 'out.jsonl')
  const [port = 0] = await freePorts(1)
  const conf = join(dir, 'agent.conf')
  writeFileSync(
    conf,
    `[SERVICE]\n    Flush 1\n[INPUT]\n    Name http\n    Port ${port}\n${more}[OUTPUT]\n    Name file\n    Match *\n    File ${out}\n    Format plain\n`,
  )
  const agent = start(['-c', conf])
  await agent.waitForStderr('listening on')
  return { agent, port, out, dir }
}

const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean)

testWith('curl')('what curl sends in each way is written when it has its answer', async () => {
  const { agent, port, out, dir } = await started()
  const text = Array.from({ length: RECORDS }, (_, n) => JSON.stringify({ n, text: 'of a curl' })).join('\n')
  writeFileSync(join(dir, 'body'), text)
  writeFileSync(join(dir, 'body.gz'), gzipSync(text))
  const url = `http://127.0.0.1:${port}/curl`
  const json = ['-H', 'Content-Type: application/json']
  const ways = [
    [...json, '--data-binary', `@${join(dir, 'body')}`],
    [...json, '-H', 'Transfer-Encoding: chunked', '--data-binary', `@${join(dir, 'body')}`],
    [...json, '-H', 'Content-Encoding: gzip', '--data-binary', `@${join(dir, 'body.gz')}`],
    [...json, '-H', 'Expect: 100-continue', '--data-binary', `@${join(dir, 'body')}`],
    [...json, '--http1.0', '--data-binary', `@${join(dir, 'body')}`],
  ]
  for (const [i, way] of ways.entries()) {
    const args = ['-sS', '--max-time', '60', '-w', '%{http_code}', ...way, url]
    expect(await run(args, { command: ['curl'] })).toMatchObject({ code: 0, stdout: '201' })
    expect(linesOf(out)).toHaveLength((i + 1) * RECORDS)
  }
  const form = await run(['-sS', '-w', '%{http_code}', '-d', 'a=1&b=x%20y', url], { command: ['curl'] })
  expect(form.stdout).toBe('201')
  expect(linesOf(out).at(-1)).toBe('{"a":"1","b":"x y"}')
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

test('kill -9 while clients send loses no request that was answered', async () => {
  const dir = tmp()
  const answered = new Set<number>()
  let out = ''
  let next = 0
  for (let round = 0; round < 5; round++) {
    const agent = await started()
    const goal = answered.size + 300
    const clients = Array.from({ length: 8 }, () => new HttpClient(agent.port))
    const sending = clients.map(async (client) => {
      for (let i = 1; !client.closed && !client.ended; i++) {
        const n = next++
        client.send(post('/t', `{"n":${n}}`))
        await until(() => client.answers.length >= i || client.closed || client.ended)
        if (client.answers[i - 1]?.status === 201) answered.add(n)
      }
    })
    await until(() => answered.size >= goal)
    await agent.agent.stop('SIGKILL')
    await Promise.all(sending)
    out += readFileSync(agent.out, 'utf8')
  }
  writeFileSync(join(dir, 'all'), out)
  const written = new Set([...out.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n)))
  expect([...answered].filter((n) => !written.has(n))).toEqual([])
})

/** Returns the resident memory of a process in MB. */
function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000
}

test('1,000 slow senders of large bodies take less than 64 MB, and others are served meanwhile', async () => {
  const { agent, port, out } = await started('    Max_Connections 2000\n')
  const head =
    'POST /slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3900000\r\n\r\n'
  const senders = await connectAll(port, 1000)
  for (const socket of senders) socket.write(`${head}{"a":"`)
  let most = 0
  const client = new HttpClient(port)
  for (let round = 1; round <= 50; round++) {
    for (const socket of senders) if (socket.writableLength < 100_000) socket.write('x'.repeat(2000))
    client.send(post('/t', `{"n":${round}}`))
    expect((await client.answer(round)).status).toBe(201)
    most = Math.max(most, residentMb(agent.pid))
  }
  for (const socket of senders) socket.destroy()
  expect(linesOf(out)).toHaveLength(50)
  expect(most).toBeLessThan(64)
})

test('1,000 senders of bursts of 180 KB take less than 120 MB, and each gets an answer or the end of its connection', async () => {
  const { agent, port } = await started()
  const request = post(
    '/t',
    JSON.stringify(Array.from({ length: 900 }, (_, n) => ({ n, text: 'x'.repeat(180) }))),
  )
  const MAX_REQUESTS = 3000
  const over = { accepted: 0, refused: 0, closed: 0 }
  let sent = 0
  let most = 0
  const send = (socket: Socket): void => {
    if (sent === MAX_REQUESTS) return
    sent++
    socket.write(request)
  }
  for (let i = 0; i < 1000; i++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let isWaiting = true
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      over[bytes.toString('latin1', 9, 12) === '201' ? 'accepted' : 'refused']++
      most = Math.max(most, residentMb(agent.pid))
      isWaiting = sent < MAX_REQUESTS
      send(socket)
    })
    socket.on('close', () => {
      if (isWaiting) over.closed++
    })
    atEnd(() => void socket.destroy())
    send(socket)
  }
  await until(() => over.accepted + over.refused + over.closed >= 1000 && over.accepted > 0)
  await until(() => {
    most = Math.max(most, residentMb(agent.pid))
    return over.accepted + over.refused + over.closed >= sent
  })
  expect(most).toBeLessThan(120)
})

test('lines of text are read by the parser, and those that it does not match are kept', async () => {
  const { port, out } = await started(
    '    Parser  level\n[PARSER]\n    Name   level\n    Format regex\n    Regex  ^(?<level>[A-Z]+) (?<n>\\d+)$\n    Types  n:integer\n',
  )
  const client = new HttpClient(port)
  client.send(post('/t', 'INFO 5\nother\nWARN 6', { 'Content-Type': 'text/plain' }))
  expect((await client.answer()).status).toBe(201)
  expect(linesOf(out)).toEqual(['{"level":"INFO","n":5}', '{"log":"other"}', '{"level":"WARN","n":6}'])
})

test('the log says what to set on a sender that uses gRPC or HTTP/2', async () => {
  const [port = 0, other = 0] = await freePorts(2)
  const args = [
    '-i',
    'http',
    '-p',
    `port=${port}`,
    '-i',
    'opentelemetry',
    '-p',
    `port=${other}`,
    '-o',
    'null',
  ]
  const agent = start(args)
  await agent.waitForStderr(`listening on 127.0.0.1:${other}`)
  for (const at of [port, other]) new HttpClient(at).send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  await agent.waitForStderr('--http1.1')
  await agent.waitForStderr('OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf')
})

test('-D says what the inputs listen on, and opens nothing', async () => {
  const [port = 0] = await freePorts(1)
  const args = ['-D', '-i', 'http', '-p', `port=${port}`, '-i', 'opentelemetry', '-p', 'port=1', '-o', 'null']
  const dry = await run(args)
  expect(dry.code).toBe(0)
  expect(`${dry.stdout}${dry.stderr}`).toContain(`listens on 127.0.0.1:${port}`)
  expect(`${dry.stdout}${dry.stderr}`).toContain('listens on 127.0.0.1:1')
})
