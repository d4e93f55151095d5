import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { loadLibc } from '../../../../src/lib/fs/libc.ts'
import { Client } from '../../../support/forward/input-run.ts'
import { HttpClient, post } from '../../../support/http/listening-input.ts'
import { freePorts } from '../../../support/ports.ts'
import { StreamClient } from '../../../support/server-run.ts'
import { numbered } from '../../../support/tail/lines.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'
import type { InputBench, MadeRecord } from '../bench.ts'
import type { Source, Texts } from '../source.ts'

/** Unix time of records whose time is that of the source. */
export const SOURCE_SECONDS = 1_700_000_000

export const LONG_LINE = 'x'.repeat(100_000)

/** Returns the line with a number, without its newline. */
export function lineOf(n: number): string {
  return numbered(n).trimEnd()
}

/** Returns the lines of these numbers, each with its newline. */
export function linesOf(from: number, to: number, line = lineOf): string {
  return range(from, to)
    .map((n) => `${line(n)}\n`)
    .join('')
}

/** Returns a function that reads the number of a record from the text under a key. */
export function numberUnder(key: string): (record: MadeRecord['record']) => number {
  return (record) => Number.parseInt(String(record[key]), 10)
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

function listening(bench: InputBench): Promise<void> {
  return bench.until(() => bench.lines.some((line) => line.includes('listening on')), 'the listener')
}

/** The part of a source that listens on a port of loopback. */
async function onPort(
  texts: Texts,
): Promise<{ port: number; texts: Texts; ready: NonNullable<Source['ready']> }> {
  const [port = 0] = await freePorts(1)
  return { port, texts: { port: String(port), ...texts }, ready: listening }
}

/** Senders of lines over connections, which get no answers. */
export async function streamSource(texts: Texts, line: (n: number) => string, key: string): Promise<Source> {
  const isUnix = texts.mode === 'unix_tcp'
  const at = isUnix ? unixPath(texts) : await onPort(texts)
  let open: StreamClient | undefined
  const client = (): StreamClient => {
    open ??= new StreamClient('port' in at ? at.port : at.path)
    return open
  }
  return {
    ...at,
    numberOf: numberUnder(key),
    give: (from, to) => {
      // Not waited for: the input may not read them now.
      void client().send(linesOf(from, to, line))
    },
    giveOversize: () => void client().send(`${LONG_LINE}\n`),
    finish: () => void client().socket.end(),
    hasEnded: () => client().ended,
    end: async () => {
      const closing = open
      open = undefined
      closing?.socket.destroy()
      if (closing !== undefined) await until(() => closing.closed, { what: 'the end of the client' })
    },
  }
}

function unixPath(texts: Texts): {
  path: string
  texts: Texts
  folder: string
  ready: NonNullable<Source['ready']>
} {
  const folder = tmp()
  const path = join(folder, 'socket')
  return { path, folder, texts: { path, ...texts }, ready: listening }
}

/** Senders of datagrams to a port. */
export async function udpSource(texts: Texts, line: (n: number) => string, key: string): Promise<Source> {
  const at = await onPort(texts)
  const socket = createSocket('udp4')
  let isOpen = true
  const end = async (): Promise<void> => {
    if (isOpen) await new Promise<void>((resolve) => socket.close(() => resolve()))
    isOpen = false
  }
  atEnd(end)
  const send = (text: string): Promise<void> =>
    new Promise((resolve) => socket.send(text, at.port, '127.0.0.1', () => resolve()))
  return {
    ...at,
    numberOf: numberUnder(key),
    give: async (from, to, bench) => {
      for (const n of range(from, to)) {
        await send(line(n))
        // So that the kernel does not drop any.
        if (n % 20 === 0) await bench.pass()
      }
    },
    end,
  }
}

const AF_UNIX = 1
/** SOCK_DGRAM, and MSG_DONTWAIT. */
const [DATAGRAM, NOT_WAITING] = [2, 0x40]

/** A sender of datagrams to a Unix socket, which waits while that is full. */
export async function unixDatagramSource(
  texts: Texts,
  line: (n: number) => string,
  key: string,
): Promise<Source> {
  const at = unixPath(texts)
  const libc = await loadLibc({
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
    close: { args: ['i32'], returns: 'i32' },
  })
  if (libc === undefined) throw new Error('there is no C library')
  let fd = -1
  const waiting: string[] = []
  const sendWaiting = (): boolean => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const bytes = Buffer.from(next)
      if (Number(libc.send(fd, bytes, bytes.length, NOT_WAITING)) < 0) return false
      waiting.shift()
    }
    return true
  }
  return {
    ...at,
    ready: async (bench) => {
      await at.ready(bench)
      if (fd >= 0) libc.close(fd)
      fd = libc.socket(AF_UNIX, DATAGRAM, 0)
      const address = Buffer.alloc(110)
      address.writeUInt16LE(AF_UNIX)
      address.write(at.path, 2)
      if (libc.connect(fd, address, address.length) !== 0) throw new Error('cannot connect')
    },
    numberOf: numberUnder(key),
    give: (from, to) => {
      waiting.push(...range(from, to).map(line))
      if (!sendWaiting()) {
        const timer = setInterval(() => {
          if (sendWaiting()) clearInterval(timer)
        }, 1)
        atEnd(() => clearInterval(timer))
      }
    },
    end: () => {
      waiting.length = 0
      if (fd >= 0) libc.close(fd)
      fd = -1
    },
  }
}

/** A sender of the forward protocol that waits for acknowledgements; each message has an id, its first number. */
export async function forwardSource(texts: Texts = {}): Promise<Source> {
  const at = await onPort(texts)
  let client: Client | undefined
  const sent: number[] = []
  const acked = (): number[] => (client?.acks ?? []).map(Number)
  const connected = (): Client => {
    client ??= new Client(at.port)
    return client
  }
  return {
    ...at,
    numberOf: numberUnder('log'),
    give: (from, to) => {
      sent.push(from)
      const entries = range(from, to).map((n) => [SOURCE_SECONDS, { log: lineOf(n) }])
      connected().send(encode(['t', entries, { chunk: String(from) }]))
    },
    giveOversize: () => connected().send(encode(['t', SOURCE_SECONDS, { log: LONG_LINE }])),
    acknowledged: acked,
    refused: () => (client?.ended || client?.closed ? sent.filter((n) => !acked().includes(n)) : []),
    end: async () => {
      client?.socket.destroy()
      if (client !== undefined) await until(() => client?.closed, { what: 'the end of the client' })
      client = undefined
    },
  }
}

interface Request {
  from: number
  to: number
  client: HttpClient
}

/** A client that sends each request on a connection of its own, and again after 503. */
async function requestSource(
  texts: Texts,
  path: string,
  bodyOf: (lines: string[]) => unknown,
): Promise<Source & { resend(): void }> {
  const at = await onPort(texts)
  let requests: Request[] = []
  const send = (from: number, to: number): void => {
    const client = new HttpClient(at.port)
    client.send(post(path, JSON.stringify(bodyOf(range(from, to).map(lineOf)))))
    requests.push({ from, to, client })
  }
  const withStatus = (fits: (status: number) => boolean): number[] =>
    requests.filter(({ client }) => fits(client.answers[0]?.status ?? 0)).map(({ from }) => from)
  return {
    ...at,
    numberOf: numberUnder('log'),
    give: send,
    giveOversize: () => {
      const client = new HttpClient(at.port)
      client.send(post(path, JSON.stringify(bodyOf([LONG_LINE]))))
      requests.push({ from: -1, to: 0, client })
    },
    acknowledged: () => withStatus((status) => status >= 200 && status < 300),
    refused: () => withStatus((status) => status >= 300),
    resend: () => {
      const refused = requests.filter(({ client }) => client.answers[0]?.status === 503)
      requests = requests.filter((request) => !refused.includes(request))
      for (const { from, to, client } of refused) {
        client.socket.destroy()
        send(from, to)
      }
    },
    end: async () => {
      for (const { client } of requests) client.socket.destroy()
      await until(() => requests.every(({ client }) => client.closed), { what: 'the end of the clients' })
    },
  }
}

export const httpSource = (texts: Texts = {}): Promise<Source> =>
  requestSource(texts, '/t', (lines) => lines.map((log) => ({ log })))

export const otlpSource = (texts: Texts = {}): Promise<Source> =>
  requestSource(texts, '/v1/logs', (lines) => ({
    resourceLogs: [
      {
        scopeLogs: [
          {
            logRecords: lines.map((stringValue) => ({
              timeUnixNano: `${SOURCE_SECONDS}000000000`,
              body: { stringValue },
            })),
          },
        ],
      },
    ],
  }))
