import type { StoreAnswer } from './answer.ts'
import { decodePush } from './protobuf.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

/** An entry of a stream. */
export interface LokiEntry {
  ns: bigint
  line: string
  metadata: Record<string, string>
}

interface Push {
  labels: string
  entries: LokiEntry[]
}

/** How far behind the newest entry of its stream an entry may be. */
const WINDOW_NS = 3_600_000_000_000n
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/
/** `{a="b", c="d"}` with the escapes of Go. */
const LABELS =
  /^\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*"(?:, ?[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*")*)?\}$/
const DIGITS = /^\d{1,19}$/
const SHOWN = 10

/**
 * The push API of Loki, in JSON and in protobuf. As Loki does, it takes the good entries of a request and answers 400 for the
 * others, and refuses an entry that is an hour behind its stream. It keeps an entry that is already there only once, if time,
 * line and stream are equal, which Loki does too.
 */
export class LokiApi implements StoreApi {
  /** Entries by tenant and labels, in the order in which they came. */
  readonly streams = new Map<string, LokiEntry[]>()
  readonly #newest = new Map<string, bigint>()
  readonly #seen = new Set<string>()

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    if (request.method !== 'POST' || request.path !== '/loki/api/v1/push')
      return text(404, '404 page not found')
    const pushes = pushesOf(request)
    const odd = pushes.find(({ labels }) => !LABELS.test(labels) || labels === '{}')
    if (odd !== undefined) return text(400, `error parsing labels ${odd.labels}`)
    const tenant = request.header('x-scope-orgid') ?? ''
    const all = pushes.flatMap(({ labels, entries }) =>
      entries.map((entry) => ({ key: `${tenant}${labels}`, entry })),
    )
    // A tenant is over its limit with all entries of a request, or with none.
    if (store.plan.fate(undefined) === 'later') return this.error(429)
    const bad = all.filter(({ key, entry }) => !this.#take(key, entry, store))
    if (bad.length === 0) return { status: 204 }
    const shown = bad
      .slice(0, SHOWN)
      .map(({ entry }) => `entry with timestamp ${entry.ns} ignored, reason: 'line refused'`)
    return text(400, `${shown.join('\n')}\ntotal ignored: ${bad.length} out of ${all.length}`)
  }

  error(status: number): StoreAnswer {
    return text(status, `Ingestion rate limit exceeded or status ${status}`)
  }

  /** Returns false for an entry that is refused. */
  #take(key: string, entry: LokiEntry, store: StoreContext): boolean {
    const newest = this.#newest.get(key) ?? 0n
    const isLate = entry.ns < newest - WINDOW_NS
    if (isLate) store.ledger.refuse(entry.line)
    if (isLate || store.fate(entry.line) === 'refuse') return false
    const id = `${key}\n${entry.ns}\n${entry.line}`
    if (this.#seen.has(id)) return true
    this.#seen.add(id)
    if (entry.ns > newest) this.#newest.set(key, entry.ns)
    const stream = this.streams.get(key)
    if (stream === undefined) this.streams.set(key, [entry])
    else stream.push(entry)
    store.ledger.keep(entry.line, key)
    return true
  }
}

function pushesOf(request: StoreRequest): Push[] {
  const type = request.header('content-type')
  if (type === 'application/x-protobuf')
    return decodePush(request.body).map(({ labels, entries }) => ({
      labels,
      entries: entries.map(({ timestamp, line, structuredMetadata }) => ({
        ns: BigInt(timestamp.seconds ?? 0) * 1_000_000_000n + BigInt(timestamp.nanos ?? 0),
        line,
        metadata: Object.fromEntries(structuredMetadata.map(({ name, value }) => [name, value])),
      })),
    }))
  if (type !== 'application/json') throw new Error(`Content-Type: ${type}`)
  const { streams } = JSON.parse(request.content.toString()) as {
    streams: { stream: Record<string, string>; values: [string, string, Record<string, string>?][] }[]
  }
  return streams.map(({ stream, values }) => ({ labels: labelText(stream), entries: values.map(entryOf) }))
}

function entryOf([ns, line, metadata = {}]: [string, string, Record<string, string>?]): LokiEntry {
  if (typeof ns !== 'string' || !DIGITS.test(ns))
    throw new Error(`the time ${JSON.stringify(ns)} is no text of digits`)
  if (typeof line !== 'string') throw new Error('a line is no text')
  const odd = Object.values(metadata).find((value) => typeof value !== 'string')
  if (odd !== undefined) throw new Error('a value of the structured metadata is no text')
  return { ns: BigInt(ns), line, metadata }
}

/** Returns labels as protobuf has them. */
function labelText(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    if (typeof value !== 'string' || !LABEL_NAME.test(name)) throw new Error(`the label ${name} is odd`)
    return `${name}=${JSON.stringify(value)}`
  })
  return `{${pairs.sort().join(', ')}}`
}

function text(status: number, body: string): StoreAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` }
}
