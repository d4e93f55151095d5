import { compare } from '../../lib/segments/position.ts'
import type { StoredChunk } from '../../lib/segments/types.ts'
import type { OpenChunk } from './open-chunk.ts'

/**
 * Chunks on disk that an output has passed over, because the destination of their tag fails, so that those
 * after them are sent; and those that were open when the last run ended. In order within each tag.
 */
export class ParkedChunks {
  readonly #tags = new Map<string, StoredChunk[]>()
  readonly #open = new Map<StoredChunk, OpenChunk>()

  get size(): number {
    return this.#open.size
  }

  has(tag: string): boolean {
    return this.#tags.has(tag)
  }

  /** Adds a chunk; returns what it is among the open ones. */
  add(chunk: StoredChunk): OpenChunk {
    const chunks = this.#tags.get(chunk.tag)
    if (chunks === undefined) this.#tags.set(chunk.tag, [chunk])
    else chunks.push(chunk)
    const open = { at: chunk.at }
    this.#open.set(chunk, open)
    return open
  }

  /** Returns the first chunk of a tag for which `mayRead` is true; undefined when there is none. */
  next(mayRead: (tag: string) => boolean): StoredChunk | undefined {
    for (const [tag, [first]] of this.#tags) if (mayRead(tag)) return first
    return undefined
  }

  firstOf(tag: string): StoredChunk | undefined {
    return this.#tags.get(tag)?.[0]
  }

  /** Returns the chunk that comes first in the log. */
  oldest(): StoredChunk | undefined {
    let oldest: StoredChunk | undefined
    for (const [first] of this.#tags.values())
      if (first !== undefined && (oldest === undefined || compare(first.at, oldest.at) < 0)) oldest = first
    return oldest
  }

  /** Removes the first chunk of its tag; returns what it is among the open ones. */
  remove(chunk: StoredChunk): OpenChunk | undefined {
    const open = this.#open.get(chunk)
    this.#open.delete(chunk)
    const chunks = this.#tags.get(chunk.tag)
    chunks?.shift()
    if (chunks?.length === 0) this.#tags.delete(chunk.tag)
    return open
  }
}
