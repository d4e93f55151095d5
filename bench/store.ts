/**
 * The store of the benchmarks: takes requests over HTTP at full speed and answers them as the bulk API of Elasticsearch, Loki,
 * an OpenTelemetry collector or any server that takes JSON lines would.
 *
 *   bun bench/store.ts count|check            prints `listening PORT`; a line on stdin prints the summary as JSON and
 *                                              begins a new one
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { MARK } from './data.ts'

/** count: looks into a body only for the number of operations. check: records the number of each record, which is slow. */
export type StoreMode = 'count' | 'check'

export interface StoreSummary {
  requests: number
  bytes: number
  /** Operations of bulk requests. */
  operations: number
  /** In check mode only: how many numbers were seen, and how many of them again. */
  distinct: number
  repeated: number
  errors: string[]
}

/** Outcome of an operation as far as `filter_path` of the request asks for it. */
const ITEM = '{"create":{"status":201}},'
const ITEMS = Buffer.from(ITEM.repeat(20_000))
const BULK_HEAD = Buffer.from('{"errors":false,"items":[')
const BULK_END = Buffer.from(']}')
const MAX_BODY_BYTES = 64_000_000
const LF = 0x0a

/** A server of the stores on loopback. */
class Store {
  readonly port: number
  readonly #mode: StoreMode
  readonly #server: { port?: number | undefined; stop(closeActive?: boolean): Promise<void> }
  #summary = emptySummary()
  #seen = new Uint8Array(0)

  constructor(mode: StoreMode) {
    this.#mode = mode
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      maxRequestBodySize: MAX_BODY_BYTES,
      fetch: (request) => this.#answer(request),
    })
    this.port = this.#server.port as number
  }

  /** Returns the summary so far and starts a new one. */
  take(): StoreSummary {
    const summary = this.#summary
    this.#summary = emptySummary()
    this.#seen.fill(0)
    return summary
  }

  async close(): Promise<void> {
    await this.#server.stop(true)
  }

  async #answer(request: Request): Promise<Response> {
    const summary = this.#summary
    const sent = Buffer.from(await request.arrayBuffer())
    summary.requests++
    summary.bytes += sent.length
    const { pathname } = new URL(request.url)
    const isBulk = pathname.endsWith('/_bulk')
    const isLoki = pathname === '/loki/api/v1/push'
    try {
      const coding = request.headers.get('content-encoding') ?? (isLoki ? 'snappy' : '')
      const body = isBulk || this.#mode === 'check' ? await decoded(sent, coding) : sent
      if (this.#mode === 'check') this.#check(body)
      if (isBulk) return this.#bulkAnswer(body)
    } catch (error) {
      if (summary.errors.length < 10) summary.errors.push((error as Error).message)
      return new Response('', { status: 400 })
    }
    return isLoki ? new Response(null, { status: 204 }) : new Response('')
  }

  #bulkAnswer(body: Buffer): Response {
    let lines = 0
    for (let at = body.indexOf(LF); at >= 0; at = body.indexOf(LF, at + 1)) lines++
    const operations = lines >> 1
    this.#summary.operations += operations
    const items = ITEMS.subarray(0, Math.max(0, operations * ITEM.length - 1))
    const headers = { 'content-type': 'application/json' }
    return new Response(Buffer.concat([BULK_HEAD, items, BULK_END]), { headers })
  }

  #check(body: Buffer): void {
    for (let at = body.indexOf(MARK); at >= 0; at = body.indexOf(MARK, at)) {
      at += MARK.length
      this.#recordNumber(Number(body.toString('latin1', at, at + 10)))
    }
  }

  #recordNumber(number: number): void {
    if (number >= this.#seen.length) {
      const grown = new Uint8Array(Math.max(number + 1, this.#seen.length * 2, 1 << 20))
      grown.set(this.#seen)
      this.#seen = grown
    }
    if (this.#seen[number] === 0) this.#summary.distinct++
    else this.#summary.repeated++
    this.#seen[number] = 1
  }
}

async function decoded(body: Buffer, coding: string): Promise<Buffer> {
  if (coding === 'gzip') return gunzipSync(body)
  if (coding === 'zstd') return zstdDecompressSync(body)
  if (coding !== 'snappy') return body
  const { default: snappy } = await import('snappyjs')
  return Buffer.from(snappy.uncompress(body))
}

function emptySummary(): StoreSummary {
  return { requests: 0, bytes: 0, operations: 0, distinct: 0, repeated: 0, errors: [] }
}

if (import.meta.main) {
  const store = new Store(process.argv[2] as StoreMode)
  console.log(`listening ${store.port}`)
  for await (const _line of console) console.log(JSON.stringify(store.take()))
  await store.close()
}
