import type { StoreAnswer } from './answer.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

const BULK = /^\/(?:.*\/)?_bulk\/?$/
const OPERATIONS = ['create', 'index', 'update', 'delete']
const MAX_ID_BYTES = 512
const REASONS: Record<number, [type: string, reason: string]> = {
  400: ['mapper_parsing_exception', 'failed to parse field [n] of type [long]'],
  409: ['version_conflict_engine_exception', '[id]: version conflict, document already exists'],
  429: ['es_rejected_execution_exception', 'rejected execution of coordinating operation'],
  503: ['unavailable_shards_exception', 'primary shard is not active'],
}

/** A document of the index. */
export interface EsDocument {
  index: string
  id: string
  source: Record<string, unknown>
}

interface Item {
  operation: string
  status: number
  id: string
}

/**
 * The bulk API of Elasticsearch 8 and OpenSearch 2, kept by index and id. Not judged: mappings, and a document with a key
 * twice, which the real ones refuse; for those there is a real OpenSearch.
 */
export class EsApi implements StoreApi {
  readonly documents = new Map<string, EsDocument>()
  #made = 0

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    const { method, path } = request
    if (method === 'GET' && path === '/')
      return {
        status: 200,
        body: JSON.stringify({ version: { number: '2.19.6', distribution: 'opensearch' } }),
      }
    if (!BULK.test(path) || !['POST', 'PUT'].includes(method)) return this.error(405)
    if (request.header('content-length') === undefined) return refused('no Content-Length')
    const text = request.content.toString()
    if (!text.endsWith('\n')) return refused('The bulk request must be terminated by a newline [\\n]')
    const items: Item[] = []
    const lines = text.split('\n').slice(0, -1)
    for (let i = 0; i < lines.length; i++) {
      const [operation = '', meta] = Object.entries(JSON.parse(lines[i] ?? '') as object)[0] ?? []
      if (!OPERATIONS.includes(operation)) return refused(`Malformed action/metadata line [${i + 1}]`)
      const fields = meta as Record<string, string>
      if ('_type' in fields) return refused('Action/metadata line [1] contains an unknown parameter [_type]')
      if (operation === 'delete') return refused('the agent has nothing to delete')
      const source = JSON.parse(lines[++i] ?? '') as Record<string, unknown>
      items.push(this.#take(operation, fields, source, store))
    }
    return answerOf(items, request, store)
  }

  error(status: number): StoreAnswer {
    const body = { error: { type: 'fault', reason: `status ${status}` }, status }
    return { status, body: JSON.stringify(body) }
  }

  #take(
    operation: string,
    fields: Record<string, string>,
    source: Record<string, unknown>,
    store: StoreContext,
  ): Item {
    const { _id: given, _index: index = '' } = fields
    if (given !== undefined && (given === '' || Buffer.byteLength(given) > MAX_ID_BYTES)) {
      store.ledger.refuse(source)
      return { operation, status: 400, id: given }
    }
    const id = given ?? `made-${this.#made++}`
    const key = `${index}/${id}`
    const exists = this.documents.has(key)
    // A conflict is found before the mapping is looked at, and needs no room in a queue.
    if (exists && operation === 'create') return { operation, status: 409, id }
    const fate = store.fate(source)
    if (fate === 'refuse') return { operation, status: 400, id }
    if (fate === 'later') return { operation, status: store.plan.random() < 0.5 ? 429 : 503, id }
    this.documents.set(key, { index, id, source: store.isLean ? {} : source })
    if (!exists) store.ledger.keep(source, index)
    return { operation, status: exists ? 200 : 201, id }
  }
}

/** Returns the answer, with `errors` at a place of chance and only the fields that `filter_path` names. */
function answerOf(items: Item[], { query }: StoreRequest, { plan }: StoreContext): StoreAnswer {
  const paths = query.get('filter_path')?.split(',')
  const wants = (path: string): boolean =>
    paths === undefined || paths.some((wanted) => path === wanted || path.startsWith(`${wanted}.`))
  const list = items.map(({ operation, status, id }) => {
    const [type, reason] = REASONS[status] ?? []
    const error = {
      ...(wants('items.*.error.type') ? { type } : {}),
      ...(wants('items.*.error.reason') ? { reason } : {}),
    }
    const item = {
      ...(wants('items.*._id') ? { _id: id } : {}),
      ...(wants('items.*.status') ? { status } : {}),
      ...(type !== undefined && Object.keys(error).length > 0 ? { error } : {}),
    }
    return { [operation]: item }
  })
  // An item of which nothing is left disappears from the list, and so does a list without items.
  const left = list.filter((item) => Object.values(item).some((fields) => Object.keys(fields).length > 0))
  const parts = [
    ...(wants('took') ? ['"took":1'] : []),
    ...(wants('errors') ? [`"errors":${items.some(({ status }) => status >= 300)}`] : []),
    ...(left.length > 0 ? [`"items":${JSON.stringify(left)}`] : []),
  ]
  if (plan.random() < 0.5) parts.reverse()
  return { status: 200, body: `{${parts.join(',')}}` }
}

function refused(reason: string): StoreAnswer {
  const body = { error: { type: 'illegal_argument_exception', reason }, status: 400 }
  return { status: 400, body: JSON.stringify(body) }
}
