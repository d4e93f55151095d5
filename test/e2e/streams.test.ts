import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { shortOrLong } from '../support/long.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { connectAll, connected } from '../support/socket-client.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until, untilReaches } from '../support/until.ts'

const SENDERS = shortOrLong(1000, 5000)
const LINES = 20

/** Runs an input; its records are lines of JSON. */
async function running(input: string, options: string[]): Promise<{ run: Running; port: number }> {
  const [port = 0] = await freePorts(1)
  const texts = [`port=${port}`, ...options].flatMap((text) => ['-p', text])
  const run = start([
    '-i',
    input,
    ...texts,
    '-o',
    'stdout',
    '-p',
    'format=json_lines',
    '-p',
    'json_date_key=false',
    '-f',
    '0.2',
  ])
  await until(() => run.stderr.includes('listening on'))
  return { run, port }
}

const send = (socket: Socket, text: string): Promise<void> =>
  new Promise((resolve) => void socket.write(text, () => resolve()))

/** Returns the largest resident memory of a process so far, in MB. */
function peakOf({ pid }: Running): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000
}

const recordsOf = ({ stdout }: Running): number => stdout.split('\n').length - 1

test('many senders that stop within a line, close their side, or break off lose nothing, in flat memory', async () => {
  const { run, port } = await running('tcp', ['format=none', `max_connections=${2 * SENDERS}`])
  const sockets = await connectAll(port, SENDERS)
  const line = (i: number, n: number): string => `${i} ${n} ${'x'.repeat(100)}\n`
  await Promise.all(
    sockets.map((socket, i) =>
      send(
        socket,
        Array.from({ length: LINES }, (_, n) => line(i, n))
          .join('')
          .concat(`${i} half `),
      ),
    ),
  )
  await untilReaches(SENDERS * LINES, () => recordsOf(run))
  const peakMb = peakOf(run)
  sockets.forEach((socket, i) => {
    if (i % 3 === 0) socket.resetAndDestroy()
    else if (i % 3 === 1) socket.end('end')
    else socket.end('end\n')
  })
  await untilReaches(SENDERS * (LINES + 1), () => recordsOf(run))
  await run.stop()
  const logs = run.stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => (JSON.parse(text) as { log: string }).log)
  expect(new Set(logs).size).toBe(SENDERS * (LINES + 1))
  expect(logs.filter((log) => log.endsWith(' half end')).length).toBe(SENDERS - Math.ceil(SENDERS / 3))
  // Some 20 KB for a connection, besides what the program takes.
  expect(peakMb).toBeLessThan(60 + SENDERS / 50)
})

test('a flood of syslog over TCP, framed by lines and by octet counting, is read to the last message and in order', async () => {
  const { run, port } = await running('syslog', ['mode=tcp', `max_connections=${2 * SENDERS}`])
  const sockets = await connectAll(port, 100)
  const message = (i: number, n: number): string =>
    `<34>1 2026-11-30T08:18:11.123Z host app ${i} ID1 - message ${n}`
  await Promise.all(
    sockets.map(async (socket, i) => {
      for (let part = 0; part < 10; part++) {
        const texts = Array.from({ length: 100 }, (_, n) => message(i, part * 100 + n))
        // Half of them count octets.
        await send(
          socket,
          i % 2 === 0 ? `${texts.join('\n')}\n` : texts.map((text) => `${text.length} ${text}`).join(''),
        )
      }
      socket.end()
    }),
  )
  await untilReaches(100_000, () => recordsOf(run))
  await run.stop()
  const records = run.stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Record<string, string>)
  expect(records).toHaveLength(100_000)
  const bySender = Map.groupBy(records, ({ pid }) => pid)
  for (const own of bySender.values())
    expect(own.map(({ message: text }) => text)).toEqual(
      Array.from({ length: 1000 }, (_, n) => `message ${n}`),
    )
})

test('a kill loses what was not delivered, and the next run starts on the same port and socket', async () => {
  const { run, port } = await running('tcp', ['format=none'])
  const socket = await connected(port)
  await send(socket, 'one\n')
  await until(() => recordsOf(run) === 1)
  process.kill(run.pid, 'SIGKILL')
  await run.exited
  const next = start(['-i', 'tcp', '-p', `port=${port}`, '-p', 'format=none', '-o', 'stdout', '-f', '0.1'])
  await until(() => next.stderr.includes('listening on'))
  const again = await connected(port)
  await send(again, 'two\n')
  await until(() => next.stdout.includes('two'))
  expect(next.stderr).toContain('senders get no acknowledgements')
  await next.stop()
})

test('a parser of the configuration takes the place of the built-in one that syslog uses by default', async () => {
  const [port = 0] = await freePorts(1)
  const folder = tmp()
  const parser = '[PARSER]\n    Name   syslog-rfc5424\n    Format regex\n    Regex  ^(?<all>.*)$\n'
  const input = `[INPUT]\n    Name   syslog\n    Mode   tcp\n    Port   ${port}\n`
  const output = '[OUTPUT]\n    Name   stdout\n    Match  *\n    Format json_lines\n    Json_Date_Key false\n'
  writeFileSync(join(folder, 'parsers.conf'), parser)
  const service = '[SERVICE]\n    Flush  0.1\n    Parsers_File parsers.conf\n'
  writeFileSync(join(folder, 'main.conf'), service + input + output)
  const run = start(['-c', join(folder, 'main.conf')])
  await until(() => run.stderr.includes('listening on'))
  const socket = await connected(port)
  await send(socket, '<34>1 anything\n<34>Nov 30 08:18:11 host app: built in\n')
  await until(() => recordsOf(run) === 2)
  await run.stop()
  const [own, builtIn] = run.stdout
    .split('\n')
    .slice(0, 2)
    .map((text) => JSON.parse(text) as Record<string, string>)
  expect(own).toEqual({ all: '<34>1 anything' })
  expect(builtIn?.message).toBe('built in')
})
