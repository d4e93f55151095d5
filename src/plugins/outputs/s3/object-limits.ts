import type { BlockSource } from './blocks.ts'
import type { OpenObject } from './open-object.ts'
import type { OpenObjects } from './open-objects.ts'
import type { Redelivery } from './redelivery.ts'

interface SizeSettings {
  /** Size of a part. */
  partBytes: number
  usesPutObject: boolean
  totalBytes: number
}

/** Limits of S3, with some space. */
const MAX_PARTS = 9990
/** Maximum size of an object that is written by one request, as it is in memory until then. */
const MAX_WHOLE_BYTES = 16_000_000
/** Maximum number of open objects: each takes about 80 KB of the memory of the process, as measured with 100 to 1,000. */
const MAX_OBJECTS = 256
/** Maximum number of objects that are completed at a time to make place for others: as many as there are requests. */
const MAX_ENDING = 8
/** Maximum size of the ids of an object. */
const MAX_ID_BYTES = 8_000_000

/** Completes objects before their time when memory, their number or that of their chunks reaches a limit. */
export class ObjectLimits {
  readonly #objects: OpenObjects
  readonly #blocks: BlockSource
  readonly #memoryBytes: number
  readonly #settings: SizeSettings

  constructor(objects: OpenObjects, blocks: BlockSource, memoryBytes: number, settings: SizeSettings) {
    this.#objects = objects
    this.#blocks = blocks
    this.#memoryBytes = memoryBytes
    this.#settings = settings
  }

  /** True when an object has all the records that it may have. */
  isComplete(object: OpenObject, redelivery: Redelivery): boolean {
    const { totalBytes, partBytes, usesPutObject } = this.#settings
    const maxBytes = usesPutObject ? Math.min(totalBytes, MAX_WHOLE_BYTES) : totalBytes
    return (
      object.bytes >= (redelivery === 'none' ? Math.min(maxBytes, partBytes) : maxBytes) ||
      object.partCount >= MAX_PARTS ||
      (object.ids?.bytes ?? 0) > MAX_ID_BYTES
    )
  }

  /** True when there is memory for more records. Otherwise an upload is about to release some, or the largest object is completed. */
  hasMemory(): boolean {
    if (this.#blocks.used < this.#memoryBytes) return true
    let largest: OpenObject | undefined
    let lacking: OpenObject | undefined
    for (const [object] of this.#objects.entries()) {
      // An object that is refused releases nothing.
      if (object.isSending && object.isRefused) continue
      if (object.isSending) return false
      if (object.lacksRecords) lacking = largerOf(object, lacking)
      else largest = largerOf(object, largest)
    }
    largest ??= lacking
    if (largest === undefined) return true
    this.#objects.seal(largest)
    return false
  }

  /** True when another object may be opened. Otherwise the least recently used ones are completed. */
  hasPlace(): boolean {
    const objects = this.#objects
    // A refused object holds up its own tag only.
    const refused = objects.refusedCount
    let excess = objects.size - refused - MAX_OBJECTS + 1
    if (excess <= 0) return true
    for (const object of objects.leastRecentlyUsed(MAX_ENDING)) {
      if (objects.sealedCount - refused >= MAX_ENDING || excess-- <= 0) break
      objects.seal(object)
    }
    return false
  }

  /** Completes the object with the most chunks. */
  sealMostChunks(redelivery: Redelivery): void {
    let largest: OpenObject | undefined
    for (const [object, own] of this.#objects.entries())
      if (
        own === redelivery &&
        !object.isSealed &&
        !object.lacksRecords &&
        object.chunks > (largest?.chunks ?? 0)
      )
        largest = object
    if (largest !== undefined) this.#objects.seal(largest)
  }
}

function largerOf(object: OpenObject, other: OpenObject | undefined): OpenObject | undefined {
  return object.memory > (other?.memory ?? 0) ? object : other
}
