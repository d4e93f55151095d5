import type { StoreAnswer } from './answer.ts'
import { objectsIn } from './json-logs.ts'
import type { StoreApi, StoreContext, StoreRequest } from './store-double.ts'

const EVENT_PATHS = ['/services/collector', '/services/collector/event', '/services/collector/event/1.0']
const RAW_PATHS = ['/services/collector/raw', '/services/collector/raw/1.0']
const ACK_PATH = '/services/collector/ack'
const GUID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/

export interface SplunkEvent {
  event: unknown
  time?: number | string
  host?: string
  source?: string
  sourcetype?: string
  index?: string
  fields?: Record<string, string>
}

/** When events are acknowledged: at once, after a number of questions, or never. `off`: the token has no acknowledgement. */
export type Acks = 'off' | 'at once' | 'never' | number

/**
 * Splunk's HTTP Event Collector. Events are kept when they are accepted, whenever that is acknowledged; with `never` they are
 * lost after the answer of success, as in an indexer that ends. `true` is said once of an id; ids belong to a channel. A request
 * with a refused event is taken up to it, as Splunk does, and answered with code 6 and its number.
 */
export class SplunkApi implements StoreApi {
  readonly events: SplunkEvent[] = []
  acks: Acks
  /** Tokens that are accepted; empty: all. */
  readonly tokens: string[] = []
  /** Number of questions so far for each id that is not acknowledged. */
  readonly #pending = new Map<string, number>()
  readonly #next = new Map<string, number>()

  constructor(acks: Acks = 'off') {
    this.acks = acks
  }

  /** Ids that are not acknowledged yet. */
  get open(): number {
    return this.#pending.size
  }

  handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    const token = request.header('authorization')
    if (token === undefined) return code(401, 2, 'Token is required')
    if (this.tokens.length > 0 && !this.tokens.includes(token.replace(/^Splunk /, '')))
      return code(403, 4, 'Invalid token')
    const channel = request.header('x-splunk-request-channel') ?? request.query.get('channel') ?? ''
    if (request.path === ACK_PATH) return this.#answerAcks(request, channel)
    const isRaw = RAW_PATHS.includes(request.path)
    if (!isRaw && !EVENT_PATHS.includes(request.path))
      return code(404, 404, 'The requested URL was not found')
    if (this.acks !== 'off' && channel === '') return code(400, 10, 'Data channel is missing')
    if (channel !== '' && !GUID.test(channel)) return code(400, 11, 'Invalid data channel')
    const events = isRaw
      ? linesOf(request.content)
      : (objectsIn(request.content.toString()) as unknown as SplunkEvent[])
    if (events.length === 0) return code(400, 5, 'No data')
    const without = events.findIndex(({ event }) => event === undefined)
    if (without >= 0) return { ...code(400, 12, 'Event field is required'), ...invalidAt(12, without) }
    if (store.plan.fate(undefined) === 'later') return this.error(503)
    return this.#take(events, channel, store)
  }

  error(status: number): StoreAnswer {
    return status === 503 ? code(503, 9, 'Server is busy') : code(status, 8, 'Internal server error')
  }

  #take(events: SplunkEvent[], channel: string, store: StoreContext): StoreAnswer {
    const bad = events.findIndex(({ event }) => store.fate(event) === 'refuse')
    const good = bad < 0 ? events : events.slice(0, bad)
    if (this.acks !== 'never' || bad >= 0) for (const event of good) this.#keep(event, store)
    if (bad >= 0) return { status: 400, ...invalidAt(6, bad) }
    if (this.acks === 'off') return code(200, 0, 'Success')
    const id = this.#next.get(channel) ?? 0
    this.#next.set(channel, id + 1)
    if (this.acks !== 'never') this.#pending.set(`${channel} ${id}`, 0)
    return { status: 200, body: JSON.stringify({ text: 'Success', code: 0, ackId: id }) }
  }

  #keep(event: SplunkEvent, store: StoreContext): void {
    this.events.push(event)
    store.ledger.keep(event.event, `${event.source ?? ''}`)
  }

  #answerAcks(request: StoreRequest, channel: string): StoreAnswer {
    if (this.acks === 'off') return code(400, 14, 'ACK is disabled')
    if (channel === '') return code(400, 10, 'Data channel is missing')
    const { acks: ids } = JSON.parse(request.content.toString()) as { acks: number[] }
    const acks = ids.map((id) => [String(id), this.#isAcked(`${channel} ${id}`)])
    return { status: 200, body: JSON.stringify({ acks: Object.fromEntries(acks) }) }
  }

  #isAcked(key: string): boolean {
    const asked = this.#pending.get(key)
    if (asked === undefined) return false
    this.#pending.set(key, asked + 1)
    if (typeof this.acks === 'number' && asked < this.acks) return false
    return this.#pending.delete(key)
  }
}

function code(status: number, number: number, text: string): StoreAnswer {
  return { status, body: JSON.stringify({ text, code: number }) }
}

function invalidAt(number: number, at: number): { body: string } {
  const text = number === 6 ? 'Invalid data format' : 'Event field is required'
  return { body: JSON.stringify({ text, code: number, 'invalid-event-number': at }) }
}

function linesOf(body: Buffer): SplunkEvent[] {
  const lines = body.toString().split('\n')
  return lines.filter((line) => line !== '').map((event) => ({ event }))
}
