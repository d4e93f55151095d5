import { expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findOption, parseOptions } from '../../../../src/core/options/parse.ts'
import { systemClock } from '../../../../src/engine/clock.ts'
import { KAFKA_OPTIONS } from '../../../../src/plugins/outputs/kafka/options.ts'
import { type KafkaSettings, settingsOf } from '../../../../src/plugins/outputs/kafka/settings.ts'
import { Authority } from '../../../support/certs.ts'
import { listLog } from '../../../support/engine/chunks.ts'
import { tmp } from '../../../support/tmp.ts'

const SERVICES = { log: listLog().log, clock: systemClock }

/** Returns the settings for options named as in a configuration, where aliases are matched without regard to case. */
function settings(texts: Record<string, string>): KafkaSettings {
  const named = Object.entries(texts).map(([key, value]) => [findOption(KAFKA_OPTIONS, key) as string, value])
  return settingsOf(parseOptions(KAFKA_OPTIONS, Object.fromEntries(named)), SERVICES)
}

test('a broker is a name or an address, with a port or with 9092', () => {
  expect(settings({ brokers: 'a.example:9093, 10.0.0.1,[::1]:1' }).brokers).toEqual([
    { host: 'a.example', port: 9093 },
    { host: '10.0.0.1', port: 9092 },
    { host: '::1', port: 1 },
  ])
})

test('options of librdkafka set their equivalents', () => {
  expect(
    settings({
      'rdkafka.request.required.acks': '-1',
      'rdkafka.request.timeout.ms': '1500',
      'rdkafka.socket.connection.setup.timeout.ms': '700',
      'rdkafka.metadata.max.age.ms': '9000',
      'rdkafka.max.in.flight': '3',
      'rdkafka.client.id': 'me',
      'rdkafka.security.protocol': 'SASL_PLAINTEXT',
      'rdkafka.sasl.mechanisms': 'scram-sha-512',
      'rdkafka.sasl.username': 'u',
      'rdkafka.sasl.password': 'p',
    }),
  ).toMatchObject({
    acks: -1,
    idempotent: true,
    requestTimeoutMs: 1500,
    connectTimeoutMs: 700,
    metadataMaxAgeMs: 9000,
    maxInFlight: 3,
    clientId: 'me',
    tls: undefined,
    sasl: { mechanism: 'SCRAM-SHA-512', user: 'u', password: 'p' },
  })
})

test('acks other than all turn idempotence off, and so does its librdkafka option', () => {
  expect(settings({ acks: '1' })).toMatchObject({ acks: 1, idempotent: false })
  expect(settings({ 'rdkafka.enable.idempotence': 'false' })).toMatchObject({ acks: -1, idempotent: false })
})

test('TLS is that of the common options, also under the names of librdkafka, and a missing file is named', () => {
  const ca = join(tmp(), 'ca.pem')
  writeFileSync(ca, new Authority().cert)
  const given = {
    'rdkafka.security.protocol': 'ssl',
    'rdkafka.ssl.endpoint.identification.algorithm': 'none',
    'rdkafka.ssl.ca.location': ca,
  }
  const options = settings(given).tls?.connectionOptions('broker.example')
  expect(options).toMatchObject({ servername: 'broker.example', rejectUnauthorized: true })
  expect(options?.ca).toHaveLength(1)
  expect(options?.checkServerIdentity?.('broker.example', {} as never)).toBeUndefined()
  expect(
    settings({ 'rdkafka.security.protocol': 'sasl_plaintext', sasl_username: 'u', sasl_password: 'p' }).tls,
  ).toBeUndefined()
  expect(() => settings({ tls: 'on', 'tls.ca_file': `${ca}.none` })).toThrow(
    `tls.ca_file ${ca}.none cannot be read: `,
  )
})

test('a file for TLS that is empty, a directory, a FIFO or very large is refused at once, by its path', () => {
  const dir = tmp()
  const paths = ['empty', 'fifo', 'large', 'sub'].map((name) => join(dir, name))
  const [empty = '', fifo = '', large = '', sub = ''] = paths
  for (const path of [empty, large]) writeFileSync(path, '')
  truncateSync(large, 10_000_000_000)
  execFileSync('mkfifo', [fifo])
  mkdirSync(sub)
  for (const option of ['tls.ca_file', 'tls.crt_file', 'tls.key_file'])
    for (const path of [...paths, '/dev/zero']) {
      const files = { 'tls.crt_file': '/dev/null', 'tls.key_file': '/dev/null', [option]: path }
      const read = () => settings({ tls: 'on', ...(option === 'tls.ca_file' ? { [option]: path } : files) })
      expect(read).toThrow(/^tls\./)
      if (option !== 'tls.key_file') expect(read).toThrow(`${option} ${path} `)
    }
})
