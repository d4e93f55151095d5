import { ShipperError } from '../../../core/error.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../../core/msgpack/encode.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { ApiError, type KubeClient, Postponed, type TextHandler } from '../../../lib/kubernetes/client.ts'
import type { WatchEvent, WatchedObjects } from '../../../lib/kubernetes/list-watch.ts'
import { addNamedPlace, placeSource } from '../../../lib/plugin/entry-places.ts'
import { counted } from '../../../lib/text/counted.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { type EventPositions, versionOf } from './event-positions.ts'
import { EventReader } from './event-reader.ts'
import type { KubernetesEventsOptions } from './options.ts'
import { canContinue, MAX_PARTS, type PartialList, tooManyParts } from './partial-list.ts'

/** Maximum number of events of one list, over all of its responses. */
const MAX_LISTED = 1_000_000
const MAX_LIST_MS = 600_000
/** Pause between two parts of a list. */
const PART_PAUSE_MS = 20
/** Time that a response waits for memory before it is given up, to be requested again then. */
const MAX_WAIT_MS = 20_000

/** An event that was read while there was no memory for it; the place of a version that was read after it. */
type Waiting =
  | { entry: Buffer; time: { sec: number; nsec: number }; uid: string; version: bigint }
  | { readTo: bigint }

/** The events of a namespace or of all of them: lists and watches them, and passes new ones on. */
export class EventSource implements WatchedObjects {
  readonly noun = 'event'
  readonly path: string
  readonly query = ''
  readonly #options: KubernetesEventsOptions
  readonly #ctx: InputContext
  readonly #client: KubeClient
  readonly #positions: EventPositions
  readonly #signal: AbortSignal
  readonly #onEstablished: () => void
  readonly #reader = new EventReader()
  /** What events are unique in, in their places: not the agent, as another one may take its part. */
  readonly #source: string
  /** Events of the piece that was received last for which there is no memory. */
  #waiting: Waiting[] = []
  /** The list that has failed and is to be continued. */
  #partial: PartialList | undefined

  constructor(
    options: KubernetesEventsOptions,
    ctx: InputContext,
    parts: {
      client: KubeClient
      positions: EventPositions
      signal: AbortSignal
      onEstablished: () => void
    },
  ) {
    this.#options = options
    this.#ctx = ctx
    this.#client = parts.client
    this.#positions = parts.positions
    this.#signal = parts.signal
    this.#onEstablished = parts.onEstablished
    this.#source = placeSource('kubernetes_events', ctx.tag)
    const { kubeNamespace } = options
    this.path = kubeNamespace === undefined ? '/api/v1/events' : `/api/v1/namespaces/${kubeNamespace}/events`
  }

  /**
   * Lists in parts of Kube_Request_Limit; all parts have the version of the first. After a failure the next call continues with
   * the part that has failed, unless its continuation has expired.
   */
  async list(isCachedEnough: boolean, signal: AbortSignal, onProgress: () => void): Promise<string> {
    const list = this.#partial ?? { next: undefined, count: 0, parts: 0, failures: 0 }
    this.#partial = undefined
    let version: bigint
    do {
      if (list.parts > 0) await sleep(PART_PAUSE_MS, this.#ctx.clock, signal)
      const part = await this.#listPart(list.next, MAX_LISTED - list.count, signal).catch(
        (error: unknown) => {
          if (canContinue(list, error)) this.#partial = list
          throw error
        },
      )
      version = part.version
      list.next = part.next
      list.count += part.count
      list.failures = 0
      if (part.next !== undefined && (part.count === 0 || ++list.parts >= MAX_PARTS))
        throw tooManyParts(list.parts)
      onProgress()
    } while (list.next !== undefined)
    // With the version after the events, some may have been taken for known ones.
    if (this.#resetIfOlder(version)) return this.list(isCachedEnough, signal, onProgress)
    this.#readTo(version)
    await this.#drain()
    this.#positions.store()
    this.#ctx.log.info(`listed ${counted(list.count, 'event')}`)
    return String(version)
  }

  watchHandler(note: (event: WatchEvent) => void): TextHandler {
    return {
      onText: (text) => this.#takeWatched(text, note),
      onOversize: (_head, bytes) => this.#recordOversize(bytes),
      whenReady: () => (this.#waiting.length === 0 ? undefined : this.#drain()),
    }
  }

  onEstablished(): void {
    this.#onEstablished()
  }

  /** Waits until what was received is passed on. */
  async resume(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#passWaiting()) await this.#ctx.waitForMemory(signal)
  }

  async #listPart(
    start: string | undefined,
    maxObjects: number,
    signal: AbortSignal,
  ): Promise<{ version: bigint; next: string | undefined; count: number }> {
    const { kubeRequestLimit } = this.#options
    const query = new URLSearchParams()
    if (kubeRequestLimit > 0) query.set('limit', String(kubeRequestLimit))
    if (start !== undefined) query.set('continue', start)
    let head: { version: bigint; next: string | undefined } | undefined
    let count = 0
    const handler: TextHandler = {
      onText: (text, depth) => {
        if (depth === 1) head ??= this.#listHead(text)
        else {
          count++
          this.#takeListed(text)
        }
      },
      onOversize: (_head, bytes) => this.#recordOversize(bytes),
      whenReady: () => (this.#waiting.length === 0 ? undefined : this.#drain()),
    }
    const path = `${this.path}${query.size > 0 ? `?${query}` : ''}`
    const options = { signal, maxObjects: Math.max(1, maxObjects), totalMs: MAX_LIST_MS }
    await this.#client.read(path, { minDepth: 1, maxDepth: 2 }, handler, options)
    if (head === undefined)
      throw new ShipperError('E_KUBE_API', 'the list of events has no resourceVersion that is a number', {
        retryable: true,
        hint: 'check that Kube_URL is an API server',
      })
    return { ...head, count }
  }

  /** Returns version and continuation of a list from its metadata; undefined for another object. */
  #listHead(text: Buffer): { version: bigint; next: string | undefined } | undefined {
    const { resourceVersion, continue: next } = JSON.parse(text.toString()) as Record<string, unknown>
    const version = versionOf(resourceVersion)
    if (version === undefined) return undefined
    this.#resetIfOlder(version)
    return { version, next: typeof next === 'string' && next !== '' ? next : undefined }
  }

  #resetIfOlder(version: bigint): boolean {
    const { log, clock } = this.#ctx
    if (!this.#positions.resetIfOlder(version, oldestSeconds(this.#options, clock.nowMs()))) return false
    log.warn(
      'the API server has an older state than before, as after a restore: reading its events again, as at a first start',
      { version: String(version) },
    )
    return true
  }

  #takeListed(text: Buffer): void {
    if (this.#reader.readItem(text)) this.#takeEvent()
    else this.#recordInvalid('is not JSON')
  }

  #takeWatched(text: Buffer, note: (event: WatchEvent) => void): void {
    const reader = this.#reader
    if (!reader.readWatched(text))
      throw new ShipperError(
        'E_PEER_PROTOCOL',
        'the API server sent something else than an event of a watch',
        {
          retryable: true,
          hint: 'check that Kube_URL is an API server',
        },
      )
    const { type, version } = reader
    if (type === 'ERROR') {
      const { object } = JSON.parse(text.toString()) as { object?: unknown }
      note({ type, version: undefined, status: object })
      return
    }
    if (type === 'event' && version !== undefined && this.#positions.isPassed(version))
      throw this.#passedVersion(version)
    note({ type, version: version === undefined ? undefined : String(version) })
    if (type === 'event') this.#takeEvent()
    if (version !== undefined) this.#readTo(version)
    if (type === 'BOOKMARK') this.#positions.store()
  }

  /** Logs that a watch has gone back; returns the error that leads to a new list, which tells what the server has. */
  #passedVersion(version: bigint): ApiError {
    const text = `the watch of events has sent version ${version} after ${this.#positions.acked}`
    this.#ctx.log.warn(`${text}: listing them again`, {}, 'watch has gone back')
    return new ApiError(410, text)
  }

  /** Passes on what the reader has read, unless it is known or too old. */
  #takeEvent(): void {
    const { uid, version, time, buf, start, end } = this.#reader
    const { counters } = this.#ctx
    if (version === undefined) {
      this.#recordInvalid('has no resourceVersion that is a number')
      return
    }
    if (!this.#positions.isNew(version)) {
      counters.add('events_known')
      return
    }
    if (this.#positions.isTooOld(time.sec)) {
      counters.add('events_old')
      return
    }
    const isNext = this.#waiting.length === 0
    if (isNext && this.#write(buf, start, end, { time, uid, version })) return
    this.#waiting.push({ entry: Buffer.from(buf.subarray(start, end)), time, uid, version })
  }

  #readTo(version: bigint): void {
    if (this.#waiting.length === 0) this.#positions.readTo(version)
    else this.#waiting.push({ readTo: version })
  }

  /** Appends the event, the map buf[start, end). Returns false when there is no memory for it. */
  #write(
    buf: Buffer,
    start: number,
    end: number,
    { time: eventTime, uid, version }: { time: { sec: number; nsec: number }; uid: string; version: bigint },
  ): boolean {
    const out = this.#ctx.appender(this.#ctx.tag)
    if (!out.reserve(ENTRY_HEAD + end - start)) return false
    const time = eventTime.sec < 0 ? splitMs(this.#ctx.clock.nowMs()) : eventTime
    const at = writeEntryHead(out.buf, out.end, time.sec, time.nsec)
    out.end = at + buf.copy(out.buf, at, start, end)
    out.addRecords(1, end - start)
    if (out.places !== undefined) {
      // A server that was restored from a backup gives versions a second time. Without uid it is none of Kubernetes.
      const name = `${uid || this.#ctx.agent.id} ${version} ${eventTime.sec}.${eventTime.nsec}`
      addNamedPlace(out.places, out.places.sourceIndex(this.#source), name)
    }
    this.#positions.add(out, version)
    return true
  }

  /** Passes on what waits, in order; returns false when there is not enough memory. */
  #passWaiting(): boolean {
    for (const [i, one] of this.#waiting.entries()) {
      if ('readTo' in one) this.#positions.readTo(one.readTo)
      else if (!this.#write(one.entry, 0, one.entry.length, one)) {
        this.#waiting.splice(0, i)
        this.#ctx.sealAll()
        return false
      }
    }
    this.#waiting = []
    return true
  }

  /** Passes on what waits; rejects with Postponed when there is no memory for it for long. */
  async #drain(): Promise<void> {
    if (this.#passWaiting()) return
    const limit = new AbortController()
    const timer = this.#ctx.clock.after(MAX_WAIT_MS, () => limit.abort())
    const signal = AbortSignal.any([this.#signal, limit.signal])
    try {
      while (!this.#passWaiting()) {
        if (signal.aborted) throw new Postponed('there is no memory for more events')
        await this.#ctx.waitForMemory(signal)
      }
    } finally {
      this.#ctx.clock.cancel(timer)
    }
  }

  #recordOversize(bytes: number): void {
    this.#recordFirst('events_oversize', 'an event has too many bytes, values or levels and was left out', {
      bytes,
    })
  }

  #recordInvalid(what: string): void {
    this.#recordFirst('events_invalid', `an event ${what}: it was left out`, {})
  }

  #recordFirst(counter: 'events_oversize' | 'events_invalid', message: string, fields: object): void {
    const { counters, log } = this.#ctx
    counters.add(counter)
    if (counters.get(counter) > 1) return
    log.warn(message, { ...fields, hint: `later ones are only counted, see ${counter}` })
  }
}

/** Returns the Unix time in seconds before which events are too old for a first list. */
export function oldestSeconds({ kubeRetentionTime }: KubernetesEventsOptions, nowMs: number): number {
  return Math.floor((nowMs - kubeRetentionTime) / 1000)
}
