import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { freePorts } from '../ports.ts'
import { type Running, start } from '../process.ts'
import { atEnd, tmp } from '../tmp.ts'
import { until } from '../until.ts'
import { inCache, testWithAll } from './cache.ts'
import { type NumberCount, NumberCounter } from './numbers.ts'

const HERE = join(import.meta.dirname, 'opensearch')
const JAVA = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
const START_MS = 240_000
const PAGE = 10_000

/** `test` for cases that need OpenSearch: JDK 17 or newer, and Maven, which downloads 45 MB of jars once. */
export const testWithOpenSearch = testWithAll('opensearch', ['java', 'javac', 'mvn', 'flock'])

export interface Answer<T = Record<string, unknown>> {
  status: number
  body: T
}

interface Page {
  _scroll_id: string
  hits: { hits: { _id: string; fields?: Record<string, unknown[]>; _source?: unknown }[] }
}

/** A document of a search. */
export interface Found {
  id: string
  source: Record<string, unknown>
}

/** A real OpenSearch of one node on loopback, without security. It ends with the test. */
export class OpenSearch {
  readonly #home = tmp('opensearch-')
  readonly #classPath = classPath()
  #ports: [http: number, transport: number] = [0, 0]
  #process: Running | undefined

  static async start(): Promise<OpenSearch> {
    const store = new OpenSearch()
    store.#ports = (await freePorts(2)) as [number, number]
    await store.up()
    atEnd(() => store.kill9())
    return store
  }

  get port(): number {
    return this.#ports[0]
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Log of the process, errors of its start among them. */
  get log(): string {
    return `${this.#process?.stdout ?? ''}${this.#process?.stderr ?? ''}`
  }

  /** Starts the node, with the data that it had, and waits until it takes requests. */
  async up(): Promise<void> {
    const args = [...JAVA, '-cp', this.#classPath, 'SingleNode', this.#home, ...this.#ports.map(String)]
    const node = start(args, { command: ['java'], stdin: 'open' })
    node.child.stdin?.on('error', () => {})
    this.#process = node
    const isUp = async (): Promise<boolean> => {
      if (node.exit !== undefined) throw new Error(`OpenSearch ended: ${this.log.slice(-4000)}`)
      const health = await this.ask('GET', '/_cluster/health').catch(() => undefined)
      return health?.body.status === 'green' || health?.body.status === 'yellow'
    }
    await until(isUp, { limitMs: START_MS, everyMs: 50, what: () => `OpenSearch: ${this.log.slice(-4000)}` })
  }

  /** Ends the node without a chance to write anything. */
  async kill9(): Promise<void> {
    await this.#process?.stop('SIGKILL')
  }

  /** Sends a request and returns the answer, whatever its status. */
  async ask<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const type = path.includes('_bulk') ? 'application/x-ndjson' : 'application/json'
    const headers = text === undefined ? {} : { 'content-type': type }
    const init = { method, headers, keepalive: false, ...(text === undefined ? {} : { body: text }) }
    const answer = await fetch(`${this.url}${path}`, init)
    return { status: answer.status, body: (await answer.json()) as T }
  }

  /** As `ask`, but throws for a status other than 200 and 201. */
  async must<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.ask<T>(method, path, body)
    if (answer.status === 200 || answer.status === 201) return answer.body
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }

  /** Creates an index whose fields have these types, without a replica. */
  async createIndex(name: string, types: Record<string, string> = {}): Promise<void> {
    await this.must('PUT', `/${name}`, template(types))
  }

  /** Creates a template of indices; with `dataStream` of data streams, which come into being with their first document. */
  async createTemplate(
    pattern: string,
    types: Record<string, string> = {},
    dataStream = false,
  ): Promise<void> {
    const body = {
      index_patterns: [pattern],
      template: template(types),
      ...(dataStream ? { data_stream: {} } : {}),
    }
    await this.must('PUT', `/_index_template/${pattern.replaceAll('*', 'all')}`, body)
  }

  /** Begins a new backing index of a data stream. */
  async rollOver(stream: string): Promise<void> {
    await this.must('POST', `/${stream}/_rollover`)
  }

  /** Returns the number of documents that a search finds now; 0 where there is no index. */
  async count(index: string): Promise<number> {
    await this.ask('POST', `/${index}/_refresh`)
    const { status, body } = await this.ask<{ count: number }>('GET', `/${index}/_count`)
    if (status === 404) return 0
    if (status !== 200) throw new Error(`count of ${index}: ${status} ${JSON.stringify(body)}`)
    return body.count
  }

  /** Returns the documents of an index with their sources. For small ones. */
  async documents(index: string): Promise<Found[]> {
    const found: Found[] = []
    for await (const hits of this.#pages(index, {}))
      for (const { _id, _source } of hits) found.push({ id: _id, source: _source as Record<string, unknown> })
    return found
  }

  /** Counts the values of a field that is an integer; the numbers from 0 to `below` are expected. */
  async numbers(index: string, below: number, field = 'n'): Promise<NumberCount> {
    const counter = new NumberCounter(below)
    const only = { _source: false, docvalue_fields: [field] }
    for await (const hits of this.#pages(index, only))
      for (const { fields } of hits) counter.add(fields?.[field]?.[0] as number | undefined)
    return counter.result()
  }

  async *#pages(index: string, more: object): AsyncGenerator<Page['hits']['hits']> {
    await this.must('POST', `/${index}/_refresh`)
    const scroll = '10m'
    const body = { size: PAGE, sort: ['_doc'], ...more }
    let page = await this.must<Page>('POST', `/${index}/_search?scroll=${scroll}`, body)
    while (page.hits.hits.length > 0) {
      yield page.hits.hits
      page = await this.must<Page>('POST', '/_search/scroll', { scroll, scroll_id: page._scroll_id })
    }
    await this.must('DELETE', '/_search/scroll', { scroll_id: page._scroll_id })
  }
}

function template(types: Record<string, string>): object {
  const properties = Object.fromEntries(Object.entries(types).map(([field, type]) => [field, { type }]))
  return { settings: { number_of_replicas: 0, number_of_shards: 1 }, mappings: { properties } }
}

function classPath(): string {
  const pom = readFileSync(join(HERE, 'pom.xml'))
  const source = readFileSync(join(HERE, 'SingleNode.java'))
  const copy = `mvn -B -q dependency:copy-dependencies -f '${HERE}/pom.xml' -DincludeScope=runtime -DoutputDirectory="$OUT"`
  const jars = inCache('opensearch-jars', copy, pom)
  const compile = `javac -nowarn -cp '${jars}/*' -d "$OUT" '${HERE}/SingleNode.java'`
  return `${inCache('opensearch-classes', compile, pom, source)}${delimiter}${jars}/*`
}
