import { expect, test } from 'bun:test'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { parseOptions } from '../../../../../src/core/options/parse.ts'
import { systemClock } from '../../../../../src/engine/clock.ts'
import { connectBroker } from '../../../../../src/plugins/outputs/kafka/client/connect.ts'
import { KAFKA_OPTIONS } from '../../../../../src/plugins/outputs/kafka/options.ts'
import { settingsOf } from '../../../../../src/plugins/outputs/kafka/settings.ts'
import { Authority } from '../../../../support/certs.ts'
import { listLog } from '../../../../support/engine/chunks.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

const never = new AbortController().signal
const authority = new Authority()
const SERVICES = { log: listLog().log, clock: systemClock }

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function connected(port: number, texts: Record<string, string>): Promise<Socket> {
  const settings = settingsOf(parseOptions(KAFKA_OPTIONS, texts), SERVICES)
  return connectBroker({ host: '127.0.0.1', port }, settings, systemClock, never)
}

test('the certificate must match tls.vhost or else the host, unless tls.verify_hostname is off', async () => {
  const caFile = join(tmp(), 'ca.pem')
  writeFileSync(caFile, authority.cert)
  const server = createServer(authority.issue('broker', ['kafka.example']), (socket) =>
    socket.on('error', () => {}),
  )
  server.on('tlsClientError', () => {})
  const port = await listening(server)
  const tls = { tls: 'on', 'tls.ca_file': caFile }
  await expect(connected(port, tls)).rejects.toMatchObject({ code: 'E_PEER_UNREACHABLE', retryable: true })
  await expect(connected(port, { ...tls, 'tls.vhost': 'other.example' })).rejects.toThrow(
    'cannot connect to 127.0.0.1',
  )
  ;(await connected(port, { ...tls, 'tls.vhost': 'kafka.example' })).destroy()
  ;(await connected(port, { ...tls, 'tls.verify_hostname': 'off' })).destroy()
})

test('a broker that accepts the connection but sends nothing times out after net.connect_timeout', async () => {
  const port = await listening(createPlain())
  const options = { tls: 'on', 'net.connect_timeout': '0.2' }
  await expect(connected(port, options)).rejects.toMatchObject({ code: 'E_PEER_TIMEOUT', retryable: true })
})

test('tls.key_passwd decrypts the client key, and a wrong passphrase is reported', async () => {
  const dir = tmp()
  const client = authority.issue('leaf')
  const locked = createPrivateKey(client.key).export({
    ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'right' },
  } as never)
  const files = { 'ca.pem': authority.cert, 'leaf.pem': client.cert, 'leaf.key': String(locked) }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  const clientAuth = { ca: [authority.cert], requestCert: true, rejectUnauthorized: true }
  const server = createServer({ ...authority.issue('broker', ['127.0.0.1']), ...clientAuth }, (socket) =>
    socket.on('error', () => {}),
  )
  server.on('tlsClientError', () => {})
  const subjects: string[] = []
  server.on('secureConnection', (socket) => subjects.push(String(socket.getPeerCertificate().subject.CN)))
  const port = await listening(server)
  const tls = {
    tls: 'on',
    'tls.ca_file': join(dir, 'ca.pem'),
    'tls.crt_file': join(dir, 'leaf.pem'),
    'tls.key_file': join(dir, 'leaf.key'),
  }
  const socket = await connected(port, { ...tls, 'tls.key_passwd': 'right' })
  await until(() => subjects.length === 1)
  socket.destroy()
  expect(subjects).toEqual(['leaf'])
  for (const wrong of [{ 'tls.key_passwd': 'wrong' }, {}]) {
    const settings = () => settingsOf(parseOptions(KAFKA_OPTIONS, { ...tls, ...wrong }), SERVICES)
    expect(settings).toThrow(`tls.key_file ${join(dir, 'leaf.key')} `)
  }
})
