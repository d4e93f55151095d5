import type { StoreAnswer } from './answer.ts'
import { numberOf } from './ledger.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

export interface JsonLogsInit {
  /** Path of the API; others get 404. */
  path: string
  /** Status of a good answer. */
  status: number
  /** Header with the key, which must be there. */
  keyHeader?: string
  /** Limits of a request: 413 above. */
  maxRecords?: number
  maxBytes?: number
}

export const DATADOG: JsonLogsInit = {
  path: '/api/v2/logs',
  status: 202,
  keyHeader: 'dd-api-key',
  maxRecords: 1000,
  maxBytes: 5_000_000,
}

/** A receiver of the output `http`. */
export const PLAIN: JsonLogsInit = { path: '/', status: 200 }

/**
 * A store that takes records as JSON: a list of objects, lines, or objects one behind the other; Datadog, New Relic, and what
 * the output `http` speaks to. A request with a record that is refused gets 400 as a whole, and nothing of it is kept.
 */
export class JsonLogsApi implements StoreApi {
  readonly records: Record<string, unknown>[] = []
  readonly #init: JsonLogsInit

  constructor(init: JsonLogsInit = PLAIN) {
    this.#init = init
  }

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    const { path, status, keyHeader, maxRecords = Number.POSITIVE_INFINITY } = this.#init
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#init
    if (request.path !== path) return this.error(404)
    if (keyHeader !== undefined && !request.header(keyHeader)) return this.error(403)
    const records = recordsOf(request.content.toString())
    if (records.length > maxRecords || request.content.length > maxBytes) return this.error(413)
    if (store.plan.fate(undefined) === 'later') return this.error(429)
    const numbers = records.map(numberOf)
    if (numbers.some((number) => number !== undefined && store.plan.isRefused(number))) {
      // Only of a record that came alone it is known that it was refused.
      if (records.length === 1) store.ledger.refuse(records[0])
      return this.error(400)
    }
    for (const record of records) {
      if (!store.isLean) this.records.push(record)
      store.ledger.keep(record)
    }
    return { status, body: '{}' }
  }

  error(status: number): StoreAnswer {
    return { status, body: JSON.stringify({ errors: [{ status: String(status), title: 'fault' }] }) }
  }
}

function recordsOf(text: string): Record<string, unknown>[] {
  if (!text.startsWith('[')) return objectsIn(text)
  const list = JSON.parse(text) as Record<string, unknown>[]
  // New Relic's form: logs under common attributes.
  return list.flatMap((item) =>
    Array.isArray(item.logs) ? (item.logs as Record<string, object>[]).map(withAttributes) : [item],
  )
}

function withAttributes(log: Record<string, object>): Record<string, unknown> {
  return { ...log, ...log.attributes }
}

/** Returns the JSON objects that stand one behind the other, with or without white space between them. */
export function objectsIn(text: string): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = []
  let [depth, start, isText] = [0, 0, false]
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (isText) {
      if (c === '\\') i++
      else if (c === '"') isText = false
    } else if (c === '"' && depth > 0) isText = true
    else if (c === '{' && depth++ === 0) start = i
    else if (c === '}' && depth > 0 && --depth === 0)
      found.push(JSON.parse(text.slice(start, i + 1)) as Record<string, unknown>)
    else if (depth === 0 && c !== '}' && !/\s/.test(c)) throw new Error(`no object at ${i}: ${c}`)
  }
  if (depth !== 0) throw new Error('an object without end')
  return found
}
