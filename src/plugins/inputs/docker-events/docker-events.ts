import { ShipperError } from '../../../core/error.ts'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import type { TimerHandle } from '../../../core/services.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { HttpClient } from '../../../lib/http/client.ts'
import { openDatabase } from '../../../lib/plugin/database-options.ts'
import { addNamedPlace, placeSource } from '../../../lib/plugin/entry-places.ts'
import { newRunId } from '../../../lib/plugin/run-id.ts'
import { connectionError } from './connection-error.ts'
import { EventKeys } from './event-keys.ts'
import { sinceText } from './event-time.ts'
import { EventWriter } from './event-writer.ts'
import { LineBuffer } from './line-buffer.ts'
import type { DockerEventsOptions } from './options.ts'
import { responseError } from './response-error.ts'
import { SeenEvents } from './seen-events.ts'

/** Maximum size of an event: one has the labels of a container, whose number and size Docker does not limit. */
const MAX_EVENT_BYTES = 1_000_000
/** Maximum size of a line that is passed over; a longer one is no event of Docker. */
const MAX_SKIPPED_BYTES = 16_000_000
const HEAD_TIMEOUT_MS = 30_000
/**
 * Time without events after which the daemon is asked anew: silence is the usual state, and a daemon that hangs
 * looks the same.
 */
const MAX_SILENCE_MS = 300_000
/** A connection that was open for longer was a success, however it ends. */
const HEALTHY_MS = 5000
/** Time between two attempts after Reconnect.Retry_Limits of them have failed. */
const SLOW_RETRY_MS = 30_000
/** The daemon has a socket for others, but no name. */
const ORIGIN = 'http://docker'

/** Reads the events of a Docker daemon; what it sent while no connection was open is asked for afterwards. */
export class DockerEventsInput implements Input {
  readonly #options: DockerEventsOptions
  readonly #ctx: InputContext
  readonly #client: HttpClient
  readonly #writer: EventWriter
  /** Undefined until the database is open. */
  #seen: SeenEvents | undefined
  #isConnected = false
  #failures = 0
  /** Time from which the daemon was asked for known events, while it has not sent one of them yet. */
  #knownSince: bigint | undefined
  /** Those of the open connection. */
  #keys = new EventKeys()
  /** What events are unique in, in their places. */
  readonly #source: string
  /** For the names of events without a time, which are not known again. */
  readonly #runId = newRunId()
  #untimed = 0

  constructor(options: DockerEventsOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#client = new HttpClient({
      origin: ORIGIN,
      socketPath: options.unixPath,
      // Each connection has one request, whose answer does not end.
      keepAlive: false,
    })
    this.#writer = new EventWriter(options, ctx)
    this.#source = placeSource('docker', ctx.agent.id, ctx.tag, options.unixPath)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#ctx
    const store = await openDatabase(this.#ctx, this.#options, ownerOf(this.#options, this.#ctx.tag))
    const seen = new SeenEvents(store, { clock, log })
    this.#seen = seen
    while (!signal.aborted) {
      const startMs = clock.nowMs()
      const failure = await this.#follow(seen, signal)
      if (signal.aborted) return
      if (failure === 'silent') continue
      const wasHealthy = this.#isConnected && clock.nowMs() - startMs >= HEALTHY_MS
      this.#isConnected = false
      if (wasHealthy) this.#failures = 0
      await sleep(this.#recordEnd(failure), clock, signal)
    }
  }

  async close(): Promise<void> {
    await this.#client.close()
    this.#seen?.close()
  }

  status(): InputStatus {
    const read = this.#seen?.position
    return {
      socket: this.#options.unixPath,
      connected: this.#isConnected,
      ...(read === undefined ? {} : { read: sinceText(read) }),
    }
  }

  /**
   * Reads events until the connection ends; resolves with the reason: undefined when the daemon has ended it,
   * `silent` when it is to be asked anew.
   */
  async #follow(seen: SeenEvents, signal: AbortSignal): Promise<ShipperError | 'silent' | undefined> {
    const { unixPath } = this.#options
    const since = seen.since()
    const { clock } = this.#ctx
    const lines = new LineBuffer(MAX_EVENT_BYTES)
    let silence: TimerHandle | undefined
    let isSilent = false
    try {
      const response = await this.#client.send({
        path: `/events?since=${sinceText(since)}`,
        headers: { accept: 'application/json', 'user-agent': `shipper/${this.#ctx.agent.version}` },
        signal,
        headTimeoutMs: HEAD_TIMEOUT_MS,
        bodyTimeoutMs: 2 * MAX_SILENCE_MS,
      })
      if (response.status !== 200) return await responseError(unixPath, response)
      this.#knownSince = seen.expectsKnown(since) ? since : undefined
      this.#keys = new EventKeys()
      this.#recordConnection()
      const watchSilence = (): void => {
        clock.cancel(silence)
        silence = clock.after(MAX_SILENCE_MS, () => {
          isSilent = true
          response.discard()
        })
      }
      watchSilence()
      try {
        for await (const piece of response.body) {
          await this.#takePiece(piece, lines, seen, signal)
          watchSilence()
        }
      } finally {
        clock.cancel(silence)
        response.discard()
      }
    } catch (cause) {
      return isSilent ? 'silent' : connectionError(unixPath, cause)
    }
    return isSilent ? 'silent' : undefined
  }

  async #takePiece(piece: Buffer, lines: LineBuffer, seen: SeenEvents, signal: AbortSignal): Promise<void> {
    const { oversize } = lines
    lines.push(piece)
    while (!signal.aborted && lines.next()) await this.#takeLine(lines, seen, signal)
    if (lines.skippedBytes > MAX_SKIPPED_BYTES)
      throw new ShipperError(
        'E_PEER_PROTOCOL',
        `${this.#options.unixPath} sent more than ${MAX_SKIPPED_BYTES} bytes without a newline`,
        {
          retryable: true,
          hint: 'set Unix_Path to the socket of the Docker daemon',
        },
      )
    if (lines.oversize > oversize) this.#recordOversize(lines.oversize - oversize)
  }

  async #takeLine(lines: LineBuffer, seen: SeenEvents, signal: AbortSignal): Promise<void> {
    const { buf, start, end } = lines
    const { key, nano } = this.#keys.read(buf, start, end)
    if (key !== undefined && seen.has(key)) {
      const since = this.#knownSince
      if (since !== undefined && nano !== undefined && seen.isExpected(nano, since))
        this.#knownSince = undefined
      this.#ctx.counters.add('duplicates')
      return
    }
    this.#checkGap(nano, seen)
    this.#failures = 0
    while (!this.#writer.write(buf, start, end, nano)) {
      this.#ctx.sealAll()
      await this.#ctx.waitForMemory(signal)
      if (signal.aborted) return
    }
    const out = this.#ctx.appender(this.#ctx.tag)
    if (out.places !== undefined)
      addNamedPlace(
        out.places,
        out.places.sourceIndex(this.#source),
        key ?? `${this.#runId} ${this.#untimed++}`,
      )
    if (key !== undefined && nano !== undefined) seen.add(out, key, nano)
  }

  /** Counts and logs that events are missing: the first new event came, and no known one before it. */
  #checkGap(nano: bigint | undefined, seen: SeenEvents): void {
    if (this.#knownSince === undefined || nano === undefined) return
    this.#knownSince = undefined
    if (seen.position !== undefined && nano <= seen.position) return
    this.#ctx.counters.add('gaps')
    this.#ctx.log.warn(
      'events of Docker may be missing: it has restarted, or more than 256 events passed while no connection was open',
      { hint: 'Docker keeps its last 256 events in memory' },
    )
  }

  #recordConnection(): void {
    this.#isConnected = true
    this.#ctx.counters.add('connections')
    this.#ctx.log.info(`reading events of Docker from ${this.#options.unixPath}`)
  }

  /** Counts and logs the end of a connection, or of an attempt; returns the wait before the next one. */
  #recordEnd(failure: ShipperError | undefined): number {
    const { reconnectRetryLimits, reconnectRetryInterval, unixPath } = this.#options
    const { counters, log } = this.#ctx
    const failures = ++this.#failures
    counters.add('disconnects')
    const message = failure?.message ?? `Docker has ended the connection of ${unixPath}`
    const fields = failure === undefined ? {} : { code: failure.code, hint: failure.hint }
    if (failures > reconnectRetryLimits) {
      const isFirst = failures === reconnectRetryLimits + 1
      if (isFirst) log.error(`${message}; trying again every ${SLOW_RETRY_MS / 1000} s`, fields)
      return Math.max(SLOW_RETRY_MS, reconnectRetryInterval * 1000)
    }
    if (failures === 1) log.warn(`${message}; connecting again`, fields)
    return reconnectRetryInterval * 1000
  }

  #recordOversize(count: number): void {
    const { counters, log } = this.#ctx
    const isFirst = counters.get('events_oversize') === 0
    counters.add('events_oversize', count)
    if (isFirst)
      log.warn(`an event of Docker is larger than ${MAX_EVENT_BYTES} bytes and was left out`, {
        hint: 'later ones are only counted, see events_oversize',
      })
  }
}

/** Returns the owner of the position: the events of one socket, for one tag. */
export function ownerOf({ unixPath }: DockerEventsOptions, tag: string): string {
  return `docker_events ${unixPath} ${tag}`
}
