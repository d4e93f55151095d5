import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { type Running, start } from '../process.ts'
import { tmp } from '../tmp.ts'
import { until } from '../until.ts'
import { inCache, testWithAll } from './cache.ts'

const MODULE = 'github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@v1.52.1'
/** Without C and without debug information: 38 seconds of one core, once for each .cache. */
const BUILD = `GOBIN="$OUT" GOFLAGS=-trimpath CGO_ENABLED=0 go install -ldflags '-s -w' ${MODULE}`
const START_MS = 60_000

/** `test` for cases that need VictoriaLogs: Go builds it once. */
export const testWithVictoriaLogs = testWithAll('victoria-logs', ['go', 'flock'])

/** A row of a query: all values are texts. */
export type Row = Record<string, string>

/**
 * A real VictoriaLogs on loopback. It takes requests of Loki, Elasticsearch, OpenTelemetry, Datadog and Splunk under the paths
 * below, and syslog; none of them with answers for single records.
 */
export class VictoriaLogs {
  static readonly PATHS = {
    loki: '/insert/loki/api/v1/push',
    es: '/insert/elasticsearch',
    opentelemetry: '/insert/opentelemetry/v1/logs',
    datadog: '/insert/datadog/api/v2/logs',
    splunk: '/insert/splunk',
    jsonLines: '/insert/jsonline',
  }
  readonly #program: string
  readonly #data = tmp('victoria-logs-')
  readonly #flags: string[]
  #ports: [http: number, syslogTcp: number, syslogUdp: number] = [0, 0, 0]
  #process: Running | undefined

  private constructor(program: string, flags: string[]) {
    this.#program = program
    this.#flags = flags
  }

  static async start(flags: string[] = []): Promise<VictoriaLogs> {
    const store = new VictoriaLogs(victoriaLogs(), flags)
    store.#ports = (await freePorts(3)) as [number, number, number]
    await store.up()
    return store
  }

  get port(): number {
    return this.#ports[0]
  }

  get syslogTcpPort(): number {
    return this.#ports[1]
  }

  get syslogUdpPort(): number {
    return this.#ports[2]
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get log(): string {
    return this.#process?.stderr ?? ''
  }

  /** Starts the store, with the data that it had. */
  async up(): Promise<void> {
    const [http, tcp, udp] = this.#ports.map((port) => `127.0.0.1:${port}`)
    const own = [`-httpListenAddr=${http}`, `-storageDataPath=${this.#data}`, '-retentionPeriod=100y']
    const syslog = [`-syslog.listenAddr.tcp=${tcp}`, `-syslog.listenAddr.udp=${udp}`]
    const store = start([...own, ...syslog, ...this.#flags], { command: [this.#program] })
    this.#process = store
    const isUp = async (): Promise<boolean> => {
      if (store.exit !== undefined) throw new Error(`VictoriaLogs ended: ${this.log.slice(-4000)}`)
      const health = await fetch(`${this.url}/health`, { keepalive: false }).catch(() => undefined)
      return health?.status === 200
    }
    await until(isUp, {
      limitMs: START_MS,
      everyMs: 20,
      what: () => `VictoriaLogs: ${this.log.slice(-4000)}`,
    })
  }

  /** Stops the store in order: killed, it would lose what it has accepted in the last seconds. */
  async down(): Promise<void> {
    await this.#process?.stop()
  }

  /** Returns the rows of a query in LogsQL, of all times; what has been accepted before is found. */
  async query(logsql: string): Promise<Row[]> {
    const text = await this.#ask('/select/logsql/query', logsql)
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Row)
  }

  /** Returns the number of rows of a query. */
  async count(logsql = '*'): Promise<number> {
    const [row] = await this.query(`${logsql} | stats count() records`)
    return Number(row?.records ?? 0)
  }

  async #ask(path: string, query: string): Promise<string> {
    await this.#get('/internal/force_flush')
    const body = new URLSearchParams({ query, start: '1970-01-02T00:00:00Z', end: '2100-01-01T00:00:00Z' })
    return this.#get(path, { method: 'POST', body })
  }

  async #get(path: string, init: RequestInit = {}): Promise<string> {
    const answer = await fetch(`${this.url}${path}`, { keepalive: false, ...init })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`)
    return text
  }
}

/** Returns the path of the program. */
function victoriaLogs(): string {
  return join(inCache('victoria-logs', BUILD), 'victoria-logs')
}
