import { ShipperError } from '../../../core/error.ts'
import { S3Failure } from './answers.ts'
import { mayBeDone, type S3Api } from './api.ts'
import type { IdSet } from './id-set.ts'
import type { Journal, ObjectRow, UploadedPart } from './journal.ts'
import type { ObjectKey } from './object-key.ts'
import type { KeySource } from './object-keys.ts'
import type { Found } from './proof.ts'

/** What all uploads have in common. */
export interface UploadHost {
  readonly api: S3Api
  readonly journal: Journal
  /** Returns a new key; `isWhole`: the object has all of its records. `taken`: number of its keys that other objects turned out to have. */
  keyOf(object: KeySource, isWhole: boolean, taken: number): ObjectKey
}

/** An object of the last run that is to be made again with the same records. */
export interface Remade extends ObjectKey {
  rowId: number
  /** Encoded ids of its records. */
  ids: Buffer
}

/** Why an upload can never become an object: it does not exist, the service refuses it, or another object has its key. */
export type GoneBy = 'gone' | 'refused' | 'exists'

/**
 * What a failed request leaves: the object exists, the request has to be repeated (`newKey`: at once, with another key), or there will
 * be no object.
 */
type Aftermath = 'stored' | 'repeat' | 'newKey' | { goneBy: GoneBy }

/** Number of keys that are tried at once when other objects have them; with more, there is a wait before each. */
const MAX_KEYS = 64

/**
 * The requests that make one object, each preceded by what a restart has to know about it, see ObjectRow:
 *
 * ```
 *   uploadPart   [begun] CreateMultipartUpload, UploadPart ...
 *   put          [sealed] PutObject
 *   complete     [sealed] CompleteMultipartUpload
 * ```
 * A request that fails rejects; `aftermathOf` tells what to do then.
 */
export class ObjectUpload {
  readonly remade: Remade | undefined
  /** True when the object existed before the request that was to make it. */
  wasThere = false
  rowId: number | undefined
  readonly #host: UploadHost
  readonly #object: KeySource & { readonly ids: IdSet | undefined }
  #key: ObjectKey | undefined
  #uploadId: string | undefined
  readonly #parts: UploadedPart[] = []
  /** Size of the parts, or of the whole content. */
  #bytes = 0
  /** Number of keys that other objects turned out to have. */
  #taken = 0
  /** True when the request that makes the object may have been carried out. */
  #mayExist: boolean
  /** True when it may have been one of this run. */
  #mayBeOwn = false

  constructor(
    host: UploadHost,
    object: KeySource & { readonly ids: IdSet | undefined },
    remade: Remade | undefined,
  ) {
    this.#host = host
    this.#object = object
    this.remade = remade
    this.rowId = remade?.rowId
    this.#mayExist = remade !== undefined
  }

  get key(): string | undefined {
    return this.#key?.key
  }

  /** Number of parts that S3 has. */
  get partCount(): number {
    return this.#parts.length
  }

  /** True once the object is made of parts. */
  get isBegun(): boolean {
    return this.#uploadId !== undefined
  }

  async uploadPart(part: readonly Buffer[]): Promise<void> {
    const { api, journal } = this.#host
    const key = await this.#freeKey()
    if (this.#uploadId === undefined) {
      this.rowId ??= journal.newId()
      const row = { state: 'begun' as const, ...key }
      if (this.remade === undefined) await journal.put(this.rowId, row)
      const uploadId = await api.createUpload(key)
      if (this.remade === undefined) await journal.put(this.rowId, { ...row, uploadId })
      this.#uploadId = uploadId
    }
    const number = this.#parts.length + 1
    const etag = await api.uploadPart(key.key, this.#uploadId, number, part)
    this.#parts.push({ number, etag })
    this.#bytes += sizeOf(part)
  }

  /** Makes the object of its whole content. */
  async put(content: readonly Buffer[]): Promise<void> {
    const key = this.#chooseKey(true)
    this.#bytes = sizeOf(content)
    await this.#keep(key)
    await this.#host.api.putObject(key, content)
  }

  /** Makes the object of the parts. */
  async complete(): Promise<void> {
    const key = this.#chooseKey(false)
    const uploadId = this.#uploadId as string
    await this.#keep(key, { uploadId, parts: this.#parts })
    await this.#host.api.completeUpload(key, uploadId, this.#parts)
  }

  /** Notes on disk that the object exists. */
  markStored(): void {
    if (this.rowId !== undefined) this.#host.journal.stored(this.rowId)
  }

  /** Resolves with what is to be done after a failed request. `isLast`: the request was the one that makes the object. */
  async aftermathOf(error: unknown, isLast: boolean): Promise<Aftermath> {
    if (isLast && mayBeDone(error)) this.#mayExist = this.#mayBeOwn = true
    const taken = this.#taken
    const aftermath = error instanceof S3Failure ? await this.#aftermathOf(error) : 'repeat'
    return aftermath === 'repeat' && this.#taken > taken && this.#taken % MAX_KEYS !== 0
      ? 'newKey'
      : aftermath
  }

  async #aftermathOf(failure: S3Failure): Promise<Aftermath> {
    const { kind } = failure
    const found = await this.#find(failure).catch(() => undefined)
    if (found === undefined) return 'repeat'
    // Two answers that contradict each other.
    if (kind === 'exists' && found === 'none') return 'repeat'
    if (found === 'own' && kind === 'exists') {
      // An object of the last run has all of its records, also those that have not come again. When it may be one of this run, these are
      // sent again: a record may rather be in two objects than in none.
      this.wasThere = !this.#mayBeOwn
      if (this.remade !== undefined && this.wasThere)
        await this.#keepIds(this.remade, this.remade.ids).catch(() => {})
      return 'stored'
    }
    if (found === 'own' && kind === 'gone') return 'stored'
    if (kind !== 'gone' && kind !== 'refused' && kind !== 'exists') return 'repeat'
    if (this.#uploadId !== undefined) {
      // Nothing has to be known about an object that does not exist.
      if (found !== 'unknown' && this.rowId !== undefined) this.#host.journal.remove(this.rowId)
      return { goneBy: kind }
    }
    if (kind === 'exists') this.#takeAnotherKey()
    return 'repeat'
  }

  /** Resolves with what has the key, after an answer from which the object may exist. */
  async #find({ kind, provesObject }: S3Failure): Promise<Found> {
    const key = this.#key
    if (!this.#mayExist || key === undefined) return kind === 'exists' ? 'other' : 'none'
    if (provesObject && key.isUnique) return 'own'
    if (kind !== 'exists' && kind !== 'gone') return 'unknown'
    return await this.#host.api.find({ ...key, bytes: this.#bytes })
  }

  #chooseKey(isWhole: boolean): ObjectKey {
    if (this.#key === undefined) {
      const given = this.#taken === 0 ? this.remade : undefined
      const chosen = given ?? this.#host.keyOf(this.#object, isWhole, this.#taken)
      const { key, isNew, isUnique, objectId } = chosen
      this.#key = { key, isNew, isUnique, objectId }
    }
    return this.#key
  }

  /** Chooses the key of an upload. It cannot be changed when another object turns out to have it, so S3 is asked before. */
  async #freeKey(): Promise<ObjectKey> {
    for (;;) {
      const key = this.#chooseKey(false)
      const isKnownFree = this.#uploadId !== undefined || this.remade !== undefined
      if (isKnownFree || !key.isNew || key.isUnique) return key
      if ((await this.#host.api.find(key)) !== 'other') return key
      this.#takeAnotherKey()
      if (this.#taken % MAX_KEYS === 0) throw takenError(key.key)
    }
  }

  /** Gives up the key: another object has it, or one that nothing proves to be this one. A record may rather be in two objects than in none. */
  #takeAnotherKey(): void {
    this.#taken++
    this.#mayExist = this.#mayBeOwn = false
    this.#key = undefined
  }

  /** Writes to disk which records the object has, before the request that makes it. */
  async #keep(key: ObjectKey, upload: { uploadId?: string; parts?: UploadedPart[] } = {}): Promise<void> {
    const { ids } = this.#object
    if (ids !== undefined) await this.#keepIds(key, ids.encode(), { ...upload, bytes: this.#bytes })
  }

  async #keepIds(
    { key, isNew, isUnique, objectId }: ObjectKey,
    ids: Buffer,
    more: Pick<ObjectRow, 'uploadId' | 'parts' | 'bytes'> = {},
  ): Promise<void> {
    const { journal } = this.#host
    this.rowId ??= journal.newId()
    await journal.put(this.rowId, { state: 'sealed', key, isNew, isUnique, objectId, ...more }, ids)
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

function takenError(key: string): ShipperError {
  return new ShipperError('E_PEER_PROTOCOL', `${MAX_KEYS} keys up to ${key} belong to other objects`, {
    retryable: true,
    scope: 'peer',
    hint: 'further keys are tried; add $UUID to S3_Key_Format, or write to another prefix',
  })
}
