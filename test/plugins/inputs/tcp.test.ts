import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { ShipperError } from '../../../src/core/error.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { spec } from '../../../src/plugins/inputs/tcp.ts'
import { Authority } from '../../support/certs.ts'
import { turn } from '../../support/engine/chunks.ts'
import { StreamClient, serverIn } from '../../support/server-run.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until, untilReaches } from '../../support/until.ts'

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** Waits until what has arrived by now was read. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

describe('the input tcp', () => {
  test('makes records of what several senders send, in pieces of any size', async () => {
    const run = await serverIn(spec)
    const clients = count(5).map(() => new StreamClient(run.port))
    await Promise.all(
      clients.map(async (client, i) => {
        for (const n of count(20)) {
          const text = `{"sender":${i},"n":${n}}\n`
          await client.send(text.slice(0, n))
          await client.send(text.slice(n))
        }
      }),
    )
    const records = await run.has(100)
    for (const i of count(5))
      expect(records.filter(({ sender }) => sender === i).map(({ n }) => n)).toEqual(count(20))
    expect(run.counter('connections')).toBe(5)
    expect(run.input.status?.()).toEqual({ connections: 5, waitingConnections: 0 })
  })

  test('writes a last message without an end when the sender has closed its side, and closes its own when all has settled', async () => {
    const run = await serverIn(spec, { format: 'none' })
    run.output.blocked = true
    const client = new StreamClient(run.port)
    await client.send('one\nlast')
    client.socket.end()
    await until(() => {
      run.records()
      return run.output.waiting > 0
    })
    expect(client.ended).toBe(false)
    run.output.open()
    await until(() => client.ended)
    expect(run.records()).toEqual([{ log: 'one' }, { log: 'last' }])
    expect(run.counter('cut_messages')).toBe(1)
  })

  test('keeps what came of a message when the connection breaks', async () => {
    const run = await serverIn(spec, { format: 'none' })
    const client = new StreamClient(run.port)
    await client.send('one\nhalf')
    await run.has(1)
    client.socket.resetAndDestroy()
    expect(await run.has(2)).toEqual([{ log: 'one' }, { log: 'half' }])
    await until(() => run.input.status?.().connections === 0)
  })

  test('names the sender of what it cannot parse', async () => {
    const run = await serverIn(spec)
    const client = new StreamClient(run.port)
    await client.send('no JSON\n')
    await run.has(1)
    const peer = `127.0.0.1:${client.socket.localPort}`
    expect(run.fields).toContainEqual(expect.objectContaining({ peer, line: 'no JSON' }))
  })

  test('reads what has arrived before a stop, and what is incomplete then', async () => {
    const run = await serverIn(spec, { format: 'none' })
    const client = new StreamClient(run.port)
    await client.send('one\ntwo\nhal')
    await run.stopReading()
    expect(run.records()).toEqual([{ log: 'one' }, { log: 'two' }, { log: 'hal' }])
  })

  test('passes on lines of a megabyte, and cuts a longer one', async () => {
    const run = await serverIn(spec, { format: 'none' })
    const client = new StreamClient(run.port)
    const line = 'x'.repeat(1_048_576)
    await client.send('a\n', line, '\n', `${line}y`, '\nb\n')
    const records = await run.has(4)
    expect(records.map(({ log }) => String(log).length)).toEqual([1, 1_048_576, 1_048_576, 1])
    expect(records[2]?.truncated).toBe(true)
    expect(run.counter('lost_bytes')).toBe(1)
    expect(run.logged.filter((text) => text.includes('was cut'))).toHaveLength(1)
  })

  for (const limit of ['0', '100K'])
    test(`reads documents of a megabyte and many lines from several senders at once, with Mem_Buf_Limit ${limit}`, async () => {
      const run = await serverIn(spec, {}, { common: { mem_buf_limit: limit }, service: { flush: '0.2' } })
      const documents = count(4).map((sender) => ({
        sender,
        items: count(25_000).map((n) => ({ k: `v${n}`, n })),
      }))
      const sent = documents.map(async (document) => {
        const text = `${JSON.stringify(document, null, 1)}\n`
        const client = new StreamClient(run.port)
        await client.send(text.slice(0, -100))
        await client.send(text.slice(-100))
        await new StreamClient(run.port).send('{"small":1}\n')
      })
      await Promise.all(sent)
      // Chunks are sealed by Flush alone.
      await untilReaches(8, () => run.output.records.length)
      const records = run.records()
      expect(records.filter(({ small }) => small === 1)).toHaveLength(4)
      for (const document of documents)
        expect(records.find(({ sender }) => sender === document.sender)).toEqual(document)
      expect(run.counter('lost_bytes')).toBe(0)
    })

  test('counts Buffer_Size in KB', async () => {
    const run = await serverIn(spec, { format: 'none', buffer_size: '2' })
    const client = new StreamClient(run.port)
    await client.send('x'.repeat(3000), '\n')
    const [record] = await run.has(1)
    expect(String(record?.log).length).toBe(2048)
    for (const value of ['5M', '0', '-1', 'a'])
      expect(spec.options.buffer_size.check(value)?.must).toContain('KB')
    expect(spec.options.buffer_size.check('64k')).toBeUndefined()
  })

  test('does not read senders while its memory is used up, and loses nothing', async () => {
    const run = await serverIn(spec, { format: 'none' }, { common: { mem_buf_limit: '200K' } })
    run.output.blocked = true
    const senders = count(4).map(() => new StreamClient(run.port))
    const line = (i: number, n: number): string => `${i} ${n} ${'x'.repeat(90)}\n`
    const sent = senders.map(async (client, i) => {
      for (const n of count(100))
        await client.send(
          count(100)
            .map((k) => line(i, n * 100 + k))
            .join(''),
        )
    })
    await until(() => run.output.waiting > 0)
    const taken = run.output.records.length
    expect(taken).toBe(0)
    run.output.open()
    await untilReaches(40_000, () => run.records().length)
    await Promise.all(sent)
    for (const i of count(4)) {
      const own = run.records().filter(({ log }) => String(log).startsWith(`${i} `))
      expect(own.map(({ log }) => Number(String(log).split(' ')[1]))).toEqual(count(10_000))
    }
    expect(run.counter('lost_bytes')).toBe(0)
  })

  test('closes no sender while outputs are down, however many send, and loses nothing', async () => {
    const run = await serverIn(spec, { format: 'none' }, { common: { mem_buf_limit: '200K' } })
    run.output.blocked = true
    const senders = count(150).map(() => new StreamClient(run.port))
    const line = (i: number, n: number): string => `${i} ${n} ${'x'.repeat(990)}\n`
    // More than twice what may have arrived without a place.
    const sent = senders.map((client, i) => client.send(...count(120).map((n) => line(i, n))))
    await until(() => run.output.waiting > 0)
    await until(() => run.input.status?.().connections === 150)
    run.output.open()
    await untilReaches(18_000, () => run.records().length)
    await Promise.all(sent)
    for (const i of count(150)) {
      const own = run.records().filter(({ log }) => String(log).startsWith(`${i} `))
      const numbers = own.map(({ log }) => Number(String(log).split(' ')[1]))
      expect(numbers).toEqual(count(120))
    }
    expect([run.counter('closed_peers'), run.counter('lost_bytes')]).toEqual([0, 0])
    expect(senders.some(({ ended, closed }) => ended || closed)).toBe(false)
  }, 180_000)

  test('a connection that breaks while its complete messages wait for memory is not counted as cut', async () => {
    const run = await serverIn(spec, { format: 'none' }, { common: { mem_buf_limit: '50K' } })
    const client = new StreamClient(run.port)
    await client.send('first\nbegin')
    await run.has(1)
    run.output.blocked = true
    await client.send(' end\n', ...count(100).map((n) => `${n} ${'x'.repeat(990)}\n`))
    await until(() => run.output.waiting > 0)
    await turns()
    client.socket.resetAndDestroy()
    await turns()
    run.output.open()
    await untilReaches(102, () => run.records().length)
    await until(() => run.input.status?.().connections === 0)
    expect(run.records().filter(({ log }) => !String(log).includes('x'))).toEqual([
      { log: 'first' },
      { log: 'begin end' },
    ])
    expect(run.counter('cut_messages')).toBe(0)
  })

  test('at a stop tells senders at once, reads what they send until they are silent, and closes', async () => {
    const run = await serverIn(spec, { format: 'none' })
    const client = new StreamClient(run.port)
    await client.send('before\n')
    await run.has(1)
    client.socket.once('end', () => void client.send('after\n'))
    await run.stopReading()
    expect(run.records()).toEqual([{ log: 'before' }, { log: 'after' }])
    await until(() => run.input.status?.().connections === 0)
    expect(run.counter('cut_connections')).toBe(0)
    expect(client.ended).toBe(true)
  })

  test('at a stop a sender that goes on is closed after half a second, and that is said', async () => {
    const run = await serverIn(spec, { format: 'none' })
    const client = new StreamClient(run.port)
    let sent = 0
    const go = (): void => {
      if (client.closed) return
      client.socket.write(`${sent++}\n`, () => setImmediate(go))
    }
    go()
    await run.has(1)
    await run.stopReading()
    expect(run.counter('cut_connections')).toBe(1)
    expect(run.logged.join()).toContain('closed 1 connection on which')
    await until(() => run.input.status?.().connections === 0)
    const records = run.records()
    expect(records.map(({ log }) => Number(log))).toEqual(count(records.length))
  })

  test('a sender with half a message that is silent gives way to one that waits for its memory', async () => {
    let offset = 0
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offset }
    const run = await serverIn(spec, { format: 'none' }, { clock, common: { mem_buf_limit: '40M' } })
    const hoarders = count(540).map(() => new StreamClient(run.port))
    const half = 'x'.repeat(15_000)
    for (const client of hoarders) void client.send(half)
    await until(() => (run.assembly.inputs[0]?.account.used ?? 0) > 8_000_000)
    await until(() => run.counter('connections') === 540)
    const honest = new StreamClient(run.port)
    await honest.send('h'.repeat(15_000))
    await until(() => run.counter('connections') === 541)
    await turns()
    await honest.send(' end\n')
    await until(() => {
      offset += 1000
      return run.records().some(({ log }) => String(log).endsWith('h end'))
    })
    // What came of their messages is kept, and those that were not needed are still there.
    const closed = run.counter('closed_peers')
    expect(closed).toBeGreaterThan(0)
    expect(closed).toBeLessThan(100)
    await run.has(1 + closed)
    expect(run.records().filter(({ log }) => log === half)).toHaveLength(closed)
    expect([run.counter('cut_messages'), run.counter('lost_bytes')]).toEqual([closed, 0])
  }, 180_000)

  test('a new connection displaces the one that has been idle longest, which learns it by a reset', async () => {
    const run = await serverIn(spec, { format: 'none', max_connections: '2' })
    const first = new StreamClient(run.port)
    const errors: (string | undefined)[] = []
    first.socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
    await first.send('a\n')
    await run.has(1)
    const second = new StreamClient(run.port)
    await second.send('half')
    await until(() => run.counter('connections') === 2)
    const third = new StreamClient(run.port)
    await third.send('b\n')
    await run.has(2)
    await until(() => first.closed)
    expect(errors).toEqual(['ECONNRESET'])
    expect(second.closed).toBe(false)
    expect(run.counter('evicted_connections')).toBe(1)
  })

  test('peers that hold a place with a byte each give way after 10 s, and what they sent becomes a record', async () => {
    let offset = 0
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offset }
    const run = await serverIn(spec, { format: 'none', max_connections: '3' }, { clock })
    const holders = count(3).map(() => new StreamClient(run.port))
    for (const holder of holders) await holder.send('x')
    await until(() => run.counter('connections') === 3)
    const honest = new StreamClient(run.port)
    await honest.send('honest\n')
    await until(() => run.counter('waiting_connections') === 1)
    offset = 9000
    expect(run.records()).toEqual([])
    offset = 10_500
    const records = await run.has(2)
    expect(records.map(({ log }) => log).toSorted()).toEqual(['honest', 'x'])
    await until(() => holders.filter(({ ended, closed }) => ended || closed).length === 1)
    expect([run.counter('evicted_connections'), run.counter('refused_connections')]).toEqual([1, 0])
  })

  test('a peer that never completes a message does not keep other addresses out', async () => {
    let offset = 0
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offset }
    const run = await serverIn(spec, { format: 'none', max_connections: '3' }, { clock })
    const slow = count(3).map(() => {
      const socket = connect({ port: run.port, host: '127.0.0.1', localAddress: '127.0.0.2' })
      socket.on('error', () => {})
      atEnd(() => void socket.destroy())
      return socket
    })
    const drip = (): void => {
      offset += 1000
      for (const socket of slow) socket.write('x')
    }
    drip()
    await until(() => run.counter('connections') === 3)
    const honest = new StreamClient(run.port)
    await honest.send('honest\n')
    // None of them is silent for long at any time.
    await until(() => {
      drip()
      return run.records().some(({ log }) => log === 'honest')
    })
    expect(run.counter('evicted_connections')).toBe(1)
  })

  test('every short connection of a crowd is read, with a limit far below their number', async () => {
    const run = await serverIn(spec, { format: 'none', max_connections: '5' })
    for (const n of count(300)) new StreamClient(run.port).socket.end(`line ${n}\n`)
    const records = await run.has(300)
    expect(new Set(records.map(({ log }) => log)).size).toBe(300)
    expect([run.counter('refused_connections'), run.counter('evicted_connections')]).toEqual([0, 0])
  })

  test('closes a sender that holds memory for a message without an end while others wait', async () => {
    let offset = 0
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offset }
    const run = await serverIn(
      spec,
      { format: 'none', buffer_size: '4000' },
      { clock, common: { mem_buf_limit: '40M' } },
    )
    const hoarders = count(4).map(() => new StreamClient(run.port))
    for (const client of hoarders) void client.send('x'.repeat(3_000_000))
    // They hold all memory, and some of them wait for more.
    await until(() => run.counter('connections') === 4)
    await until(() => {
      offset += 61_000
      for (const client of hoarders) void client.send('z')
      return run.counter('closed_peers') > 0
    })
    // What came of their messages is not lost, and a small sender does not wait for them.
    const [first] = await run.has(1)
    expect(String(first?.log)).toMatch(/^x+z*$/)
    const small = new StreamClient(run.port)
    await small.send('small\n')
    await until(() => run.records().some(({ log }) => log === 'small'))
  })

  test('adds the address of each sender', async () => {
    const run = await serverIn(spec, { format: 'none', source_address_key: 'from' })
    const clients = [new StreamClient(run.port), new StreamClient(run.port)]
    for (const client of clients) await client.send('a\n')
    const records = await run.has(2)
    const ports = clients.map(({ socket }) => `tcp://127.0.0.1:${socket.localPort}`)
    expect(records.map(({ from }) => from).toSorted()).toEqual(ports.toSorted())
  })

  test('adds the address of a sender of IPv4 as such when it listens on all addresses', async () => {
    const run = await serverIn(spec, { listen: '::', source_address_key: 'from' })
    const client = new StreamClient(run.port)
    await client.send('no JSON\n')
    const peer = `127.0.0.1:${client.socket.localPort}`
    expect((await run.has(1))[0]?.from).toBe(`tcp://${peer}`)
    expect(run.fields).toContainEqual(expect.objectContaining({ peer }))
  })

  test('with a Parser reads lines, whatever Format says', async () => {
    const run = await serverIn(spec, { parser: 'syslog-rfc5424' })
    const client = new StreamClient(run.port)
    await client.send('<34>1 2026-11-30T08:18:11Z h app 1 - - hi\nno match\n')
    const [first, second] = await run.has(2)
    expect(first?.message).toBe('hi')
    expect(second).toEqual({ log: 'no match' })
    expect(run.counter('parse_failed')).toBe(1)
  })

  test('accepts TLS, and only senders with a certificate if that is asked for', async () => {
    const folder = tmp()
    const authority = new Authority()
    const certs = { ...authority.issue('localhost', ['localhost']), ca: authority.cert }
    const file = (name: string, text: string | Buffer): string => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const options = {
      format: 'none',
      tls: 'on',
      'tls.crt_file': file('crt.pem', certs.cert),
      'tls.key_file': file('key.pem', certs.key),
    }
    const run = await serverIn(spec, options)
    const socket = connectTls({ port: run.port, host: '127.0.0.1', ca: certs.ca, servername: 'localhost' })
    socket.on('error', () => {})
    socket.end('hello\nlast')
    expect(await run.has(2)).toEqual([{ log: 'hello' }, { log: 'last' }])
    // What is no TLS does not end the server.
    const plain = new StreamClient(run.port)
    await plain.send('plain text\n')
    await until(() => plain.closed || plain.ended)
    const strict = await serverIn(spec, {
      ...options,
      'tls.verify_client_cert': 'on',
      'tls.ca_file': file('ca.pem', certs.ca),
    })
    const stranger = connectTls({
      port: strict.port,
      host: '127.0.0.1',
      ca: certs.ca,
      servername: 'localhost',
    })
    let isRefused = false
    stranger.on('error', () => {
      isRefused = true
    })
    stranger.on('close', () => {
      isRefused = true
    })
    stranger.write('evil\n')
    await until(() => isRefused)
    expect(strict.records()).toEqual([])
  })

  test('refuses TLS without a certificate, with the option', async () => {
    for (const [options, missing] of [
      [{ tls: 'on' }, 'tls.crt_file'],
      [{ tls: 'on', 'tls.crt_file': 'a' }, 'tls.key_file'],
    ] as const)
      await expect(serverIn(spec, options)).rejects.toThrow(missing)
    await expect(
      serverIn(spec, { tls: 'on', 'tls.crt_file': '/none', 'tls.key_file': '/none' }),
    ).rejects.toThrow('/none')
  })

  test('says which address is in use', async () => {
    const run = await serverIn(spec)
    const error = await serverIn(spec, { port: String(run.port) }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ShipperError)
    expect((error as ShipperError).code).toBe('E_LISTEN')
    expect((error as ShipperError).message).toContain(`127.0.0.1:${run.port}`)
  })

  test('says at the start what a crash loses', async () => {
    const run = await serverIn(spec)
    expect(run.logged.join('\n')).toContain('senders get no acknowledgements')
    expect(readFileSync('docs/plugins/input-tcp.md', 'utf8')).toContain('no acknowledgements')
  })
})
