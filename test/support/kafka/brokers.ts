import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../certs.ts'
import { connected, freePorts } from '../ports.ts'
import { atEnd, tmp } from '../tmp.ts'
import { until, within } from '../until.ts'
import { kafkaClassPath } from './jars.ts'
import { type Listener, serverProperties, USERS } from './properties.ts'
import { type Batch, type Consumed, KafkaTool, type Numbers, type PartitionState } from './tool.ts'

export { testWithKafka } from './jars.ts'
export { USERS } from './properties.ts'

export interface KafkaOptions {
  brokers?: 1 | 3
  /** How clients are met on `bootstrap`. */
  listener?: Listener
  /** Topics come with their first use. */
  autoCreate?: boolean
  /** TLS: clients need a certificate of `authority`. */
  clientAuth?: boolean
  /** Over all others, for every broker. */
  props?: Record<string, string | number>
}

const CLUSTER_ID = 'c2hpcHBlci10ZXN0LWNsdQ'
const START_MS = 120_000
/** Behind the name of the thread, in which anything may stand. */
const STATE = /\) (\S)[^)]*$/
const PORT_IN_USE = /Address already in use/

interface Node {
  id: number
  ports: { client: number; internal: number; controller: number }
  dir: string
  child: ChildProcess | undefined
  exited: Promise<unknown>
  /** Kills a stopped broker when the test process is gone: stopped, it cannot see the end of its stdin. */
  guard: ChildProcess | undefined
}

/** A real Apache Kafka, KRaft, on loopback: one process or three. Ends with the test. */
export class KafkaBroker {
  /** Signed the brokers' certificates. */
  readonly authority = new Authority()
  /** A file with the authority's certificate. */
  readonly caFile: string
  tool!: KafkaTool
  readonly #options: KafkaOptions
  readonly #classPath = kafkaClassPath()
  readonly #dir = tmp('kafka-')
  #nodes: Node[] = []

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
        // Another process was faster at one of the ports.
        if (attempt === 3 || !PORT_IN_USE.test(String(error))) throw error
        await broker.#end()
      }
    }
  }

  /** `host:port,...` for clients. */
  get bootstrap(): string {
    return this.#nodes.map(({ ports }) => `127.0.0.1:${ports.client}`).join(',')
  }

  /** The processes, that of the tool included. */
  get pids(): number[] {
    return [...this.#nodes.map(({ child }) => child?.pid ?? 0), this.tool.pid]
  }

  /** A file that is gone after the test. */
  file(name: string, text: string): string {
    const path = join(this.#dir, name)
    writeFileSync(path, text)
    return path
  }

  async kill9(i = 0): Promise<void> {
    const node = this.#node(i)
    this.#unguard(node)
    node.child?.kill('SIGKILL')
    node.child = undefined
    await within(node.exited, 120_000, `the end of broker ${i}`)
  }

  /** Starts it where it was; resolves when it listens. Its partitions may take some seconds more. */
  async restart(i = 0): Promise<void> {
    await this.kill9(i)
    this.#launch(this.#node(i))
    await this.#ready()
  }

  /** SIGSTOP: its sockets stay open and answer nothing. Resolves when every thread of it stands still. */
  async stop(i = 0): Promise<void> {
    const node = this.#node(i)
    const script = `read end; kill -9 ${node.child?.pid}`
    node.guard = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] })
    node.child?.kill('SIGSTOP')
    await until(() => threadStates(node.child?.pid).every((state) => state === 'T'), { what: 'the stop' })
  }

  cont(i = 0): void {
    const node = this.#node(i)
    this.#unguard(node)
    node.child?.kill('SIGCONT')
  }

  async createTopic(topic: string, options: { partitions?: number; replication?: number } = {}, config = {}) {
    const { partitions = 1, replication = this.#nodes.length } = options
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

  /** Index of the broker that leads the partition; -1: none does. */
  async leader(topic: string, partition = 0): Promise<number> {
    const state = await this.describe(topic)
    return (state[partition]?.leader ?? 0) - 1
  }

  /** Moves the partition to these brokers (by index), until the first of them leads it. */
  async move(topic: string, brokers: number[], partition = 0): Promise<void> {
    await this.tool.ask('move', { topic, partition, replicas: brokers.map((i) => i + 1) })
    // The brokers learn of an election one after the other.
    const leads = async () => (await this.leader(topic, partition)) === brokers[0]
    await until(leads, { limitMs: 120_000, everyMs: 100, what: `broker ${brokers[0]} to lead ${topic}` })
  }

  /** Denies an operation (`WRITE`, `DESCRIBE`) to a user, or takes that back; needs the authorizer in `props`. */
  async deny(topic: string, user: string, operation: string, remove = false): Promise<void> {
    const entry = { principal: `User:${user}`, operation, permission: 'DENY', remove }
    await this.tool.ask('acl', { topic, ...entry })
  }

  /** Every record up to the present end, by Kafka's own consumer. */
  consume(topic: string): Promise<Consumed[]> {
    return this.tool.consume(topic)
  }

  /** The numbers of the values, without taking the records here; missing are those of 0 to `below`. */
  numbers(topic: string, below = 0): Promise<Numbers> {
    return this.tool.ask('numbers', { topic, below })
  }

  async records(topic: string): Promise<number> {
    const ends = await this.tool.ask<Record<string, number>>('ends', { topic })
    return Object.values(ends).reduce((a, b) => a + b, 0)
  }

  /** The batches in the log of a broker. */
  batches(topic: string, partition = 0, i = 0): Promise<Batch[]> {
    return this.tool.ask('batches', { dir: join(this.#node(i).dir, 'data', `${topic}-${partition}`) })
  }

  /** What a broker says: errors only. */
  log(i = 0): string {
    return readFileSync(join(this.#node(i).dir, 'log'), 'utf8')
  }

  async #boot(attempt: number): Promise<void> {
    const count = this.#options.brokers ?? 1
    this.#nodes = []
    for (let i = 0; i < count; i++) {
      const dir = join(this.#dir, `${attempt}-${i}`)
      mkdirSync(dir)
      const [client = 0, internal = 0, controller = 0] = await freePorts(3)
      this.#nodes.push({
        id: i + 1,
        ports: { client, internal, controller },
        dir,
        child: undefined,
        exited: Promise.resolve(),
        guard: undefined,
      })
    }
    for (const node of this.#nodes) this.#configure(node)
    for (const node of this.#nodes) this.#launch(node)
    const internal = this.#nodes.map(({ ports }) => `127.0.0.1:${ports.internal}`).join(',')
    this.tool = new KafkaTool(this.#classPath, internal)
    await within(this.#ready(), START_MS, `the start of ${count} brokers, attempt ${attempt}`)
    for (const [user, password] of Object.entries(this.#options.listener?.startsWith('sasl') ? USERS : {}))
      await this.tool.ask('scram', { user, password })
  }

  #configure(node: Node): void {
    const { listener = 'plaintext', autoCreate = false, clientAuth = false, props = {} } = this.#options
    const { cert, key } = this.authority.issue('broker', ['127.0.0.1', 'localhost'])
    writeFileSync(join(node.dir, 'key.pem'), `${key}\n${cert}`)
    const voters = this.#nodes.map(({ id, ports }) => `${id}@127.0.0.1:${ports.controller}`).join(',')
    const ca = this.caFile
    const all = { ...serverProperties({ ...node, voters, listener, autoCreate, clientAuth, ca }), ...props }
    const text = Object.entries(all).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(join(node.dir, 'server.properties'), text.join(''))
  }

  #launch(node: Node): void {
    const flags = ['-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
    const args = ['-cp', this.#classPath, 'Broker', CLUSTER_ID, join(node.dir, 'server.properties')]
    const log = openSync(join(node.dir, 'log'), 'a')
    node.child = spawn('java', [...flags, ...args], { stdio: ['pipe', log, log] })
    closeSync(log)
    node.exited = once(node.child, 'exit')
    node.child.stdin?.on('error', () => {})
  }

  async #ready(): Promise<void> {
    const running = this.#nodes.filter(({ child }) => child !== undefined)
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

  async #listening(nodes: Node[]): Promise<boolean> {
    return (await Promise.all(nodes.map(({ ports }) => connected(ports.client)))).every(Boolean)
  }

  #unguard(node: Node): void {
    node.guard?.kill('SIGKILL')
    node.guard = undefined
  }

  #node(i: number): Node {
    const node = this.#nodes[i]
    if (node === undefined) throw new Error(`there is no broker ${i}`)
    return node
  }

  async #end(): Promise<void> {
    this.tool?.close()
    for (let i = 0; i < this.#nodes.length; i++) await this.kill9(i)
  }
}

function threadStates(pid = 0): (string | undefined)[] {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).map((tid) => STATE.exec(readFileSync(`${tasks}/${tid}/stat`, 'latin1'))?.[1])
}
