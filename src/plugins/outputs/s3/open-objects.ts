import type { ShipperError } from '../../../core/error.ts'
import type { OpenObject } from './open-object.ts'
import type { Redelivery } from './redelivery.ts'

/**
 * The objects that are not stored yet. At most one of each tag and redelivery takes records; the others are sealed, or are made again
 * for the last run.
 */
export class OpenObjects {
  readonly #redelivery = new Map<OpenObject, Redelivery>()
  /** Objects that take records, by redelivery and tag, the least recently used first. */
  readonly #filling = new Map<string, OpenObject>()
  readonly #sealed = new Set<OpenObject>()
  /** Objects whose latest request failed. Those that have recovered since are removed by `failureOf`. */
  readonly #failing = new Set<OpenObject>()

  get size(): number {
    return this.#redelivery.size
  }

  get sealedCount(): number {
    return this.#sealed.size
  }

  /** Number of objects that the service refuses. */
  get refusedCount(): number {
    let count = 0
    for (const object of this.#failing) if (object.isRefused && this.#redelivery.has(object)) count++
    return count
  }

  entries(): Iterable<[OpenObject, Redelivery]> {
    return this.#redelivery
  }

  /** Returns objects that take records, the least recently used first. */
  leastRecentlyUsed(count: number): OpenObject[] {
    return [...this.#filling.values().take(count)]
  }

  /** Returns the object that takes the records of a tag. */
  fillingOf(tag: string, redelivery: Redelivery): OpenObject | undefined {
    return this.#filling.get(keyOf(tag, redelivery))
  }

  add(object: OpenObject, redelivery: Redelivery): void {
    this.#redelivery.set(object, redelivery)
  }

  /** Makes an object the one that takes the records of its tag, and the most recently used. */
  markUsed(object: OpenObject, redelivery: Redelivery): void {
    const key = keyOf(object.tag, redelivery)
    this.#filling.delete(key)
    this.#filling.set(key, object)
  }

  /** Completes an object: it takes no more records. */
  seal(object: OpenObject): void {
    this.#stopFilling(object)
    this.#sealed.add(object)
    object.seal()
  }

  sealAll(): void {
    for (const object of this.#redelivery.keys()) this.seal(object)
  }

  markFailed(object: OpenObject): void {
    this.#failing.add(object)
  }

  /** Returns the error of a request that keeps the records of a tag waiting: its own object is refused, or the service fails. */
  failureOf(tag: string): ShipperError | undefined {
    for (const object of this.#failing) {
      const { error } = object
      if (error === undefined || !this.#redelivery.has(object)) this.#failing.delete(object)
      else if (!object.isRefused || object.tag === tag) return error
    }
    return undefined
  }

  remove(object: OpenObject): void {
    this.#stopFilling(object)
    this.#redelivery.delete(object)
    this.#sealed.delete(object)
  }

  /** Aborts and removes all. */
  abort(): void {
    for (const object of this.#redelivery.keys()) object.abort()
    this.#redelivery.clear()
    this.#sealed.clear()
    this.#filling.clear()
  }

  #stopFilling(object: OpenObject): void {
    const redelivery = this.#redelivery.get(object)
    if (redelivery === undefined) return
    const key = keyOf(object.tag, redelivery)
    if (this.#filling.get(key) === object) this.#filling.delete(key)
  }
}

function keyOf(tag: string, redelivery: Redelivery): string {
  return `${redelivery}\n${tag}`
}
