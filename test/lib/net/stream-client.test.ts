import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { defineOptions } from '../../../src/core/options/option.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputContext } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { STREAM_CLIENT_OPTIONS } from '../../../src/lib/net/client-options.ts'
import { StreamClient } from '../../../src/lib/net/stream-client.ts'
import { TLS_CLIENT_OPTIONS } from '../../../src/lib/net/tls-client.ts'
import { rejection } from '../../contract/output.ts'
import { Authority } from '../../support/certs.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until, within } from '../../support/until.ts'

const OPTIONS = defineOptions({ ...STREAM_CLIENT_OPTIONS, ...TLS_CLIENT_OPTIONS })
/** More than the buffers of both kernels take. */
const LARGE = Buffer.alloc(30_000_000, 'x')
const authority = new Authority()

function clientTo(
  port: number,
  texts: Record<string, string> = {},
  more: Partial<OutputContext> = {},
): StreamClient {
  const client = new StreamClient(
    { host: '127.0.0.1', port },
    parseOptions(OPTIONS, texts),
    outputContext(more),
  )
  atEnd(() => client.close())
  return client
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Starts a receiver; returns its port and what each connection has sent. */
async function receiver(
  onConnect: (socket: Socket) => void = () => {},
): Promise<{ port: number; got: string[] }> {
  const got: string[] = []
  const server = createPlain((socket) => {
    const n = got.push('') - 1
    socket.on('error', () => {})
    socket.on('data', (data) => {
      got[n] += String(data)
    })
    onConnect(socket)
  })
  return { port: await listening(server), got }
}

test('one connection serves all chunks, with net.keepalive off each has its own, and a limit changes it', async () => {
  for (const [texts, connections] of [
    [{}, 1],
    [{ 'net.keepalive': 'off' }, 4],
    [{ 'net.keepalive_max_recycle': '2' }, 2],
  ] as const) {
    const { port, got } = await receiver()
    const client = clientTo(port, texts)
    for (const text of 'abcd') await client.send(Buffer.from(text))
    await until(() => got.join('') === 'abcd')
    expect(got).toHaveLength(connections)
  }
})

test('an idle connection is closed in order', async () => {
  let ended = 0
  const { port, got } = await receiver((socket) => void socket.on('end', () => ended++))
  const client = clientTo(port, { 'net.keepalive_idle_timeout': '0.05' })
  await client.send(Buffer.from('a'))
  await until(() => ended === 1)
  await client.send(Buffer.from('b'))
  await until(() => got.join(' ') === 'a b')
})

test('a peer that takes nothing for net.io_timeout fails the chunk; one that takes it slowly does not', async () => {
  const stuck = await receiver((socket) => void socket.pause())
  const options = { 'net.io_timeout': '0.2' }
  const error = await within(rejection(clientTo(stuck.port, options).send(LARGE)), 60_000, 'the failure')
  expect(error).toMatchObject({ code: 'E_PEER_TIMEOUT', retryable: true, scope: 'peer' })
  expect(error.message).toContain('it took nothing for 200 ms')
})

test('a peer that resets each new connection, as a proxy without a server does, gets no chunk that counts as sent', async () => {
  const { port } = await receiver((socket) => void socket.once('data', () => socket.resetAndDestroy()))
  const client = clientTo(port)
  for (let i = 0; i < 3; i++)
    expect(await rejection(client.send(Buffer.from('a')))).toMatchObject({
      code: 'E_PEER_CLOSED',
      retryable: true,
      scope: 'peer',
    })
})

test('a peer that closes each new connection without reading, as a proxy without a server does, gets no chunk that counts as sent', async () => {
  for (const when of ['at once', 'later']) {
    let closes = true
    const { port, got } = await receiver((socket) => {
      if (!closes) return
      if (when === 'at once') socket.destroy()
      // The system does so when a connection is closed with bytes unread.
      else setTimeout(() => socket.resetAndDestroy(), 50)
    })
    for (const keepalive of ['on', 'off']) {
      closes = true
      const client = clientTo(port, { 'net.keepalive': keepalive })
      for (let i = 0; i < 3; i++) {
        const error = await rejection(client.send(Buffer.from('x')))
        expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
        expect(error.hint).toContain('the server behind it')
      }
      closes = false
      await client.send(Buffer.from(keepalive))
      await until(() => got.at(-1) === keepalive)
    }
  }
})

test('a peer that takes a chunk and closes the connection in order, or half of it before, has got it', async () => {
  for (const ends of ['after the chunk', 'before it'] as const) {
    const { port, got } = await receiver((socket) => {
      if (ends === 'before it') socket.end()
      else socket.once('data', () => socket.destroy())
    })
    const client = clientTo(port)
    for (const text of 'ab') await client.send(Buffer.from(text))
    expect([ends, got]).toEqual([ends, ['a', 'b']])
  }
})

test('a peer that ends the connection in order after a later chunk has got it', async () => {
  const { port, got } = await receiver(
    (socket) => void socket.on('data', (data) => String(data) === 'b' && socket.end()),
  )
  const client = clientTo(port)
  for (const text of 'abc') {
    await client.send(Buffer.from(text))
    await until(() => got.join('').endsWith(text))
  }
  expect(got).toEqual(['ab', 'c'])
})

test('a chunk that this kernel has taken, and that of the peer has not, does not count as sent', async () => {
  const { port } = await receiver((socket) => void socket.pause())
  const client = clientTo(port, { 'net.io_timeout': '0.2' })
  expect(await within(rejection(client.send(Buffer.alloc(2_000_000))), 60_000, 'the failure')).toMatchObject({
    code: 'E_PEER_TIMEOUT',
    retryable: true,
  })
})

test('a connection that breaks after chunks were sent is logged and counted, and the next one is waited for longer', async () => {
  const counters = new CounterMap()
  const { log, lines } = listLog()
  let resets = 2
  const { port, got } = await receiver((socket) => {
    if (resets-- > 0) setTimeout(() => socket.resetAndDestroy(), 300)
  })
  const client = clientTo(port, {}, { counters, log })
  await client.send(Buffer.from('lost'))
  await until(() => counters.get('resets') === 1)
  expect(lines.join('\n')).toMatch(/:\d+: the connection broke after 4 bytes in 1 chunk were sent on it/)
  // The second one lives as long as the first, which is now within the wait.
  expect(await rejection(client.send(Buffer.from('kept')))).toMatchObject({ code: 'E_PEER_CLOSED' })
  await client.send(Buffer.from('kept'))
  expect([got, counters.get('resets')]).toEqual([['lost', 'kept', 'kept'], 1])
})

test('at its end this side reads what the peer says, so that the connection is not reset', async () => {
  const ends: string[] = []
  const { port, got } = await receiver((socket) => {
    const talk = setInterval(() => socket.write('chat'), 1)
    socket.on('close', (isBroken) => {
      clearInterval(talk)
      ends.push(isBroken ? 'reset' : 'end')
    })
  })
  for (const texts of [{}, { 'net.keepalive': 'off' }] as Record<string, string>[]) {
    const stop = new AbortController()
    const client = clientTo(port, texts, { signal: stop.signal })
    await client.send(Buffer.from('a'))
    stop.abort()
    await client.close()
  }
  await until(() => ends.length === 2)
  expect([got, ends]).toEqual([
    ['a', 'a'],
    ['end', 'end'],
  ])
})

test('tls: a peer that requires a certificate of the client refuses the first chunk, and says so', async () => {
  const folder = tmp()
  const own = authority.issue('leaf')
  for (const [name, text] of Object.entries({
    'ca.pem': authority.cert,
    'own.pem': own.cert,
    'own.key': own.key,
  }))
    writeFileSync(join(folder, name), text)
  const pair = authority.issue('s', ['127.0.0.1'])
  let got = ''
  const server = createServer(
    { ...pair, ca: [authority.cert], requestCert: true, rejectUnauthorized: true },
    (socket) => {
      socket.on('error', () => {})
      socket.on('data', (data) => {
        got += String(data)
      })
    },
  )
  server.on('tlsClientError', () => {})
  const port = await listening(server)
  const texts = { tls: 'on', 'tls.ca_file': join(folder, 'ca.pem') }
  const error = await rejection(clientTo(port, texts).send(Buffer.from('lost?')))
  expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
  expect(error.message).toContain('it requires a certificate from this side')
  expect(error.hint).toContain('tls.crt_file')
  const given = { 'tls.crt_file': join(folder, 'own.pem'), 'tls.key_file': join(folder, 'own.key') }
  await clientTo(port, { ...texts, ...given }).send(Buffer.from('kept'))
  await until(() => got === 'kept')
})

test('tls: a peer that closes a new connection in order, as servers do that refuse a certificate late, has not got the chunk', async () => {
  const caFile = join(tmp(), 'ca.pem')
  writeFileSync(caFile, authority.cert)
  let closes = true
  let got = ''
  const server = createServer(authority.issue('s', ['127.0.0.1']), (socket) => {
    socket.on('error', () => {})
    if (closes) socket.end()
    else
      socket.on('data', (data) => {
        got += String(data)
      })
  })
  const port = await listening(server)
  for (const keepalive of ['on', 'off']) {
    closes = true
    const client = clientTo(port, { tls: 'on', 'tls.ca_file': caFile, 'net.keepalive': keepalive })
    const error = await rejection(client.send(Buffer.from(keepalive)))
    expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
    expect(error.hint).toContain('tls.crt_file')
    closes = false
    await client.send(Buffer.from(keepalive))
  }
  await until(() => got === 'onoff')
})

test('connections are counted, and come from net.source_address', async () => {
  const counters = new CounterMap()
  const from: (string | undefined)[] = []
  const { port } = await receiver((socket) => void from.push(socket.remoteAddress))
  await clientTo(port, { 'net.source_address': '127.0.0.2' }, { counters }).send(Buffer.from('a'))
  expect([counters.get('connections'), from]).toEqual([1, ['127.0.0.2']])
})

test('a source address of the other kind than the host is refused', () => {
  expect(() => clientTo(1, { 'net.source_address': '::1' })).toThrow(
    'net.source_address ::1 is an IPv6 address, and 127.0.0.1 an IPv4 address',
  )
})
