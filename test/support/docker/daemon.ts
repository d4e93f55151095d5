import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { atEnd, tmp } from '../tmp.ts'

/** Number of events that the real daemon keeps. */
const KEPT_EVENTS = 256

/**
 * The part of a Docker daemon that answers `GET /events` on a unix socket, as 20.10.24 was observed to: head,
 * one event per line and chunk, and with `since` the kept events from that time on. Tests inject failures by
 * `answer`.
 */
export class DockerDaemon {
  readonly path: string
  readonly requests: string[] = []
  /** Answers the next requests instead of the daemon. */
  readonly answers: ((response: ServerResponse) => void)[] = []
  readonly #open = new Set<ServerResponse>()
  #kept: { nano: bigint; line: string }[] = []
  #server: Server | undefined

  private constructor(path: string) {
    this.path = path
  }

  static async start(path = join(tmp(), 'docker.sock')): Promise<DockerDaemon> {
    const daemon = new DockerDaemon(path)
    await daemon.up()
    atEnd(() => daemon.down())
    return daemon
  }

  get listening(): number {
    return this.#open.size
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response))
    this.#server = server
    await new Promise<void>((resolve) => server.listen(this.path, resolve))
  }

  /** Ends as a daemon that is stopped: connections are cut, and what it kept is gone. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.#kept = []
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  /** Makes an event with this time; returns its line. */
  emit(name: string, nano: bigint): string {
    const line = eventLine(name, nano)
    this.#kept = [...this.#kept, { nano, line }].slice(-KEPT_EVENTS)
    for (const response of this.#open) response.write(`${line}\n`)
    return line
  }

  /** Sends bytes as they are to all who read. */
  write(bytes: Buffer | string): void {
    for (const response of this.#open) response.write(bytes)
  }

  /** Ends the open responses properly. */
  end(): void {
    for (const response of this.#open) response.end()
  }

  cut(): void {
    for (const response of this.#open) response.destroy()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request.url ?? '')
    const answer = this.answers.shift()
    if (answer !== undefined) {
      answer(response)
      return
    }
    response.writeHead(200, { 'api-version': '1.41', 'content-type': 'application/json' })
    response.flushHeaders()
    this.#open.add(response)
    response.once('close', () => this.#open.delete(response))
    const since = new URL(request.url ?? '', 'http://docker').searchParams.get('since')
    if (since === null) return
    const [seconds = '0', decimals = ''] = since.split('.')
    const from = BigInt(seconds) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0'))
    // From the newest backward, until one is older: as the daemon does it.
    const first = this.#kept.findLastIndex(({ nano }) => nano < from) + 1
    for (const { line } of this.#kept.slice(first)) response.write(`${line}\n`)
  }
}

/** Returns an event as a real daemon has written it. */
export function eventLine(name: string, nano: bigint): string {
  return `{"Type":"volume","Action":"create","Actor":{"ID":"${name}","Attributes":{"driver":"local"}},"scope":"local","time":${nano / 1_000_000_000n},"timeNano":${nano}}`
}
