import { faultAnswer, type StoreAnswer } from '../doubles/answer.ts'
import { Ledger, numberOf } from '../doubles/ledger.ts'
import { type Fate, type Fault, FaultPlan, type PlanInit } from '../doubles/plan.ts'
import type { StoreApi, StoreContext } from '../doubles/store-double.ts'
import { type ScriptedAnswer, ScriptedServer, type SeenRequest } from './scripted-server.ts'

/** Faults that a server without a socket can show. */
export const SCRIPTED_FAULTS = [
  'close-unkept',
  'close-kept',
  '429',
  '429-seconds',
  '500',
  '502',
  '503',
  '401',
  '403',
  '404',
  'redirect',
  'html',
  'html-200',
  'cut-kept',
] as const satisfies readonly Fault[]

/** A store with faults, as StoreDouble, behind a server without a socket. */
export class ScriptedStore<Api extends StoreApi> implements StoreContext {
  readonly api: Api
  readonly ledger = new Ledger()
  readonly plan: FaultPlan
  readonly isLean = false
  readonly server: ScriptedServer
  /** Called for each request; what it returns is the answer. */
  before: ((request: SeenRequest) => ScriptedAnswer | undefined) | undefined

  constructor(api: Api, init: PlanInit = {}) {
    this.api = api
    this.plan = new FaultPlan(init)
    this.server = new ScriptedServer((request) => this.#answer(request))
  }

  nowMs(): number {
    return 0
  }

  fate(record: unknown): Fate {
    const fate = this.plan.fate(numberOf(record))
    if (fate === 'refuse') this.ledger.refuse(record)
    return fate
  }

  #answer(request: SeenRequest): ScriptedAnswer | undefined {
    const own = this.before?.(request)
    if (own !== undefined) return own
    const fault = this.plan.fault()
    if (fault === 'close-unkept') return undefined
    const answer = faultAnswer(fault, this) ?? this.api.handle(storeRequest(request), this)
    if (fault === 'close-kept') return undefined
    const { status, headers = {}, body = '' } = answer as StoreAnswer
    const text = body.toString()
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    )
    return {
      ...{ status, headers: lower, body: text },
      ...(fault === 'cut-kept' ? { cutAt: text.length >> 1 } : {}),
    }
  }
}

function storeRequest(request: SeenRequest): Parameters<StoreApi['handle']>[0] {
  const url = new URL(request.path, 'http://store')
  const { method, headers, body } = request
  return {
    ...{ method, version: 'HTTP/1.1', target: request.path, body, content: body },
    headers: Object.entries(headers),
    path: url.pathname,
    query: url.searchParams,
    header: (name) => headers[name],
  }
}
