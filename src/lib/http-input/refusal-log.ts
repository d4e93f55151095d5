import { escapeControls } from '../../core/escape-controls.ts'
import type { Logger } from '../../core/services.ts'
import type { RequestHead } from '../net/http-server/head.ts'
import type { RefusedRequest } from './refused-request.ts'

/** Kinds of refusals that are logged on their own, for as long: clients choose addresses, and a part of the texts. */
const MAX_KINDS = 64
const KINDS_MS = 600_000
/** Maximum number of characters of a path, and of a reason, that are logged. */
const MAX_SHOWN_CHARS = 200
const PREFIX = /^error: /
const NUMBERS = /\d+/g

/** Who has sent a request. */
interface Client {
  readonly address: string
  readonly peer: string
  /** Head of the request; undefined when it could not be read. */
  readonly head: RequestHead | undefined
}

/**
 * Logs requests that are answered with an error. Those of one client for one reason count as repetitions of each other, whatever
 * numbers the reason has.
 */
export class RefusalLog {
  readonly #log: Logger
  readonly #kinds = new Set<string>()
  #sinceMs = performance.now()

  constructor(log: Logger) {
    this.#log = log
  }

  write({ status, reason, message, detail, hint }: RefusedRequest, client: Client): void {
    const why = shown(detail ?? message.replace(PREFIX, ''))
    const what = client.head === undefined ? 'a request' : `${client.head.method} ${shown(client.head.path)}`
    const from = client.address === '' ? '' : ` from ${client.peer}`
    const text =
      reason === 'unsettled'
        ? `answered ${status} to ${what}${from}`
        : `rejected ${what}${from} with ${status}`
    const kind = this.#kindOf(`${reason} ${client.address} ${why.replace(NUMBERS, '0')}`)
    this.#log.warn(`${text}: ${why}`, hint === undefined ? undefined : { hint }, kind ?? reason)
  }

  #kindOf(kind: string): string | undefined {
    const nowMs = performance.now()
    if (nowMs - this.#sinceMs > KINDS_MS) {
      this.#kinds.clear()
      this.#sinceMs = nowMs
    }
    if (!this.#kinds.has(kind) && this.#kinds.size >= MAX_KINDS) return undefined
    this.#kinds.add(kind)
    return kind
  }
}

function shown(text: string): string {
  const cut = text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}...` : text
  return escapeControls(cut)
}
