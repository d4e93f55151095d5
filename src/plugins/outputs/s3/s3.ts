import type { Chunk } from '../../../core/chunk.ts'
import type { ShipperError } from '../../../core/error.ts'
import type { HeldRecords, LateDelivery, Output, OutputContext } from '../../../core/plugin.ts'
import { recordIds } from '../../../core/record-ids.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { AgeLimit } from './age-limit.ts'
import { failureScopeOf } from './answers.ts'
import type { S3Api } from './api.ts'
import { BlockSource } from './blocks.ts'
import { whereHeld } from './held-text.ts'
import type { LastRun, Place, Unsure } from './last-run.ts'
import type { Compress } from './members.ts'
import type { ObjectKeys } from './object-keys.ts'
import { ObjectLimits } from './object-limits.ts'
import type { GoneBy } from './object-upload.ts'
import { type ObjectHost, OpenObject } from './open-object.ts'
import { OpenObjects } from './open-objects.ts'
import { RecentIds } from './recent-ids.ts'
import { keepsIds, type Redelivery, redeliveryOf } from './redelivery.ts'
import { RequestSlots } from './request-slots.ts'
import type { DestinationState } from './state.ts'
import { TagTurns } from './tag-turns.ts'
import { TakenChunks } from './taken-chunks.ts'
import type { ObjectText, Run } from './text.ts'

interface S3Settings {
  api: S3Api
  state: DestinationState
  text: ObjectText
  keys: ObjectKeys
  compress: Compress | undefined
  /** Size of a part. */
  partBytes: number
  usesPutObject: boolean
  totalBytes: number
  timeoutMs: number
  /** Closes the connections. */
  close(): Promise<void>
}

type PlacedRun = Run<Place | undefined>

/** Objects of JavaScript that the requests of a step leave, in bytes. */
const STEP_GARBAGE_BYTES = 65_536
const ENDED_HINT =
  'find out what aborts uploads in this bucket within a day: a lifecycle rule, another program'
const GONE: Record<GoneBy, { what: string; hint: string }> = {
  gone: { what: 'something aborted the upload of', hint: ENDED_HINT },
  refused: { what: 'the service rejects the parts of', hint: ENDED_HINT },
  exists: {
    what: 'another object was written with the key of the upload of',
    hint: 'add $UUID to S3_Key_Format: something else writes objects with the same keys',
  },
}
/** Exit status with which records are read again: that of a temporary failure. */
const READ_AGAIN_STATUS = 75

/**
 * Makes objects of the chunks of each tag. A chunk is taken over when its records are in a part, and settles with the object.
 *
 * ```
 *   flush -> LastRun: which records are in objects of the last run
 *         -> ObjectText: lines -> OpenObject of the tag: parts, journal, requests -> stored: acks
 * ```
 * An object is complete at its size (ObjectLimits) or age (AgeLimit). Two parts of an object are in memory at most, and half of
 * Memory_Limit for all objects: then the largest is completed early, unless an upload is about to release memory.
 */
export class S3 implements Output {
  readonly #ctx: OutputContext
  readonly #late: LateDelivery
  readonly #settings: S3Settings
  readonly #lastRun: LastRun
  readonly #host: ObjectHost
  readonly #objects = new OpenObjects()
  readonly #limits: ObjectLimits
  readonly #ages: AgeLimit
  readonly #chunks: TakenChunks
  /** Objects of the last run that are made again. */
  readonly #remaking = new Map<OpenObject, Unsure>()
  readonly #turns = new TagTurns()
  /** Records of inputs with a buffer on disk. */
  readonly #recent = new RecentIds()
  #progressWaiters: (() => void)[] = []

  constructor(ctx: OutputContext, late: LateDelivery, settings: S3Settings) {
    this.#ctx = ctx
    this.#late = late
    this.#settings = settings
    const buffers = new BlockSource(ctx.buffers)
    this.#lastRun = settings.state.lastRun
    this.#chunks = new TakenChunks(late)
    this.#limits = new ObjectLimits(this.#objects, buffers, late.memoryBytes, settings)
    this.#ages = new AgeLimit(this.#objects, ctx.clock, settings.timeoutMs)
    this.#host = this.#createHost(buffers)
    ctx.signal.addEventListener('abort', () => this.#abort(), { once: true })
  }

  #createHost(buffers: BlockSource): ObjectHost {
    const { clock, signal } = this.#ctx
    const slots = new RequestSlots(clock, signal, (error) => failureScopeOf(error) === 'service')
    // Of the objects that the service refuses one is tried at a time: it may refuse all, and others must not wait for them.
    const refused = new RequestSlots(clock, signal, (error) => failureScopeOf(error) === 'object')
    const { api, state, compress, partBytes, keys } = this.#settings
    const { journal } = state
    return {
      ...{ api, journal, compress, buffers, clock, signal, partBytes },
      limited: async (object, run) => {
        this.#ctx.leftGarbage?.(STEP_GARBAGE_BYTES)
        if (object.isRefused) return await refused.run(() => slots.run(run))
        try {
          return await slots.run(run)
        } catch (error) {
          if (failureScopeOf(error) === 'object') refused.noteFailure(error)
          throw error
        }
      },
      keyOf: (object, isWhole, taken) => keys.next(object, isWhole, taken),
      progress: () => this.#progress(),
      failed: (object, error) => this.#failed(object, error),
      ended: (object, outcome, words) => this.#ended(object, outcome, words),
    }
  }

  async start(): Promise<void> {
    this.#settings.state.open()
    // Not only with the first record: the parts of an object may be all that is left of its records. A failure is that of the next flush.
    void this.#lastRun.resolve(this.#settings.api).catch(() => {})
  }

  flush(chunk: Chunk): Promise<void> {
    return this.#turns.run(chunk.tag, () => this.#takeUp(chunk))
  }

  /** Adds the records of a chunk to objects as soon as these have room for them. */
  async #takeUp(chunk: Chunk): Promise<void> {
    if (this.#ctx.signal.aborted) throw stopped()
    await this.#lastRun.resolve(this.#settings.api)
    const redelivery = redeliveryOf(chunk, this.#late)
    const ids = keepsIds(redelivery) && this.#settings.state.journal.isKept ? recordIds(chunk) : undefined
    // The input reads again what it had put into the buffer and not noted.
    const mayRepeat = redelivery === 'buffer' && chunk.places !== undefined
    for (;;) {
      // Again after each wait: an object of the last run may exist by now.
      const places = ids && this.#placesOf(ids, mayRepeat)
      const runs = this.#settings.text.runsOf(chunk, places)
      if (this.#hasSpace(chunk.tag, redelivery, runs)) {
        this.#add(chunk, redelivery, ids, runs)
        if (ids !== undefined && mayRepeat) this.#recent.add(ids, 0, chunk.count)
        return
      }
      await new Promise<void>((resolve) => this.#progressWaiters.push(resolve))
    }
  }

  /** Returns where records belong that are in an object of the last run, or in one of this run. */
  #placesOf(ids: Buffer, mayRepeat: boolean): (Place | undefined)[] | undefined {
    const places = this.#lastRun.placesOf(ids, this)
    const repeated = mayRepeat ? this.#recent.find(ids) : undefined
    return repeated?.map((isRepeated, i) => (isRepeated ? 'stored' : places?.[i])) ?? places
  }

  /** True when the objects take the records of a chunk now. Throws the error of a request that keeps them waiting. */
  #hasSpace(tag: string, redelivery: Redelivery, runs: readonly PlacedRun[]): boolean {
    if (this.#ctx.signal.aborted) throw stopped()
    const error = this.#objects.failureOf(tag)
    if (error !== undefined) throw error
    let isNew = false
    for (const { place } of runs) {
      if (place === 'stored') continue
      const object = this.#objectFor(place, tag, redelivery)
      if (object === undefined) isNew = true
      else if (object.isFull || object.isSealed) return false
    }
    return this.#limits.hasMemory() && (!isNew || this.#limits.hasPlace())
  }

  #objectFor(place: Unsure | undefined, tag: string, redelivery: Redelivery): OpenObject | undefined {
    return place === undefined ? this.#objects.fillingOf(tag, redelivery) : place.object
  }

  #add(chunk: Chunk, redelivery: Redelivery, ids: Buffer | undefined, runs: readonly PlacedRun[]): void {
    const { text } = this.#settings
    const known = runs.reduce((sum, { place, from, to }) => sum + (place === 'stored' ? to - from : 0), 0)
    if (known > 0) this.#ctx.counters.add('known_records', known)
    const sent = runs.filter((run): run is Run<Unsure | undefined> => run.place !== 'stored')
    if (sent.length === 0) return
    const texts = text.write(chunk, sent)
    // All of them were rejected.
    if (texts.every(({ length }) => length === 0)) return
    // Nothing after this throws.
    const objects = new Set<OpenObject>()
    const sec = text.firstSecond(chunk)
    for (const [i, { place, from, to }] of sent.entries()) {
      const object =
        this.#objectFor(place, chunk.tag, redelivery) ??
        this.#create(chunk.tag, redelivery, ids !== undefined, place)
      object.add(texts[i] as Buffer, { from, to, sec, ids })
      objects.add(object)
      if (place === undefined) this.#objects.markUsed(object, redelivery)
    }
    this.#chunks.takeOver(chunk, redelivery, objects)
    for (const object of objects) if (this.#isComplete(object, redelivery)) this.#objects.seal(object)
    if (this.#chunks.isFull(redelivery)) this.#limits.sealMostChunks(redelivery)
  }

  /** True when an object has all of its records. */
  #isComplete(object: OpenObject, redelivery: Redelivery): boolean {
    const unsure = this.#remaking.get(object)
    return unsure === undefined ? this.#limits.isComplete(object, redelivery) : !object.lacksRecords
  }

  #create(tag: string, redelivery: Redelivery, hasIds: boolean, unsure: Unsure | undefined): OpenObject {
    const object = new OpenObject(this.#host, {
      ...{ tag, hasIds, remade: unsure?.remade, expected: unsure?.ids.count },
      isWhole: redelivery === 'none' || this.#settings.usesPutObject,
    })
    this.#objects.add(object, redelivery)
    if (unsure !== undefined) {
      unsure.object = object
      unsure.maker = this
      this.#remaking.set(object, unsure)
    }
    this.#ages.start()
    return object
  }

  #progress(): void {
    const waiters = this.#progressWaiters
    this.#progressWaiters = []
    for (const resolve of waiters) resolve()
  }

  #failed(object: OpenObject, error: ShipperError): void {
    this.#objects.markFailed(object)
    this.#late.peerFailed(error)
    const { code, hint } = error
    if (object.isRefused)
      this.#ctx.log.warn(
        `cannot write ${object.key ?? 'an object'}: ${error.message}`,
        { code, hint },
        'refused',
      )
    this.#progress()
  }

  #ended(object: OpenObject, outcome: 'stored' | GoneBy, words = ''): void {
    const unsure = this.#remaking.get(object)
    this.#remaking.delete(object)
    this.#objects.remove(object)
    const { rowId, key, records } = object
    if (outcome !== 'stored') {
      const { what, hint } = GONE[outcome]
      const message = `${what} ${key}, and ${records} of its records have to be read again (${words})`
      this.#ctx.log.error(message, { code: 'E_PEER_PROTOCOL', hint })
      this.#late.endRun(READ_AGAIN_STATUS, message)
      return
    }
    this.#ctx.counters.add('objects')
    this.#ctx.log.debug(`stored ${key}`, { records })
    if (unsure !== undefined) this.#lastRun.made(unsure)
    else if (rowId !== undefined) this.#settings.state.kept.add(rowId, object.ids?.bytes ?? 0)
  }

  held(): HeldRecords | undefined {
    if (this.#objects.size === 0) return undefined
    let records = 0
    let bytes = 0
    for (const [object] of this.#objects.entries()) {
      records += object.records
      bytes += object.bytes
    }
    const { totalBytes, timeoutMs } = this.#settings
    return { records, bytes, where: whereHeld(this.#objects, this.#ages.nextMs, { totalBytes, timeoutMs }) }
  }

  async finish(): Promise<void> {
    this.#ages.finish()
    for (const object of this.#remaking.keys()) this.#leaveToNextRun(object)
    this.#objects.sealAll()
    while (this.#objects.size > 0 && !this.#ctx.signal.aborted)
      await new Promise<void>((resolve) => this.#progressWaiters.push(resolve))
  }

  /** Ends an object of the last run that lacks records: the next run reads all of them again. */
  #leaveToNextRun(object: OpenObject): void {
    // Nothing is known on disk of parts that S3 has.
    if (!object.lacksRecords || object.isSealed || object.isSending || object.partCount > 0) return
    this.#remaking.delete(object)
    this.#objects.remove(object)
    object.abort()
  }

  #abort(): void {
    this.#ages.close()
    this.#objects.abort()
    this.#progress()
  }

  async close(): Promise<void> {
    this.#abort()
    await this.#settings.close()
  }
}
