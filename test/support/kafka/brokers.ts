import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../certs.ts'
import { connected, freePorts } from '../ports.ts'
import { atEnd, tmp } from '../tmp.ts'
import { until, within } from '../until.ts'
import { isKafkaPresent, kafkaClassPath } from './jars.ts'
import { type BrokerInit, type Listener, serverProperties, USERS } from './properties.ts'
import { type Batch, type Consumed, KafkaTool, type Numbers, type PartitionState } from './tool.ts'

export { testWithKafka } from './jars.ts'
export { USERS } from './properties.ts'

export interface KafkaOptions {
  brokers?: 1 | 3
  /** Security protocols of the listeners; `bootstrap` is that of the first, default `plaintext`. */
  listeners?: readonly Listener[]
  /** True to create topics on first use. */
  autoCreate?: boolean
  /** True when clients of the listener `ssl` need a certificate of `authority`. */
  clientAuth?: boolean
  /** Properties of every broker, which override all others. */
  props?: Record<string, string | number>
}

const CLUSTER_ID = 'c2hpcHBlci10ZXN0LWNsdQ'
const START_MS = 240_000
/** Matches the state after the name of the thread, which may contain anything. */
const THREAD_STATE = /\) (\S)[^)]*$/
const PORT_IN_USE = /Address already in use/

interface BrokerProcess {
  id: number
  ports: BrokerInit['ports']
  dir: string
  child: ChildProcess | undefined
  exited: Promise<unknown>
  /** Kills a stopped broker when the test process ends: a stopped broker cannot see the end of its stdin. */
  guard: ChildProcess | undefined
}

/** A real Apache Kafka cluster (KRaft) on loopback, with one broker process or three. It ends with the test. */
export class KafkaBroker {
  /** Certificate authority of the brokers. */
  readonly authority = new Authority()
  /** File with the certificate of the authority. */
  readonly caFile: string
  readonly #options: KafkaOptions
  readonly #classPath = kafkaClassPath()
  readonly #dir = tmp('kafka-')
  #processes: BrokerProcess[] = []
  #tool: KafkaTool | undefined

  private constructor(options: KafkaOptions) {
    this.#options = options
    this.caFile = this.file('ca.pem', this.authority.cert)
    atEnd(() => this.#end())
  }

  static async start(options: KafkaOptions = {}): Promise<KafkaBroker> {
    const broker = new KafkaBroker(options)
    for (let attempt = 1; ; attempt++) {
      try {
        await broker.#boot(attempt)
        return broker
      } catch (error) {
        // Another process took one of the ports first.
        if (attempt === 3 || !PORT_IN_USE.test(String(error))) throw error
        await broker.#end()
      }
    }
  }

  /** Tool with Kafka's own client, which starts with the brokers. */
  get tool(): KafkaTool {
    if (this.#tool === undefined) throw new Error('the brokers are not started')
    return this.#tool
  }

  /** Broker list for clients: `host:port,...`. */
  get bootstrap(): string {
    return this.bootstrapOf(this.#listeners[0] ?? 'plaintext')
  }

  bootstrapOf(listener: Listener): string {
    const i = this.#listeners.indexOf(listener)
    if (i < 0) throw new Error(`there is no listener ${listener}`)
    return this.#processes.map(({ ports }) => `127.0.0.1:${ports.clients[i]}`).join(',')
  }

  get #listeners(): readonly Listener[] {
    return this.#options.listeners ?? ['plaintext']
  }

  /** Process ids of the brokers and of the tool. */
  get pids(): number[] {
    return [...this.#processes.map(({ child }) => child?.pid ?? 0), this.tool.pid]
  }

  /** Writes a file that is deleted after the test; returns its path. */
  file(name: string, text: string): string {
    const path = join(this.#dir, name)
    writeFileSync(path, text)
    return path
  }

  async kill9(i = 0): Promise<void> {
    const broker = this.#process(i)
    this.#unguard(broker)
    broker.child?.kill('SIGKILL')
    broker.child = undefined
    await within(broker.exited, 120_000, `the end of broker ${i}`)
  }

  /** Restarts a broker on the same ports and data; resolves when it listens. Its partitions may take some seconds more. */
  async restart(i = 0): Promise<void> {
    await this.kill9(i)
    this.#launch(this.#process(i))
    await this.#ready()
  }

  /** Sends SIGSTOP: the sockets stay open but do not respond. Resolves when all threads are stopped. */
  async stop(i = 0): Promise<void> {
    const broker = this.#process(i)
    const script = `read end; kill -9 ${broker.child?.pid}`
    broker.guard = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] })
    broker.child?.kill('SIGSTOP')
    await until(() => threadStates(broker.child?.pid).every((state) => state === 'T'), { what: 'the stop' })
  }

  cont(i = 0): void {
    const broker = this.#process(i)
    this.#unguard(broker)
    broker.child?.kill('SIGCONT')
  }

  async createTopic(topic: string, options: { partitions?: number; replication?: number } = {}, config = {}) {
    const { partitions = 1, replication = this.#processes.length } = options
    await this.tool.ask('create', { topic, partitions, replication, config })
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.tool.ask('delete', { topic })
  }

  async setTopic(topic: string, key: string, value: string): Promise<void> {
    await this.tool.ask('config', { topic, key, value })
  }

  describe(topic: string): Promise<PartitionState[]> {
    return this.tool.ask('describe', { topic })
  }

  /** Returns the index of the broker that leads the partition; -1 without a leader. */
  async leader(topic: string, partition = 0): Promise<number> {
    const state = await this.describe(topic)
    return (state[partition]?.leader ?? 0) - 1
  }

  /** Moves the partition to these brokers (by index); resolves when the first one leads it. */
  async move(topic: string, brokers: number[], partition = 0): Promise<void> {
    await this.tool.ask('move', { topic, partition, replicas: brokers.map((i) => i + 1) })
    // The brokers learn of an election at different times.
    const leads = async () => (await this.leader(topic, partition)) === brokers[0]
    await until(leads, { limitMs: 120_000, everyMs: 100, what: `broker ${brokers[0]} to lead ${topic}` })
  }

  /** Denies an operation (`WRITE`, `DESCRIBE`) to a user, or revokes that; requires the authorizer in `props`. */
  async deny(topic: string, user: string, operation: string, remove = false): Promise<void> {
    const entry = { principal: `User:${user}`, operation, permission: 'DENY', remove }
    await this.tool.ask('acl', { topic, ...entry })
  }

  /** Returns all records up to the current end, read by Kafka's own consumer. */
  consume(topic: string): Promise<Consumed[]> {
    return this.tool.consume(topic)
  }

  /** Returns statistics of the numbers in the values, counted by the tool; the numbers from 0 to `below` are expected. */
  numbers(topic: string, below = 0): Promise<Numbers> {
    return this.tool.ask('numbers', { topic, below })
  }

  async records(topic: string): Promise<number> {
    const ends = await this.tool.ask<Record<string, number>>('ends', { topic })
    return Object.values(ends).reduce((a, b) => a + b, 0)
  }

  /** Returns the batches in the log of a broker. */
  batches(topic: string, partition = 0, i = 0): Promise<Batch[]> {
    return this.tool.ask('batches', { dir: join(this.#process(i).dir, 'data', `${topic}-${partition}`) })
  }

  /** Returns the log output of a broker, which has errors only. */
  log(i = 0): string {
    return readFileSync(join(this.#process(i).dir, 'log'), 'utf8')
  }

  async #boot(attempt: number): Promise<void> {
    const count = this.#options.brokers ?? 1
    this.#processes = []
    for (let i = 0; i < count; i++) {
      const dir = join(this.#dir, `${attempt}-${i}`)
      mkdirSync(dir)
      const [internal = 0, controller = 0, ...clients] = await freePorts(2 + this.#listeners.length)
      this.#processes.push({
        id: i + 1,
        ports: { clients, internal, controller },
        dir,
        child: undefined,
        exited: Promise.resolve(),
        guard: undefined,
      })
    }
    for (const broker of this.#processes) this.#configure(broker)
    for (const broker of this.#processes) this.#launch(broker)
    const internal = this.#processes.map(({ ports }) => `127.0.0.1:${ports.internal}`).join(',')
    this.#tool = new KafkaTool(this.#classPath, internal)
    await within(this.#ready(), START_MS, `the start of ${count} brokers, attempt ${attempt}`)
    const hasUsers = this.#listeners.some((listener) => listener.startsWith('sasl'))
    for (const [user, password] of Object.entries(hasUsers ? USERS : {}))
      await this.tool.ask('scram', { user, password })
  }

  #configure(broker: BrokerProcess): void {
    const { autoCreate = false, clientAuth = false, props = {} } = this.#options
    const listeners = this.#listeners
    const { cert, key } = this.authority.issue('broker', ['127.0.0.1', 'localhost'])
    writeFileSync(join(broker.dir, 'key.pem'), `${key}\n${cert}`)
    const voters = this.#processes.map(({ id, ports }) => `${id}@127.0.0.1:${ports.controller}`).join(',')
    const ca = this.caFile
    const all = {
      ...serverProperties({ ...broker, voters, listeners, autoCreate, clientAuth, ca }),
      ...props,
    }
    const text = Object.entries(all).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(join(broker.dir, 'server.properties'), text.join(''))
  }

  #launch(broker: BrokerProcess): void {
    const flags = ['-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
    const args = ['-cp', this.#classPath, 'Broker', CLUSTER_ID, join(broker.dir, 'server.properties')]
    const log = openSync(join(broker.dir, 'log'), 'a')
    broker.child = spawn('java', [...flags, ...args], { stdio: ['pipe', log, log] })
    closeSync(log)
    broker.exited = once(broker.child, 'exit')
    broker.child.stdin?.on('error', () => {})
  }

  async #ready(): Promise<void> {
    const running = this.#processes.filter(({ child }) => child !== undefined)
    const up = async () => {
      await this.tool.ask('ready', { brokers: running.length })
      await until(() => this.#listening(running), { limitMs: START_MS, what: 'the listeners' })
    }
    const died = Promise.race(running.map(({ exited }) => exited)).then(() => {
      throw new Error(`a broker ended: ${running.map(({ id }) => this.log(id - 1)).join('\n')}`)
    })
    died.catch(() => {})
    await Promise.race([up(), died])
  }

  async #listening(brokers: BrokerProcess[]): Promise<boolean> {
    const all = brokers.flatMap(({ ports }) => ports.clients)
    return (await Promise.all(all.map(connected))).every(Boolean)
  }

  #unguard(broker: BrokerProcess): void {
    broker.guard?.kill('SIGKILL')
    broker.guard = undefined
  }

  #process(i: number): BrokerProcess {
    const broker = this.#processes[i]
    if (broker === undefined) throw new Error(`there is no broker ${i}`)
    return broker
  }

  async #end(): Promise<void> {
    this.#tool?.close()
    for (let i = 0; i < this.#processes.length; i++) await this.kill9(i)
  }
}

/**
 * Starts brokers for all tests of a file, which calls this at its top: a start costs more CPU than most tests. Each test has
 * topics of its own. Where no broker can be started the tests are skipped, and the result must not be used.
 */
export async function sharedBroker(options: KafkaOptions = {}): Promise<KafkaBroker> {
  return isKafkaPresent ? KafkaBroker.start(options) : (undefined as unknown as KafkaBroker)
}

function threadStates(pid = 0): (string | undefined)[] {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).map(
    (tid) => THREAD_STATE.exec(readFileSync(`${tasks}/${tid}/stat`, 'latin1'))?.[1],
  )
}
