import { describe, expect, test } from 'bun:test'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { decodeMulti } from '@msgpack/msgpack'
import type { ShipperError } from '../../../../src/core/error.ts'
import { loadLibc } from '../../../../src/lib/fs/libc.ts'
import { spec } from '../../../../src/plugins/inputs/syslog/index.ts'
import { type ServerRun, StreamClient, serverIn } from '../../../support/server-run.ts'
import { peerOrSkip } from '../../../support/skip.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const WMEM_MAX = Number(readFileSync('/proc/sys/net/core/wmem_max', 'latin1'))
const testOfLarge = peerOrSkip(
  'a sender of 2 MB',
  process.getuid?.() === 0 || WMEM_MAX > 2_200_000,
  'net.core.wmem_max is too small',
  'nowhere',
)
const LINE = '<34>Nov 30 08:18:11 host app[42]: hello'
const messages = (records: Record<string, unknown>[]): unknown[] => records.map(({ message }) => message)

/** Sends datagrams to a Unix socket. The runtime has no such sockets. */
async function sendTo(path: string, ...datagrams: (string | Buffer)[]): Promise<void> {
  const send = await unixSender(path)
  for (const datagram of datagrams)
    while (!send(datagram)) await new Promise((resolve) => setImmediate(resolve))
}

/** Returns what sends a datagram without waiting; false when the socket does not take it now. */
async function unixSender(path: string): Promise<(datagram: string | Buffer) => boolean> {
  const libc = await loadLibc({
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    sendto: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'u32'], returns: 'i64' },
    setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
    close: { args: ['i32'], returns: 'i32' },
  })
  if (libc === undefined) throw new Error('these tests run under bun')
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(path), Buffer.from([0])])
  const fd = libc.socket(1, 2, 0)
  // SO_SNDBUF, and SO_SNDBUFFORCE for root.
  for (const option of [7, 32]) libc.setsockopt(fd, 1, option, Int32Array.of(8_000_000), 4)
  atEnd(() => void libc.close(fd))
  return (datagram) => {
    const bytes = Buffer.from(datagram as string)
    // A pointer to no bytes is no pointer.
    const data = bytes.length === 0 ? Buffer.alloc(1) : bytes
    return Number(libc.sendto(fd, data, bytes.length, 0x40, address, address.length)) === bytes.length
  }
}

async function unixRun(options: Record<string, string> = {}): Promise<{ run: ServerRun; path: string }> {
  const path = join(tmp(), 'log.sock')
  return { run: await serverIn(spec, { path, ...options }), path }
}

async function logger(...args: string[]): Promise<void> {
  const child = spawn('logger', args)
  atEnd(() => void child.kill())
  const [code] = (await once(child, 'exit')) as [number]
  expect(code).toBe(0)
}

describe('the input syslog', () => {
  test('reads messages of connections, framed by line feeds or by octet counting', async () => {
    const run = await serverIn(spec, { mode: 'tcp' })
    const clients = [new StreamClient(run.port), new StreamClient(run.port)]
    await clients[0]?.send(`${LINE}\n${LINE}`)
    clients[0]?.socket.end()
    await clients[1]?.send(`${LINE.length} ${LINE}${LINE.length} ${LINE}`)
    expect(messages(await run.has(4))).toEqual(['hello', 'hello', 'hello', 'hello'])
  })

  test('reads datagrams of UDP', async () => {
    const run = await serverIn(spec, { mode: 'udp', raw_message_key: 'raw' })
    const socket = createSocket('udp4')
    atEnd(() => void socket.close())
    for (const text of [LINE, `${LINE}\nmore`, 'odd'])
      await new Promise<void>((resolve) => void socket.send(text, run.port, '127.0.0.1', () => resolve()))
    const records = await run.has(3)
    expect(messages(records)).toEqual(['hello', 'hello\nmore', 'odd'])
    expect(Buffer.from(records[1]?.raw as Uint8Array).toString()).toBe(`${LINE}\nmore`)
    expect(run.counter('parse_failed')).toBe(1)
  })

  test('has facility and severity in place of the star of its tag, of connections and datagrams', async () => {
    const texts = [LINE, '<191>odd', '<192>odd', '<34odd', 'odd', '<8>1 - - - - - - x', LINE]
    const tags = [
      'auth.crit',
      'local7.debug',
      'unmatched',
      'unmatched',
      'unmatched',
      'user.emerg',
      'auth.crit',
    ]
    const found = (run: ServerRun): string[] =>
      run.output.chunks.flatMap(({ tag, bytes }) =>
        [...decodeMulti(bytes)].map(
          (entry) => `${tag} ${(entry as [unknown, { message: string }])[1].message}`,
        ),
      )
    const expected = texts.map(
      (text, i) => `s.${tags[i]} ${text === LINE ? 'hello' : text.replace(/^<8>.* /, '')}`,
    )
    for (const mode of ['tcp', 'udp']) {
      const run = await serverIn(spec, { mode }, { common: { tag: 's.*' } })
      if (mode === 'tcp') {
        const client = new StreamClient(run.port)
        await client.send(texts.map((text) => `${text}\n`).join(''))
        client.socket.end()
      } else {
        const socket = createSocket('udp4')
        atEnd(() => void socket.close())
        for (const text of texts)
          await new Promise<void>((resolve) => void socket.send(text, run.port, '127.0.0.1', () => resolve()))
      }
      await run.has(texts.length)
      expect(found(run).toSorted()).toEqual(expected.toSorted())
      // Both records of one tag are in one chunk.
      expect(run.output.chunks).toHaveLength(4)
    }
  })

  test('a connection whose messages have several tags is answered when all of them have settled', async () => {
    const run = await serverIn(spec, { mode: 'tcp' }, { common: { tag: 's.*' } })
    run.output.refused = /crit/
    const client = new StreamClient(run.port)
    await client.send(`${LINE}\n<191>odd\n${LINE}\n`)
    client.socket.end()
    await run.has(1)
    expect(client.ended).toBe(false)
    run.output.refused = undefined
    await run.has(3)
    await until(() => client.ended)
  })

  test('reads the datagrams of a Unix socket, one message each, empty ones included', async () => {
    const { run, path } = await unixRun({ unix_perm: '0620' })
    expect(statSync(path).mode & 0o7777).toBe(0o620)
    await sendTo(path, '<13>Nov 30 08:18:11 app: one', '', 'two\nlines', '', '', 'x'.repeat(200_000), 'last')
    const records = await run.has(4)
    expect(messages(records)).toEqual(['one', 'two\nlines', 'x'.repeat(200_000), 'last'])
    await run.close()
    expect(existsSync(path)).toBe(false)
  })

  test('many datagrams of a Unix socket arrive completely and in order: the senders wait', async () => {
    const { run, path } = await unixRun()
    const numbers = Array.from({ length: 5000 }, (_, i) => i)
    await sendTo(path, ...numbers.map((n) => `<13>Nov 30 08:18:11 app: ${n}`))
    expect(messages(await run.has(5000))).toEqual(numbers.map(String))
  })

  test('does not read the datagrams of a Unix socket while its memory is used up, and loses none', async () => {
    const path = join(tmp(), 'log.sock')
    const run = await serverIn(spec, { path }, { common: { mem_buf_limit: '100K' } })
    run.output.blocked = true
    const numbers = Array.from({ length: 5000 }, (_, i) => i)
    const sent = sendTo(path, ...numbers.map((n) => `<13>Nov 30 08:18:11 app: ${n} ${'x'.repeat(900)}`))
    await until(() => run.output.waiting > 0)
    run.output.open()
    await sent
    const got = messages(await run.has(5000)).map((text) => Number(String(text).split(' ')[0]))
    expect(got).toEqual(numbers)
    expect(run.counter('lost_datagrams')).toBe(0)
  })

  testOfLarge(
    'takes datagrams of 2 MB of a Unix socket whole, and reports what it cuts of a larger one',
    async () => {
      const path = join(tmp(), 'log.sock')
      const run = await serverIn(spec, { path }, { common: { mem_buf_limit: '100K' } })
      const head = '<13>Nov 30 08:18:11 app: '
      const lengths = [524_288, 1_048_576, 2_097_152, 2_097_153, 2_100_000]
      await sendTo(path, ...lengths.map((n) => head + 'x'.repeat(n - head.length)), 'last')
      const records = await run.has(6)
      expect(records.map(({ message, truncated }) => [String(message).length, truncated])).toEqual([
        [524_288 - head.length, undefined],
        [1_048_576 - head.length, undefined],
        [2_097_152 - head.length, undefined],
        [2_097_152, true],
        [2_097_152, true],
        [4, undefined],
      ])
      expect(run.counter('lost_bytes', 'long_line')).toBe(1 + 2_848)
      expect(run.counter('long_line_truncated')).toBe(2)
      expect(run.logged.filter((text) => text.includes('was cut')).map((text) => text.slice(0, 50))).toEqual([
        expect.stringContaining('a datagram of 2097153 bytes'),
        expect.stringContaining('a datagram of 2100000 bytes'),
      ])
      await run.close()
    },
  )

  testOfLarge('cuts a datagram of a Unix socket between two characters', async () => {
    const { run, path } = await unixRun()
    await sendTo(path, `x${'é'.repeat(1_048_576)}`)
    const [record] = await run.has(1)
    expect(record).toEqual({ message: `x${'é'.repeat(1_048_575)}`, truncated: true })
    expect(run.counter('lost_bytes', 'long_line')).toBe(2)
  })

  test('datagrams of a Unix socket that come during a stop are read, or refused to their sender', async () => {
    const { run, path } = await unixRun()
    await sendTo(path, ...Array.from({ length: 8 }, (_, n) => `<13>Nov 30 08:18:11 app: ${n}`))
    await run.stopReading()
    expect((await unixSender(path))('late')).toBe(false)
    expect(messages(run.records())).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
  })

  test('reads the connections of a Unix socket', async () => {
    const { run, path } = await unixRun({ mode: 'unix_tcp', source_address_key: 'from' })
    expect(statSync(path).mode & 0o7777).toBe(0o644)
    const client = new StreamClient(path)
    await client.send('<13>Nov 30 08:18:11 app: one\n')
    expect(await run.has(1)).toEqual([
      { pri: '13', time: 'Nov 30 08:18:11', ident: 'app', message: 'one', from: 'unix://' },
    ])
  })

  test('takes over a socket that nobody listens on, and nothing else', async () => {
    for (const mode of ['unix_udp', 'unix_tcp']) {
      const folder = tmp()
      const stale = join(folder, 'stale')
      // Another name of the socket stays when the server closes.
      const { run, path } = await unixRun({ mode })
      const { linkSync } = await import('node:fs')
      linkSync(path, stale)
      await expect(serverIn(spec, { mode, path })).rejects.toThrow(path)
      await run.close()
      expect(existsSync(stale)).toBe(true)
      const next = await serverIn(spec, { mode, path: stale })
      expect(next.logged.join()).toContain(stale)
      const file = join(folder, 'file')
      writeFileSync(file, 'precious')
      const error = await serverIn(spec, { mode, path: file }).catch((reason: unknown) => reason)
      expect((error as ShipperError).code).toBe('E_LISTEN')
      expect(statSync(file).size).toBe(8)
    }
  })

  test('does not take over a socket of the other kind that is in use', async () => {
    const path = join(tmp(), 'stream')
    const server = createServer()
    atEnd(() => void server.close())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    await expect(serverIn(spec, { path })).rejects.toThrow(path)
    expect(existsSync(path)).toBe(true)
    const datagrams = await unixRun()
    await expect(serverIn(spec, { mode: 'unix_tcp', path: datagrams.path })).rejects.toThrow(datagrams.path)
    expect(existsSync(datagrams.path)).toBe(true)
  })

  test('refuses a configuration without Path, with a path that is too long, or with TLS where there is none', async () => {
    for (const [options, text] of [
      [{}, 'needs Path'],
      [{ mode: 'unix_tcp', path: '' }, 'needs Path'],
      [{ path: join(tmp(), 'x'.repeat(120)) }, 'at most 107 bytes'],
      [{ path: join(tmp(), 'none', 's') }, 'none does not exist'],
      [{ mode: 'udp', tls: 'on', 'tls.crt_file': 'a', 'tls.key_file': 'b' }, 'no TLS'],
      [{ mode: 'tcp', raw_message_key: 'message' }, 'cannot be "message"'],
    ] as const)
      await expect(serverIn(spec, options)).rejects.toThrow(text)
  })

  const testWithLogger = peerOrSkip(
    'logger',
    spawnSync('logger', ['--version']).status === 0,
    'no `logger` on PATH',
  )

  testWithLogger(
    'reads what logger(1) sends in each of its formats, over UDP, TCP and a Unix socket',
    async () => {
      const { run: unix, path } = await unixRun()
      await logger('-u', path, '-t', 'app', 'over unix')
      await logger('-u', path, '-t', 'app', '--rfc5424', 'over unix, 5424')
      const tcp = await serverIn(spec, { mode: 'tcp' })
      for (const more of [[], ['--rfc5424'], ['--rfc3164'], ['--octet-count']])
        await logger('-n', '127.0.0.1', '-P', String(tcp.port), '-T', '-t', 'app', '-i', ...more, 'over tcp')
      const udp = await serverIn(spec, { mode: 'udp' })
      for (const more of [['--rfc5424'], ['--rfc3164']])
        await logger('-n', '127.0.0.1', '-P', String(udp.port), '-d', '-t', 'app', ...more, 'over udp')
      const parsed = (records: Record<string, unknown>[]): unknown[] =>
        records.map(({ ident, message }) => [ident, message])
      expect(parsed(await unix.has(2))).toEqual([
        ['app', 'over unix'],
        ['app', 'over unix, 5424'],
      ])
      expect(parsed(await tcp.has(4))).toEqual(Array(4).fill(['app', 'over tcp']))
      expect(parsed(await udp.has(2))).toEqual(Array(2).fill(['app', 'over udp']))
      for (const run of [unix, tcp, udp]) expect(run.counter('parse_failed')).toBe(0)
    },
  )
})
