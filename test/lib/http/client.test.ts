import { afterEach, describe, expect, test } from 'bun:test'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { HttpClient } from '../../../src/lib/http/client.ts'

let server: Server | undefined
const sockets = new Set<Socket>()

afterEach(() => {
  for (const socket of sockets) socket.destroy()
  server?.close()
})

/**
 * Starts a server that answers with `bytes`, and then closes the connection if `close` is true; returns a client for
 * it.
 */
async function answering(bytes: string, close = false): Promise<HttpClient> {
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => {
      if (close) socket.end(bytes)
      else socket.write(bytes)
    })
  })
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return new HttpClient({ origin: `http://127.0.0.1:${port}` })
}

async function textOf(client: HttpClient, limitMs = 60_000): Promise<string> {
  const { signal } = new AbortController()
  const request = { path: '/x', headers: {}, signal, headTimeoutMs: limitMs, bodyTimeoutMs: limitMs }
  const response = await client.send(request)
  let text = `${response.status} `
  for await (const chunk of response.body) text += chunk.toString()
  return text
}

/** Expects a rejection within 5 s: without its timeouts a request would wait forever. */
async function fails(work: Promise<unknown>): Promise<void> {
  const startedMs = performance.now()
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  expect(performance.now() - startedMs).toBeLessThan(30_000)
}

const PATIENT = { path: '/', headers: {}, headTimeoutMs: 60_000, bodyTimeoutMs: 60_000 }
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

describe('a response', () => {
  test('is read completely, with Content-Length or chunked', async () => {
    expect(await textOf(await answering('HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno'))).toBe('404 no')
    expect(await textOf(await answering(`${CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`))).toBe('200 abcde')
  })

  test('that is cut off causes an error', async () => {
    await fails(textOf(await answering(`${CHUNKED}5\r\nabc`, true)))
    await fails(textOf(await answering(`${CHUNKED}3\r\nabc\r\n`, true)))
    await fails(textOf(await answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', true)))
  })

  test('whose headers do not arrive in time causes an error', async () => {
    await fails(textOf(await answering(''), 200))
  })

  test('may take longer than a timer of the runtime', async () => {
    const client = await answering(`${CHUNKED}3\r\nabc\r\n`)
    const { signal } = new AbortController()
    const response = await client.send({ ...PATIENT, signal, totalTimeoutMs: 30 * 86_400_000 })
    const read = async (): Promise<void> => {
      for await (const _ of response.body);
    }
    const open = new Promise((resolve) => setTimeout(() => resolve('open'), 100))
    expect(await Promise.race([read().catch(() => 'ended'), open])).toBe('open')
    response.discard()
  })

  test('that stops sending causes an error', async () => {
    await fails(textOf(await answering(`${CHUNKED}3\r\nabc\r\n`), 200))
  })

  for (const [what, end] of [
    ['the signal', (_: HttpClient, stop: AbortController) => stop.abort()],
    ['the client', (client: HttpClient) => void client.close()],
  ] as const) {
    test(`ends with ${what}`, async () => {
      const stop = new AbortController()
      const client = await answering(`${CHUNKED}3\r\nabc\r\n`)
      const response = await client.send({ ...PATIENT, signal: stop.signal })
      const read = async () => {
        for await (const chunk of response.body) if (chunk.length > 0) end(client, stop)
      }
      await fails(read())
    })
  }

  test('can be discarded', async () => {
    const client = await answering(`${CHUNKED}3\r\nabc\r\n`)
    const response = await client.send({ ...PATIENT, signal: new AbortController().signal })
    response.discard()
    await client.close()
  })
})

describe('a server that need not be trusted', () => {
  const { signal } = new AbortController()

  test('cannot send headers or interim responses without end, nor another protocol', async () => {
    const more = 'X-More: 1\r\n'.repeat(5000)
    await fails((await answering(`HTTP/1.1 200 OK\r\n${more}\r\n`)).send({ ...PATIENT, signal }))
    await fails(
      (await answering(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).send({ ...PATIENT, signal }),
    )
    for (const interim of ['100 Continue', '103 Early Hints']) {
      const all = `HTTP/1.1 ${interim}\r\n\r\n`.repeat(20)
      await fails(
        (await answering(`${all}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`)).send({ ...PATIENT, signal }),
      )
    }
  })

  test('cannot redirect: that is a response like any other', async () => {
    const response = await (
      await answering('HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n')
    ).send({ ...PATIENT, signal })
    expect([response.status, response.header('location')]).toEqual([302, 'http://127.0.0.1:1/'])
    response.discard()
  })

  test('cannot send a body that is larger, or takes longer, than it may', async () => {
    const read = async (bytes: string, limits: object): Promise<void> => {
      const response = await (await answering(bytes)).send({ ...PATIENT, ...limits, signal })
      for await (const _ of response.body);
    }
    await fails(read(`${CHUNKED}a\r\n0123456789\r\n`, { maxBodyBytes: 9 }))
    // Silence alone would take a minute.
    await fails(read(`${CHUNKED}1\r\n0\r\n`, { totalTimeoutMs: 100 }))
  })
})
