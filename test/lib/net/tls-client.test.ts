import { expect, test } from 'bun:test'
import { createPrivateKey } from 'node:crypto'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer as createPlain, type Server } from 'node:net'
import { join } from 'node:path'
import { createServer, getCACertificates, type TlsOptions } from 'node:tls'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { connectSocket } from '../../../src/lib/net/connect.ts'
import {
  checkTlsClient,
  readTlsClient,
  TLS_CLIENT_OPTIONS,
  type TlsClient,
  tlsClientOptions,
} from '../../../src/lib/net/tls-client.ts'
import { rejection } from '../../contract/output.ts'
import { Authority, type Pair } from '../../support/certs.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const authority = new Authority()
const never = new AbortController().signal

function client(texts: Record<string, string>, log = listLog().log): TlsClient {
  const options = parseOptions(TLS_CLIENT_OPTIONS, { tls: 'on', ...texts })
  return readTlsClient(options, { log, clock: systemClock }) as TlsClient
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Starts a server of TLS whose connections stay open until the peer ends; returns its port, and names of the clients. */
async function serve(options: TlsOptions): Promise<{ port: number; subjects: string[] }> {
  const subjects: string[] = []
  const server = createServer(options, (socket) => {
    subjects.push(String(socket.getPeerCertificate().subject?.CN ?? ''))
    socket.on('error', () => {})
    socket.resume()
  })
  server.on('tlsClientError', () => {})
  return { port: await listening(server), subjects }
}

/** Connects, and closes the connection when the server has accepted it, if that is to be waited for. */
async function connect(
  tls: TlsClient,
  port: number,
  host = '127.0.0.1',
  isAccepted = () => true,
): Promise<void> {
  const options = {
    peer: 'peer',
    target: { host, port },
    tls: tls.connectionOptions(host),
    limitMs: 10_000,
  }
  const socket = await connectSocket(options, systemClock, never)
  await until(isAccepted)
  socket.destroy()
}

function written(files: Record<string, string>): string {
  const folder = tmp()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

function pairFiles(pair: Pair): { folder: string; texts: Record<string, string> } {
  const folder = written({ 'own.pem': pair.cert, 'own.key': pair.key })
  return {
    folder,
    texts: { 'tls.crt_file': join(folder, 'own.pem'), 'tls.key_file': join(folder, 'own.key') },
  }
}

const caFile = () => join(written({ 'ca.pem': authority.cert }), 'ca.pem')

test('verifies certificate and host name by default, against tls.ca_file', async () => {
  const { port } = await serve(authority.issue('s', ['127.0.0.1', 'localhost']))
  await connect(client({ 'tls.ca_file': caFile() }), port)
  await connect(client({ 'tls.ca_file': caFile() }), port, 'localhost')
  const error = await rejection(connect(client({}), port))
  expect(error).toMatchObject({ code: 'E_PEER_UNREACHABLE', retryable: true, scope: 'peer' })
  expect(error.message).toContain('is not trusted here')
  expect(error.hint).toContain('set tls.ca_file')
})

test('a certificate for another name is refused with its names, tls.vhost and tls.verify_hostname off accept it', async () => {
  const { port } = await serve(authority.issue('s', ['one.example', 'two.example']))
  const ca = { 'tls.ca_file': caFile() }
  const error = await rejection(connect(client(ca), port))
  expect(error.message).toContain('not for 127.0.0.1, but for DNS:one.example, DNS:two.example')
  expect(error.hint).toContain('tls.vhost')
  await connect(client({ ...ca, 'tls.vhost': 'two.example' }), port)
  await connect(client({ ...ca, 'tls.verify_hostname': 'off' }), port)
})

test('tls.verify off accepts any certificate, with a warning', async () => {
  const { lines, log } = listLog()
  const { port } = await serve(new Authority('Other').issue('s', ['other.example']))
  await connect(client({ 'tls.verify': 'off' }, log), port)
  expect(lines).toEqual([expect.stringContaining('tls.verify is off')])
})

test.each([
  ['expired', () => authority.issue('s', ['127.0.0.1'], -1), 'has expired', 'renew the certificate'],
  ['of an unknown authority', () => new Authority('Other').issue('s', ['127.0.0.1']), 'not', 'tls.ca_file'],
])('a certificate that is %s is told with what to do', async (_, issue, reason, hint) => {
  const { port } = await serve(issue())
  const error = await rejection(connect(client({ 'tls.ca_file': caFile() }), port))
  expect(error.message).toContain(reason)
  expect(error.hint).toContain(hint)
})

test('a port that speaks plain HTTP is told', async () => {
  const server = createPlain((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  })
  const error = await rejection(connect(client({}), await listening(server)))
  expect(error.message).toContain('it answered without TLS')
  expect(error.hint).toContain('tls off')
})

test('tls.ca_path takes each PEM file of a directory, through links and past other files', async () => {
  const { port } = await serve(authority.issue('s', ['127.0.0.1']))
  const folder = written({
    'a.txt': 'no certificate',
    'other.pem': new Authority('Other').cert,
    'two.pem': `${authority.cert}\n${authority.cert}`,
  })
  mkdirSync(join(folder, 'sub'))
  symlinkSync('none', join(folder, 'broken'))
  const tls = client({ 'tls.ca_path': folder })
  await connect(tls, port)
  expect(tls.connectionOptions('127.0.0.1').ca).toHaveLength(2)
  for (const [path, reason] of [
    [join(folder, 'sub'), 'has no file with a certificate'],
    [join(folder, 'none'), 'no such file'],
  ] as const)
    expect(() => client({ 'tls.ca_path': path })).toThrow(reason)
})

test('without tls.ca_file and tls.ca_path the authorities of the system are trusted, and those of the runtime', () => {
  const trusted = new Set(client({}).connectionOptions('127.0.0.1').ca as string[])
  for (const kind of ['system', 'bundled'] as const)
    expect(getCACertificates(kind).filter((one) => !trusted.has(one))).toEqual([])
})

test('a client certificate is shown, and its key may have a password', async () => {
  const { port, subjects } = await serve({
    ...authority.issue('s', ['127.0.0.1']),
    ca: [authority.cert],
    requestCert: true,
    rejectUnauthorized: true,
  })
  const own = authority.issue('leaf')
  const locked = createPrivateKey(own.key).export({
    ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'right' },
  } as never)
  const { texts } = pairFiles({ cert: own.cert, key: String(locked) })
  const ca = { 'tls.ca_file': caFile() }
  await connect(
    client({ ...ca, ...texts, 'tls.key_passwd': 'right' }),
    port,
    '127.0.0.1',
    () => subjects.length === 1,
  )
  expect(subjects).toEqual(['leaf'])
  expect(() => client({ ...ca, ...texts })).toThrow('needs a password')
  expect(() => client({ ...ca, ...texts, 'tls.key_passwd': 'secret-wrong' })).toThrow(
    'cannot be read with tls.key_passwd',
  )
  try {
    client({ ...ca, ...texts, 'tls.key_passwd': 'secret-wrong' })
  } catch (error) {
    expect(String(error)).not.toContain('secret-wrong')
  }
})

test('files that are missing, empty, no PEM or do not fit are told by option and path', () => {
  const { folder, texts } = pairFiles(authority.issue('leaf'))
  writeFileSync(join(folder, 'empty'), '')
  writeFileSync(join(folder, 'other.key'), authority.issue('other').key)
  const bad: [Record<string, string>, string, string][] = [
    [{ 'tls.ca_file': join(folder, 'none') }, 'tls.ca_file', 'no such file'],
    [{ 'tls.ca_file': join(folder, 'empty') }, 'tls.ca_file', 'has no certificate that can be read'],
    [{ 'tls.ca_file': join(folder, 'own.key') }, 'tls.ca_file', 'has a key, and no certificate'],
    [{ 'tls.crt_file': join(folder, 'own.pem') }, 'tls.crt_file', 'tls.crt_file needs tls.key_file'],
    [{ ...texts, 'tls.key_file': join(folder, 'other.key') }, 'tls.key_file', 'does not belong to'],
    [{ ...texts, 'tls.key_file': folder }, 'tls.key_file', 'tls.key_file'],
    [{ 'tls.min_version': 'TLSv1.3', 'tls.max_version': 'TLSv1.2' }, 'tls.min_version', 'is above'],
    [{ 'tls.ciphers': 'NONE-SUCH' }, 'tls.ciphers', 'names no cipher'],
  ]
  for (const [given, option, reason] of bad) {
    let thrown: unknown
    try {
      client(given)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'E_CONFIG_BAD_VALUE', option })
    expect(String(thrown)).toContain(reason)
  }
})

test('a check passes over files that another user may not see, and does nothing without tls', () => {
  const check = (texts: Record<string, string>) => checkTlsClient(parseOptions(TLS_CLIENT_OPTIONS, texts))
  check({ tls: 'on', 'tls.ca_file': '/none/such' })
  check({ 'tls.crt_file': '/none/such' })
  expect(() => check({ tls: 'on', 'tls.crt_file': '/none/such' })).toThrow('needs tls.key_file')
})

test('an own certificate that has ended is a warning with its date', () => {
  const { lines, log } = listLog()
  const { texts } = pairFiles(authority.issue('leaf', [], -1))
  client(texts, log)
  expect(lines).toEqual([expect.stringMatching(/tls\.crt_file .*own\.pem has ended on /)])
})

test('a certificate that was replaced is shown on the next connection, one with a key that does not fit only when both are there', async () => {
  const { lines, log } = listLog()
  const { port, subjects } = await serve({
    ...authority.issue('s', ['127.0.0.1']),
    ca: [authority.cert],
    requestCert: true,
    rejectUnauthorized: true,
  })
  const { folder, texts } = pairFiles(authority.issue('first'))
  const tls = client({ 'tls.ca_file': caFile(), ...texts }, log)
  const next = (n: number) => connect(tls, port, '127.0.0.1', () => subjects.length === n)
  await next(1)
  const second = authority.issue('second')
  writeFileSync(join(folder, 'own.pem'), second.cert)
  await next(2)
  await next(3)
  writeFileSync(join(folder, 'own.key'), second.key)
  await next(4)
  expect(subjects).toEqual(['first', 'first', 'first', 'second'])
  expect(lines).toEqual([
    expect.stringContaining('cannot be used, still using the previous ones'),
    expect.stringContaining('new connections use their current contents'),
  ])
})

test('an authority that was replaced, in a file or a directory, is the one of the next connection', async () => {
  const other = new Authority('Other')
  const folder = written({ 'ca.pem': other.cert })
  const { port } = await serve(authority.issue('s', ['127.0.0.1']))
  const clients = [client({ 'tls.ca_file': join(folder, 'ca.pem') }), client({ 'tls.ca_path': folder })]
  for (const tls of clients) await rejection(connect(tls, port))
  rmSync(join(folder, 'ca.pem'))
  writeFileSync(join(folder, 'ca.pem'), authority.cert)
  for (const tls of clients) await connect(tls, port)
})

test('the conditions of the options for TLS can be others', () => {
  const needs = { tls: ['true'], mode: ['tls'] }
  const table = tlsClientOptions(needs)
  expect(table['tls.ca_file']).toEqual({ ...TLS_CLIENT_OPTIONS['tls.ca_file'], needs } as never)
  expect(table.tls).toEqual(TLS_CLIENT_OPTIONS.tls)
})
