import type { Socket } from 'node:net'
import type { AnyInputSpec } from '../engine/input-context.ts'
import { type EngineRun, type ListeningOptions, runListening } from '../engine/listening-run.ts'
import { SocketClient } from '../socket-client.ts'
import { until } from '../until.ts'

export interface ListeningRun extends EngineRun {
  /** Tags and records that were delivered. */
  records(): [tag: string, record: unknown][]
}

/** Runs an input that answers requests with the real engine, in this process. */
export async function listeningInput(
  spec: AnyInputSpec,
  options: Record<string, string | string[]> = {},
  more: ListeningOptions = {},
): Promise<ListeningRun> {
  const run = await runListening(spec, options, more)
  return { ...run, records: () => run.output.records.map(({ tag, record }) => [tag, record]) }
}

export interface Answer {
  status: number
  head: string
  body: string
}

/** A client that keeps the answers that it receives. */
export class HttpClient extends SocketClient {
  #received = ''

  constructor(at: number | Socket) {
    super(at)
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.#received += text
    })
  }

  /** Bytes that came, as Latin-1. */
  get received(): string {
    return this.#received
  }

  /** Complete answers so far; interim ones have no body. */
  get answers(): Answer[] {
    const found: Answer[] = []
    let rest = this.#received
    for (;;) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) return found
      const head = rest.slice(0, end)
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (rest.length < end + 4 + length) return found
      found.push({
        status: Number(head.slice(9, 12)),
        head,
        body: Buffer.from(rest.slice(end + 4, end + 4 + length), 'latin1').toString(),
      })
      rest = rest.slice(end + 4 + length)
    }
  }

  /** Waits for the nth answer. */
  async answer(n = 1): Promise<Answer> {
    return until(() => this.answers[n - 1], {
      what: () => `answer ${n} after ${JSON.stringify(this.#received)}`,
    })
  }
}

/** Returns a request with a body. */
export function post(path: string, body: string | Buffer, headers: Record<string, string> = {}): Buffer {
  const bytes = Buffer.from(body as string)
  const all = {
    Host: 'x',
    'Content-Type': 'application/json',
    'Content-Length': String(bytes.length),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), bytes])
}
