import type { BufferSource } from '../../core/buffer-source.ts'
import { ShipperError } from '../../core/error.ts'
import { freeMemory } from '../../core/free-memory.ts'
import { JsonText, MAX_KEPT_BYTES, TextTooLarge } from '../json/msgpack-to-json.ts'
import { countText } from '../text/duration.ts'
import type { Api, BatchInfo, RecordRange } from './api.ts'
import { type Delivery, type Run, recordsOf } from './delivery.ts'
import type { SizeLimit } from './size-limit.ts'

/** Largest size of the buffers of a body: smaller ones are more calls of a compression, and each leaves objects behind. */
const BLOCK_BYTES = 262_144

/** Size at which encoding ends, in sizes of a request. */
const MAX_TEXT = 2

const ONLY: readonly string[] = ['']

/** Records of one chunk in a request. */
export interface Part {
  readonly delivery: Delivery
  readonly runs: readonly Run[]
}

/** The records of one request and its body, in buffers that are counted until `release`. */
export class Batch implements BatchInfo {
  readonly key: string
  readonly parts: Part[] = []
  records = 0
  bodyBytes = 0
  /** Names of the servers that have answered, the only one: ''. */
  nodes: readonly string[] = ONLY
  /** Called by `handOver`. */
  onHandOver: (() => void) | undefined
  #pieces: readonly Buffer[] = []
  /** Buffers that the body fills one after the other, and the bytes in the last one. */
  #blocks: Buffer[] = []
  #used = 0
  /** The first block, when it is none of `#buffers`. */
  #taken: Buffer | undefined
  readonly #buffers: BufferSource

  constructor(key: string, buffers: BufferSource) {
    this.key = key
    this.#buffers = buffers
  }

  get ranges(): RecordRange[] {
    return this.parts.flatMap(({ delivery, runs }) => runs.map((run) => delivery.rangeOf(run)))
  }

  /** The body as it is sent; empty before `close` and after `release`. */
  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  /** Replaces the body by another form of it: `buf[0, length)`, a buffer that is given back by `release`. */
  replaceBody(buf: Buffer, length: number): void {
    this.release()
    this.#blocks = [buf]
    this.#pieces = [buf.subarray(0, length)]
  }

  /** Adds the records of a part, whose piece of the body is in `text`; that may be empty then. */
  add(part: Part, text: JsonText): void {
    // One that is large and alone is not copied: it would be in memory twice.
    if (this.#blocks.length === 0 && text.at > MAX_KEPT_BYTES) this.#take(text)
    else this.#append(text.bytes())
    this.parts.push(part)
    this.records += recordsOf(part.runs)
  }

  #take(text: JsonText): void {
    this.#used = this.bodyBytes = text.at
    this.#taken = text.take()
    this.#blocks.push(this.#taken)
  }

  /** Ends the body. */
  close(end: Buffer | undefined): void {
    if (end !== undefined) this.#append(end)
    const last = this.#blocks.length - 1
    this.#pieces = this.#blocks.map((block, i) => (i === last ? block.subarray(0, this.#used) : block))
  }

  /**
   * Copies bytes to the end of the body. Its blocks have sizes that are used again: memory of any size would be asked of the
   * system, and given back, for each request.
   */
  #append(bytes: Buffer): void {
    this.bodyBytes += bytes.length
    for (let at = 0; at < bytes.length; ) {
      let block = this.#blocks.at(-1)
      if (block === undefined || this.#used === block.length) {
        // The more there is, the more is likely to come.
        block = this.#buffers.force(Math.min(BLOCK_BYTES, Math.max(bytes.length - at, this.bodyBytes)))
        this.#blocks.push(block)
        this.#used = 0
      }
      const copied = bytes.copy(block, this.#used, at)
      this.#used += copied
      at += copied
    }
  }

  /** Gives the buffers of the body back; later calls do nothing. */
  release(): void {
    for (const block of this.#blocks) if (block !== this.#taken) this.#buffers.give(block)
    if (this.#taken !== undefined) freeMemory(this.#taken)
    this.#taken = undefined
    this.#blocks = []
    this.#pieces = []
  }

  handOver(): void {
    this.release()
    this.onHandOver?.()
  }
}

interface BuilderOptions {
  readonly api: Api
  readonly buffers: BufferSource
  readonly limit: SizeLimit
  /** Hands a record that cannot be sent to the dead letters; false: it cannot be kept there now. */
  refuse(delivery: Delivery, start: number, end: number, reason: ShipperError): boolean
}

/** Joins records into bodies within the limits of a request. */
export class BatchBuilder {
  readonly #options: BuilderOptions
  readonly #text = new JsonText()
  /** Size at which encoding ends: a record that is far too large is refused before all of its text is made. */
  readonly #maxTextBytes: number
  /** Bytes of a body per byte of entries, as seen before. */
  #ratio = 1.5

  constructor(options: BuilderOptions) {
    this.#options = options
    const { bytes, recordBytes = 0 } = options.api.limits
    this.#maxTextBytes = Math.max(bytes, recordBytes) * MAX_TEXT
  }

  /** Returns an empty batch. */
  create(key: string): Batch {
    return new Batch(key, this.#options.buffers)
  }

  /** Returns a batch with exactly these records. */
  encode(key: string, parts: readonly Part[]): Batch {
    const batch = this.create(key)
    // Those records fitted a request before.
    this.#text.maxBytes = Number.POSITIVE_INFINITY
    for (const part of parts) {
      const records = this.#encode(batch, part.delivery, part.runs)
      if (records < recordsOf(part.runs))
        throw new ShipperError('E_INTERNAL', 'records of one request do not fit another', { retryable: true })
      batch.add(part, this.#text)
    }
    batch.close(this.#options.api.frame?.close)
    return batch
  }

  /**
   * Moves records from the front of a delivery into the batch, as many as there is room for. Returns false when there is no room
   * left for others, or they cannot be taken.
   */
  fill(batch: Batch, delivery: Delivery): boolean {
    const { limits } = this.#options.api
    if (batch.parts.length >= (limits.chunks ?? Number.POSITIVE_INFINITY)) return false
    for (let isFirst = true; ; isFirst = false) {
      const isWhole = limits.ranges === 1 || this.#options.api.encodeAll !== undefined
      if (isWhole && batch.parts.length > 0) return false
      const all = delivery.pending.filter(({ key }) => key === batch.key)
      const runs = limits.ranges === 1 ? all.slice(0, 1) : all
      if (runs.length === 0) return !isFirst || delivery.pending.length === 0
      const room = limits.records - batch.records
      if (room < 1) return false
      const count = this.#countFor(batch, runs, Math.min(room, recordsOf(runs)))
      if (count === 0 || !this.#take(batch, delivery, runs, count)) return false
    }
  }

  /** Ends the body of a batch. */
  close(batch: Batch): void {
    batch.close(this.#options.api.frame?.close)
  }

  /** Returns how many records are likely to fit; 0: others are to go first. */
  #countFor(batch: Batch, runs: readonly Run[], count: number): number {
    const bytes = runs.reduce((sum, { start, end }) => sum + end - start, 0) * this.#ratio
    const left = this.#room(batch)
    if (bytes <= left) return count
    // A chunk is rather sent as a whole, with the next request.
    if (batch.records > 0 && (bytes <= this.#options.limit.bytes || left < this.#options.limit.bytes / 4))
      return 0
    return Math.max(1, Math.min(count, Math.floor((recordsOf(runs) * left) / bytes)))
  }

  #room(batch: Batch): number {
    const { open, close } = this.#options.api.frame ?? {}
    return this.#options.limit.bytes - batch.bodyBytes - (open?.length ?? 0) - (close?.length ?? 0)
  }

  /**
   * Returns the size that a record may have which is alone in its request. What a server has refused does not count: that a request was
   * too large once, maybe by mistake, says nothing about this record.
   */
  #roomForOne({ records }: Batch): number {
    if (records > 0) return 0
    const { limits, frame } = this.#options.api
    return (limits.recordBytes ?? limits.bytes) - (frame?.open.length ?? 0) - (frame?.close.length ?? 0)
  }

  /** Takes the first `count` records, or fewer when they do not fit. False: no record fits any more. */
  #take(batch: Batch, delivery: Delivery, runs: readonly Run[], count: number): boolean {
    let n = count
    const others = delivery.pending.filter((run) => !runs.includes(run))
    for (;;) {
      const [tried, untried] = firstOf(delivery, runs, n)
      const encoded = this.#tryEncode(batch, delivery, tried)
      const isOne = encoded === 1 || n === 1
      const room = isOne ? Math.max(this.#room(batch), this.#roomForOne(batch)) : this.#room(batch)
      if (typeof encoded === 'number' && this.#text.at <= room) {
        const [taken, rest] = encoded === n ? [tried, untried] : firstOf(delivery, runs, encoded)
        this.#learn(taken)
        batch.add({ delivery, runs: taken }, this.#text)
        delivery.pending = [...rest, ...others]
        return true
      }
      const isTooLarge = !(encoded instanceof ShipperError)
      if (isTooLarge && batch.records > 0) return false
      if (n === 1) {
        const [[run], rest] = firstOf(delivery, runs, 1) as [[Run], Run[]]
        const reason = isTooLarge ? this.#tooLarge(batch, encoded === undefined) : encoded
        const { start, end } = delivery.rangeOf(run)
        if (!this.#options.refuse(delivery, start, end, reason)) return false
        delivery.pending = [...rest, ...others]
        return true
      }
      const fitting =
        typeof encoded === 'number' ? ((encoded * this.#room(batch)) / this.#text.at) * 0.9 : n / 2
      n = Math.max(1, Math.floor(fitting))
    }
  }

  /** `isCut`: not all of the text was made. */
  #tooLarge(batch: Batch, isCut: boolean): ShipperError {
    const { limits } = this.#options.api
    const what = limits.words ?? `at most ${bytesText(limits.recordBytes ?? limits.bytes)} per request`
    const size = isCut ? `more than ${bytesText(this.#maxTextBytes)}` : bytesText(this.#text.at)
    const message = `the record is larger than the API accepts: ${size} as sent, and ${what}`
    return new ShipperError('E_OUTPUT_REJECTED', batch.key === '' ? message : `${message} (${batch.key})`)
  }

  /**
   * Returns the number of records that are in the text, or the error with which the encoder refuses them; undefined when the text would be
   * far too large.
   */
  #tryEncode(batch: Batch, delivery: Delivery, runs: readonly Run[]): ShipperError | number | undefined {
    this.#text.maxBytes = this.#maxTextBytes
    try {
      return this.#encode(batch, delivery, runs)
    } catch (error) {
      if (error instanceof TextTooLarge) return undefined
      if (error instanceof ShipperError && !error.retryable && error.code !== 'E_INTERNAL') return error
      throw error
    }
  }

  /** Returns the number of records that are in the text. */
  #encode(batch: Batch, delivery: Delivery, runs: readonly Run[]): number {
    const { api } = this.#options
    const text = this.#text
    text.reset()
    if (api.encodeAll !== undefined) {
      const ranges = runs.map((run) => delivery.rangeOf(run))
      return api.encodeAll(batch.key, ranges, text)
    }
    let before = batch.parts.length === 0 ? api.frame?.open : api.frame?.between
    for (const run of runs) {
      if (before !== undefined) text.copy(before, 0, before.length)
      before = api.frame?.between
      api.encode?.(delivery.rangeOf(run), text)
    }
    return recordsOf(runs)
  }

  #learn(runs: readonly Run[]): void {
    const bytes = runs.reduce((sum, { start, end }) => sum + end - start, 0)
    if (bytes > 0) this.#ratio += 0.2 * (this.#text.at / bytes - this.#ratio)
  }
}

/** Returns the first `count` records of runs, and the rest. */
export function firstOf(delivery: Delivery, runs: readonly Run[], count: number): [Run[], Run[]] {
  const taken: Run[] = []
  let left = count
  let i = 0
  for (; i < runs.length && left > 0; i++) {
    const run = runs[i] as Run
    if (run.count <= left) {
      taken.push(run)
      left -= run.count
      continue
    }
    const [first, rest] = delivery.split(run, left)
    return [
      [...taken, first],
      [rest, ...runs.slice(i + 1)],
    ]
  }
  return [taken, runs.slice(i)]
}

function bytesText(bytes: number): string {
  return `${countText(bytes)} bytes`
}
