import { join } from 'node:path'

export type Listener = 'plaintext' | 'ssl' | 'sasl_plaintext' | 'sasl_ssl'

/** Users for PLAIN and both SCRAM mechanisms; the passwords need escaping in the configuration and in SCRAM messages. */
export const USERS = { alice: 'wonder=land,"1', bob: 'builder' } as const

export interface BrokerInit {
  id: number
  /** `clients` has the port of each listener. */
  ports: { clients: number[]; internal: number; controller: number }
  dir: string
  voters: string
  listeners: readonly Listener[]
  autoCreate: boolean
  clientAuth: boolean
  /** Path of the CA certificate (PEM). */
  ca: string
}

/**
 * Returns the server.properties of a broker that is also a controller. Clients of the test connect to CLIENT_PLAINTEXT and so
 * on; brokers and the tool to INTERNAL, which has no authentication, so they are User:ANONYMOUS.
 */
export function serverProperties(b: BrokerInit): Record<string, string | number> {
  const replicas = b.voters.split(',').length
  const address = (name: string, port: number) => `${name}://127.0.0.1:${port}`
  const clients = b.listeners.map((listener, i) => address(clientName(listener), b.ports.clients[i] ?? 0))
  const protocols = b.listeners.map((listener) => `${clientName(listener)}:${listener.toUpperCase()}`)
  const reached = [...clients, address('INTERNAL', b.ports.internal)]
  return {
    'process.roles': 'broker,controller',
    'node.id': b.id,
    'controller.quorum.voters': b.voters,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    listeners: [...reached, address('CONTROLLER', b.ports.controller)].join(','),
    'advertised.listeners': reached.join(','),
    'listener.security.protocol.map': [...protocols, 'INTERNAL:PLAINTEXT', 'CONTROLLER:PLAINTEXT'].join(','),
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
    // Some records have times of years ago: retention would delete them half a minute after the start.
    'log.retention.ms': -1,
    ...Object.assign({}, ...b.listeners.map((listener) => security(listener, b))),
  }
}

/** Returns the name that Kafka has for a listener of clients. */
function clientName(listener: Listener): string {
  return `CLIENT_${listener.toUpperCase()}`
}

function security(listener: Listener, b: BrokerInit): Record<string, string> {
  const prefix = `listener.name.${clientName(listener).toLowerCase()}`
  const options = {
    ...(listener.startsWith('sasl') ? sasl() : {}),
    ...(listener.endsWith('ssl') ? tls(b, listener === 'ssl' && b.clientAuth) : {}),
  }
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [`${prefix}.${name}`, value]))
}

function sasl(): Record<string, string> {
  const module = 'org.apache.kafka.common.security'
  const users = Object.entries(USERS).map(([name, password]) => `user_${name}="${escaped(password)}"`)
  return {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required ${users.join(' ')};`,
    'scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
    'scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
  }
}

/** Escapes quotes for the JAAS syntax, with the backslash doubled for the properties file. */
function escaped(password: string): string {
  return password.replaceAll('"', '\\\\"')
}

function tls({ dir, ca }: BrokerInit, clientAuth: boolean): Record<string, string> {
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(dir, 'key.pem'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
    'ssl.client.auth': clientAuth ? 'required' : 'none',
  }
}
