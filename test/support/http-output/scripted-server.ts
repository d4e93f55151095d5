import { HttpError } from '../../../src/lib/http/http-error.ts'
import type {
  Connections,
  HttpSender,
  SenderResponse,
  SentRequest,
} from '../../../src/lib/http-output/api.ts'

/** A request as the server of a test sees it. */
export interface SeenRequest {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
}

/** An answer; `cutAt`: the body ends there with an error, after so many bytes. */
export interface ScriptedAnswer {
  status: number
  headers?: Record<string, string>
  body?: string | Buffer
  cutAt?: number
}

/** Answers a request; `undefined`: the connection is closed without an answer. */
export type Script = (
  request: SeenRequest,
  index: number,
) => ScriptedAnswer | undefined | Promise<ScriptedAnswer | undefined>

/** A server without a socket. */
export class ScriptedServer implements Connections, HttpSender {
  readonly origin = 'http://server:80'
  readonly responseTimeoutMs = 60_000
  readonly readTimeoutMs = 60_000
  readonly maxRequests: number | undefined
  readonly seen: SeenRequest[] = []
  inFlight = 0
  maxInFlight = 0
  readonly #script: Script

  constructor(script: Script, maxRequests?: number) {
    this.#script = script
    this.maxRequests = maxRequests
  }

  start(): void {}

  createSender(): HttpSender {
    return this
  }

  async send({ method, path, headers, body, signal }: SentRequest): Promise<SenderResponse> {
    const request = { method, path, headers, body: Buffer.concat(body) }
    const index = this.seen.push(request) - 1
    this.maxInFlight = Math.max(this.maxInFlight, ++this.inFlight)
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(closed('stopped')), { once: true })
    })
    try {
      const answer = await Promise.race([aborted, Promise.resolve(this.#script(request, index))])
      await new Promise((resolve) => setImmediate(resolve))
      if (answer === undefined) throw closed('the server closed the connection without a response')
      return responseOf(answer)
    } finally {
      this.inFlight--
    }
  }

  async close(): Promise<void> {}
}

function responseOf({ status, headers = {}, body = '', cutAt }: ScriptedAnswer): SenderResponse {
  return {
    status,
    header: (name) => headers[name],
    body: piecesOf(typeof body === 'string' ? Buffer.from(body) : body, cutAt),
    discard: () => {},
  }
}

/** Pieces of a few bytes, so that no reader relies on their borders. */
async function* piecesOf(body: Buffer, cutAt: number | undefined): AsyncGenerator<Buffer> {
  const end = Math.min(cutAt ?? body.length, body.length)
  for (let at = 0; at < end; at += 37) yield body.subarray(at, Math.min(at + 37, end))
  if (cutAt !== undefined) throw closed('the connection was closed before the end of the response')
}

function closed(reason: string): HttpError {
  return new HttpError('E_PEER_CLOSED', reason, 'POST http://server:80', true)
}
