import { messageOf, ShipperError } from '../../../core/error.ts'
import type { Ack, Outcome } from '../../../core/plugin.ts'
import { RECORD_ID_BYTES } from '../../../core/record-ids.ts'
import type { Clock } from '../../../core/services.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { failureScopeOf, S3Failure } from './answers.ts'
import type { BlockSource } from './blocks.ts'
import { IdSet } from './id-set.ts'
import type { Compress } from './members.ts'
import { type GoneBy, ObjectUpload, type Remade, type UploadHost } from './object-upload.ts'
import { retryWaitMs } from './retry-wait.ts'
import { UnsentContent } from './unsent-content.ts'

/** What all objects have in common. */
export interface ObjectHost extends UploadHost {
  readonly buffers: BlockSource
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly compress: Compress | undefined
  /** Size of a part. */
  readonly partBytes: number
  /** Runs a request as soon as there is a slot for it: not before others when the service fails, or refuses this object. */
  limited<T>(object: OpenObject, run: () => Promise<T>): Promise<T>
  /** Called when something was uploaded, stored or released. */
  progress(): void
  failed(object: OpenObject, error: ShipperError): void
  /** Called once: the object exists (`stored`), or never will, so that its records have to be read again. */
  ended(object: OpenObject, outcome: 'stored' | GoneBy, words?: string): void
}

interface ObjectInit {
  readonly tag: string
  /** True when its records have ids that a restart can know again. */
  readonly hasIds: boolean
  /** True when it is written by one request. */
  readonly isWhole?: boolean
  readonly remade?: Remade | undefined
  /** Number of records that an object of the last run has. */
  readonly expected?: number | undefined
}

/** Consecutive records `[from, to)` of a chunk. */
interface AddedRecords {
  readonly from: number
  readonly to: number
  /** Unix time of the first record of the chunk in seconds. */
  readonly sec: number
  /** Ids of all records of the chunk. */
  readonly ids: Buffer | undefined
}

/**
 * An object that is being made. One request of it is in flight at a time; one that fails is repeated until it succeeds.
 *
 * ```
 *   add ... -> UnsentContent --part is full--> ObjectUpload.uploadPart
 *   seal    -> the last part --------------> ObjectUpload.put or .complete --> stored: acks
 * ```
 * A part is in memory until S3 has it, and nothing of it afterwards: when the upload no longer exists, the records have to be read again.
 */
export class OpenObject {
  readonly tag: string
  /** Time from which its age counts. */
  agesFromMs: number
  readonly ids: IdSet | undefined
  /** Number of chunks that have records in it. */
  chunks = 0
  records = 0
  /** Unix time of the first record in seconds. */
  sec = 0
  /** Ids of the first and the last record; empty without ids. */
  firstId = ''
  lastId = ''
  /** Why the latest request failed; undefined when it did not. */
  error: ShipperError | undefined
  readonly #host: ObjectHost
  readonly #content: UnsentContent
  readonly #upload: ObjectUpload
  #uploadedBytes = 0
  #acks: Ack[] = []
  readonly #expected: number
  #isSealed = false
  #isEnded = false
  #isRunning = false

  constructor(host: ObjectHost, { tag, hasIds, isWhole, remade, expected = 0 }: ObjectInit) {
    this.#host = host
    this.tag = tag
    this.#expected = expected
    this.agesFromMs = host.clock.nowMs()
    this.ids = hasIds ? new IdSet() : undefined
    this.#content = new UnsentContent(host.buffers, host.compress, isWhole ? undefined : host.partBytes)
    this.#upload = new ObjectUpload(host, this, remade)
  }

  get key(): string | undefined {
    return this.#upload.key
  }

  /** Number of its row in the journal, when it has one. */
  get rowId(): number | undefined {
    return this.#upload.rowId
  }

  /** True when it existed before the request that was to make it. */
  get wasThere(): boolean {
    return this.#upload.wasThere
  }

  /** Size so far, of text that is not compressed yet as it is. */
  get bytes(): number {
    return this.#uploadedBytes + this.#content.length
  }

  /** Bytes of memory that are released when it is stored. */
  get memory(): number {
    return this.#content.memory
  }

  /** Number of parts that S3 has. */
  get partCount(): number {
    return this.#upload.partCount
  }

  /**
   * True for an object of the last run some of whose records were not read again yet. Made without them, and with an answer that is lost, it
   * could not be told from the one of the last run, which has them.
   */
  get lacksRecords(): boolean {
    return this.records < this.#expected
  }

  get isSealed(): boolean {
    return this.#isSealed
  }

  /** True when a request that releases memory is in flight or waits. */
  get isSending(): boolean {
    return this.#isSealed || this.#content.fullPart !== undefined
  }

  /** True when it takes no more records before S3 has a part. */
  get isFull(): boolean {
    return this.#content.isFull
  }

  /** True when the service refuses this object, and perhaps no other one. */
  get isRefused(): boolean {
    return this.error?.scope === 'chunk'
  }

  /** Adds records and their text. */
  add(text: Buffer, { from, to, sec, ids }: AddedRecords): void {
    if (this.records === 0) {
      this.sec = sec
      this.firstId = ids?.toString('latin1', from * RECORD_ID_BYTES, (from + 1) * RECORD_ID_BYTES) ?? ''
    }
    if (ids !== undefined) {
      this.ids?.add(ids, from, to)
      this.lastId = ids.toString('latin1', (to - 1) * RECORD_ID_BYTES, to * RECORD_ID_BYTES)
    }
    if (this.lacksRecords) this.agesFromMs = this.#host.clock.nowMs()
    this.records += to - from
    this.#content.add(text)
    if (this.#content.fullPart !== undefined) this.#run()
  }

  /** Adds a chunk whose records were added: `ack` is called with their outcome. */
  addAck(ack: Ack): void {
    this.chunks++
    if (this.#isEnded) ack('aborted')
    else this.#acks.push(ack)
  }

  /** Makes the object of what it has. */
  seal(): void {
    if (this.#isSealed) return
    this.#isSealed = true
    this.#content.finish()
    this.#run()
  }

  /** Settles what was not stored, without a request: for a stop. */
  abort(): void {
    this.#end('aborted')
  }

  #end(outcome: Outcome): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#content.clear()
    for (const ack of this.#acks.splice(0)) ack(outcome)
  }

  #run(): void {
    if (!this.#isRunning) void this.#work()
  }

  /** Sends what there is to send. */
  async #work(): Promise<void> {
    const { signal } = this.#host
    this.#isRunning = true
    // Not after the promise has settled: what is added or sealed in between, e.g. by a flush that waited for progress, would not be sent.
    try {
      for (let failures = 0; !this.#isEnded && !signal.aborted && this.isSending; )
        failures = await this.#tryStep(failures)
    } finally {
      this.#isRunning = false
    }
  }

  /** Sends the next request, and waits after a failure. Resolves with the number of failures in a row. */
  async #tryStep(failures: number): Promise<number> {
    try {
      await this.#host.limited(this, () => this.#step())
      this.error = undefined
      this.#host.progress()
      return 0
    } catch (error) {
      return await this.#handle(error, failures)
    }
  }

  async #step(): Promise<void> {
    const content = this.#content
    if (content.fullPart !== undefined) {
      await this.#upload.uploadPart(content.fullPart.views())
      this.#uploadedBytes += content.fullPart.length
      content.dropFullPart()
      return
    }
    const last = content.lastPart
    if (!this.#upload.isBegun) await this.#upload.put(last.views())
    else {
      if (last.length > 0) {
        await this.#upload.uploadPart(last.views())
        this.#uploadedBytes += last.length
        last.clear()
      }
      if (this.#isEnded) return
      await this.#upload.complete()
    }
    this.#stored()
  }

  async #handle(error: unknown, failures: number): Promise<number> {
    const { signal, clock } = this.#host
    if (this.#isEnded || signal.aborted) return failures
    const isLast = this.#isSealed && this.#content.fullPart === undefined
    const aftermath = await this.#upload.aftermathOf(error, isLast)
    if (aftermath === 'newKey') return failures
    if (aftermath === 'stored') this.#stored()
    else if (aftermath !== 'repeat') this.#gone(aftermath.goneBy, messageOf(error))
    else {
      this.error = asPeerError(error)
      this.#host.failed(this, this.error)
      // The slots wait after the others.
      if (failureScopeOf(error) === 'request') await sleep(retryWaitMs(error, failures), clock, signal)
      else return 0
    }
    return failures + 1
  }

  #stored(): void {
    this.#upload.markStored()
    this.#host.ended(this, 'stored')
    this.#end('delivered')
    this.#host.progress()
  }

  #gone(goneBy: GoneBy, words: string): void {
    this.#host.ended(this, goneBy, words)
    this.#end('aborted')
    this.#host.progress()
  }
}

function asPeerError(error: unknown): ShipperError {
  if (error instanceof S3Failure && error.isDefinite)
    return new ShipperError(error.code, error.message, {
      ...{ retryable: true, scope: 'chunk', hint: error.hint, cause: error },
    })
  if (error instanceof ShipperError) return error
  return new ShipperError('E_INTERNAL', messageOf(error), { retryable: true, scope: 'peer', cause: error })
}
