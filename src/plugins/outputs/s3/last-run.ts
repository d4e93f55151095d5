import { RECORD_ID_BYTES } from '../../../core/record-ids.ts'
import type { Logger } from '../../../core/services.ts'
import { counted } from '../../../lib/text/counted.ts'
import { S3Failure } from './answers.ts'
import type { S3Api } from './api.ts'
import { isSameSource, KnownIds } from './id-set.ts'
import type { Journal, LoadedRow } from './journal.ts'
import type { KeptRows } from './kept-rows.ts'
import type { Remade } from './object-upload.ts'
import type { OpenObject } from './open-object.ts'
import { StoredIds } from './stored-ids.ts'

/** An object of the last run that may exist or not: it is made again, with the same key and records. */
export interface Unsure {
  readonly remade: Remade
  readonly ids: KnownIds
  /** What is made of it in this run; undefined before the first of its records. */
  object: OpenObject | undefined
  /** Output that makes it. */
  maker: object | undefined
}

/** An object that may have records of a source. */
interface Candidate {
  readonly place: Place
  has(ids: Buffer, i: number): boolean
}

/** Where a record belongs that is in an object of the last run: `stored` is in one that exists. */
export type Place = 'stored' | Unsure

/**
 * State that the last run left: unfinished uploads, and objects that exist or may exist. The latter contain the records that are read
 * again because the inputs had not yet stored their positions.
 *
 * ```
 *   begun               the upload is aborted: its records are in no object
 *   sealed, uploaded    completed now: stored, or gone
 *   sealed, one request exists: stored; else made again, as the request may still be in flight: one of both is the first
 * ```
 */
export class LastRun {
  readonly #journal: Journal
  readonly #log: Logger
  #rows: LoadedRow[] = []
  readonly #stored: StoredIds
  readonly #unsure = new Set<Unsure>()
  readonly #kept: Pick<KeptRows, 'addEarlier'>
  #resolving: Promise<void> | undefined

  constructor(journal: Journal, log: Logger, kept: Pick<KeptRows, 'addEarlier'>) {
    this.#journal = journal
    this.#log = log
    this.#kept = kept
    this.#stored = new StoredIds((rowId) => journal.idsOf(rowId))
  }

  /** Reads the rows. */
  open(): void {
    this.#rows = []
    for (const row of this.#journal.open()) {
      const { id, isStored, ids, encoded } = row
      if (isStored && ids !== undefined) this.#addStored(id, ids, encoded.length)
      else this.#rows.push(row)
    }
  }

  #addStored(id: number, ids: KnownIds, bytes: number): void {
    this.#stored.add(id, ids)
    this.#kept.addEarlier(id, bytes)
  }

  /** True while rows have to be resolved. */
  get isOpen(): boolean {
    return this.#rows.length > 0
  }

  /** True when no record can be in an object of the last run. */
  get isEmpty(): boolean {
    return this.#stored.size === 0 && this.#unsure.size === 0
  }

  /** Ends what each row describes. Rejects with the failure of a request; the next call goes on with the row that failed. */
  async resolve(api: S3Api): Promise<void> {
    if (!this.isOpen) return
    this.#resolving ??= this.#resolveRows(api).finally(() => {
      this.#resolving = undefined
    })
    await this.#resolving
  }

  async #resolveRows(api: S3Api): Promise<void> {
    for (let row = this.#rows[0]; row !== undefined; row = this.#rows[0]) {
      await this.#resolveRow(row, api)
      this.#rows.shift()
    }
  }

  async #resolveRow({ id, row, ids, encoded }: LoadedRow, api: S3Api): Promise<void> {
    if (ids === undefined) {
      await this.#abort(row.key, row.uploadId, api)
      this.#journal.remove(id)
      return
    }
    const exists = await this.#checkExists(row, api)
    if (exists === true) {
      this.#journal.stored(id)
      this.#addStored(id, ids, encoded.length)
    } else if (exists === false) this.#journal.remove(id)
    else {
      const { key, isNew, isUnique, objectId } = row
      const remade = { rowId: id, key, isNew, isUnique, objectId, ids: encoded }
      this.#unsure.add({ remade, ids, object: undefined, maker: undefined })
      this.#kept.addEarlier(id, encoded.length)
    }
  }

  /** Aborts the uploads of an object; without an upload id those that S3 lists. */
  async #abort(key: string, uploadId: string | undefined, api: S3Api): Promise<void> {
    try {
      const uploads = uploadId === undefined ? await api.uploadsOf(key) : [uploadId]
      for (const upload of uploads) await api.abortUpload(key, upload)
      if (uploads.length > 0)
        this.#log.info(`aborted ${counted(uploads.length, 'unfinished upload')} of ${key} from the last run`)
    } catch (error) {
      // A leftover upload costs money, but must not delay records.
      if (!(error instanceof S3Failure) || !error.isDefinite) throw error
      const hint =
        'allow s3:AbortMultipartUpload and s3:ListBucketMultipartUploads, or let a lifecycle rule of the bucket abort unfinished uploads: their parts are billed'
      this.#log.warn(`cannot abort the unfinished upload of ${key}: ${error.message}`, { hint }, 'abort')
    }
  }

  /** Resolves with true when the object exists, and false when it never will; undefined when that is not known. */
  async #checkExists(row: LoadedRow['row'], api: S3Api): Promise<boolean | undefined> {
    const { uploadId, parts, isNew } = row
    if (uploadId === undefined || parts === undefined) {
      const found = await api.find(row)
      // An object with the key makes the conditional request fail forever.
      return found === 'own' ? true : found === 'other' && isNew ? false : undefined
    }
    try {
      await api.completeUpload(row, uploadId, parts)
      return true
    } catch (error) {
      if (!(error instanceof S3Failure)) throw error
      const { kind } = error
      if (error.provesObject && row.isUnique) return true
      if (kind !== 'exists' && kind !== 'gone' && kind !== 'refused' && !error.isDefinite) throw error
      const found = await api.find(row)
      if (found === 'own') return true
      if (kind !== 'gone') await this.#abort(row.key, uploadId, api)
      // No other request for it can be in flight: without the upload there will be no object.
      return found === 'unknown' ? undefined : false
    }
  }

  /**
   * Returns where each record of a chunk belongs that is in an object of the last run; undefined when none is. An object that another
   * output than `maker` makes again is no place.
   */
  placesOf(ids: Buffer, maker: object): (Place | undefined)[] | undefined {
    if (this.isEmpty) return undefined
    const count = ids.length / RECORD_ID_BYTES
    let found: (Place | undefined)[] | undefined
    let candidates: Candidate[] = []
    for (let i = 0; i < count; i++) {
      // Nearly all records of a chunk are from one source, which is in none of the objects soon after the start.
      if (i === 0 || !isSameSource(ids, i)) candidates = this.#candidatesFor(ids, i, maker)
      const place = candidates.find((candidate) => candidate.has(ids, i))?.place
      if (place === undefined) continue
      found ??= new Array<Place | undefined>(count).fill(undefined)
      found[i] = place
    }
    this.#stored.lookedUp(found !== undefined)
    return found
  }

  #candidatesFor(ids: Buffer, i: number, maker: object): Candidate[] {
    const stored = this.#stored.candidates(ids, i).map((object) => ({
      place: 'stored' as const,
      has: (of: Buffer, record: number) => this.#stored.has(object, of, record),
    }))
    const unsure = [...this.#unsure].filter(
      (each) => (each.maker === undefined || each.maker === maker) && each.ids.hasSource(ids, i),
    )
    return [
      ...stored,
      ...unsure.map((place) => ({ place, has: (of: Buffer, record: number) => place.ids.has(of, record) })),
    ]
  }

  /**
   * Called when an object that was made again exists: with all of its records when it existed already, otherwise with those that were read
   * again.
   */
  made(unsure: Unsure): void {
    this.#unsure.delete(unsure)
    const { object, ids, remade } = unsure
    const inIt =
      object?.wasThere === false && object.ids !== undefined ? new KnownIds(object.ids.encode()) : ids
    this.#stored.add(remade.rowId, inIt)
  }

  /** Forgets an object; returns false for one that is being made again. */
  forget(rowId: number): boolean {
    this.#stored.remove(rowId)
    for (const unsure of this.#unsure)
      if (unsure.remade.rowId === rowId) {
        if (unsure.object !== undefined) return false
        this.#unsure.delete(unsure)
      }
    return true
  }

  /** True when records behind all of an object that exists were read. */
  isPassed(rowId: number): boolean {
    return this.#stored.isPassed(rowId)
  }
}
