import type { Path } from './path.ts'

const MAX_CACHED_TAGS = 10_000

/**
 * Paths by tag. Tags that the same stages take share one object: there may be thousands, made from the names of files or from
 * what records contain. A new tag costs what its stages decide, and no path is built for it: where each record has a tag of
 * its own, building paths was most of the work and of the garbage.
 */
export class PathCache {
  readonly #decide: (tag: string) => string
  readonly #make: (tag: string) => Path
  readonly #byTag = new Map<string, Path>()
  readonly #byDecisions = new Map<string, Path>()

  /** `decide` returns a text that is equal for tags that the same stages take, so that their paths are equal. */
  constructor(decide: (tag: string) => string, make: (tag: string) => Path) {
    this.#decide = decide
    this.#make = make
  }

  find(tag: string): Path {
    return this.#byTag.get(tag) ?? this.#add(tag)
  }

  #add(tag: string): Path {
    // Clearing the cache now and then is a limit that costs nothing.
    if (this.#byTag.size >= MAX_CACHED_TAGS) {
      this.#byTag.clear()
      this.#byDecisions.clear()
    }
    const decisions = this.#decide(tag)
    let path = this.#byDecisions.get(decisions)
    if (path === undefined) {
      path = this.#make(tag)
      this.#byDecisions.set(decisions, path)
    }
    this.#byTag.set(tag, path)
    return path
  }
}
