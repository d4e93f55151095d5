import { join } from 'node:path'

export type Listener = 'plaintext' | 'ssl' | 'sasl_plaintext' | 'sasl_ssl'

/** Users for PLAIN and both SCRAM mechanisms; the passwords need escaping in the configuration and in SCRAM messages. */
export const USERS = { alice: 'wonder=land,"1', bob: 'builder' } as const

export interface BrokerInit {
  id: number
  ports: { client: number; internal: number; controller: number }
  dir: string
  voters: string
  listener: Listener
  autoCreate: boolean
  clientAuth: boolean
  /** Path of the CA certificate (PEM). */
  ca: string
}

/**
 * Returns the server.properties of a broker that is also a controller. Clients of the test connect to CLIENT; brokers and
 * the tool to INTERNAL, which has no authentication, so they are User:ANONYMOUS.
 */
export function serverProperties(b: BrokerInit): Record<string, string | number> {
  const replicas = b.voters.split(',').length
  const address = (name: string, port: number) => `${name}://127.0.0.1:${port}`
  const reached = [address('CLIENT', b.ports.client), address('INTERNAL', b.ports.internal)]
  return {
    'process.roles': 'broker,controller',
    'node.id': b.id,
    'controller.quorum.voters': b.voters,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    listeners: [...reached, address('CONTROLLER', b.ports.controller)].join(','),
    'advertised.listeners': reached.join(','),
    'listener.security.protocol.map': `CLIENT:${b.listener.toUpperCase()},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'log.dirs': join(b.dir, 'data'),
    'auto.create.topics.enable': String(b.autoCreate),
    'num.network.threads': 2,
    'num.io.threads': 4,
    'num.partitions': 1,
    'default.replication.factor': replicas,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'group.initial.rebalance.delay.ms': 0,
    // A killed broker is fenced after this time, and may come back.
    'broker.session.timeout.ms': 4000,
    'broker.heartbeat.interval.ms': 500,
    'controlled.shutdown.enable': 'false',
    'log.cleaner.dedupe.buffer.size': 2_000_000,
    ...(b.listener.startsWith('sasl') ? sasl() : {}),
    ...(b.listener.endsWith('ssl') ? tls(b) : {}),
  }
}

function sasl(): Record<string, string> {
  const module = 'org.apache.kafka.common.security'
  const users = Object.entries(USERS).map(([name, password]) => `user_${name}="${escaped(password)}"`)
  return {
    'listener.name.client.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.client.plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required ${users.join(' ')};`,
    'listener.name.client.scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
    'listener.name.client.scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
  }
}

/** Escapes quotes for the JAAS syntax, with the backslash doubled for the properties file. */
function escaped(password: string): string {
  return password.replaceAll('"', '\\\\"')
}

function tls(b: BrokerInit): Record<string, string> {
  return {
    'listener.name.client.ssl.keystore.type': 'PEM',
    'listener.name.client.ssl.keystore.location': join(b.dir, 'key.pem'),
    'listener.name.client.ssl.truststore.type': 'PEM',
    'listener.name.client.ssl.truststore.location': b.ca,
    'listener.name.client.ssl.client.auth': b.clientAuth ? 'required' : 'none',
  }
}
