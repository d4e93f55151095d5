import { matchTag } from '../core/tag.ts'

/** The tags of a filter or output: a pattern, or a regular expression, which takes precedence. With neither, no tag. */
export interface TagMatch {
  match: string | undefined
  matchRegex: { test(tag: string): boolean } | undefined
}

const MAX_CACHED_TAGS = 10_000

/** Finds the stages for a tag, in order of declaration; the result is cached per tag. */
export class Router<T extends TagMatch> {
  readonly stages: readonly T[]
  readonly #cache = new Map<string, T[]>()

  constructor(stages: readonly T[]) {
    this.stages = stages
  }

  find(tag: string): T[] {
    const cached = this.#cache.get(tag)
    if (cached !== undefined) return cached
    // Tags are made from file names and may be many: clearing the cache now and then is a limit that costs nothing.
    if (this.#cache.size >= MAX_CACHED_TAGS) this.#cache.clear()
    const found = this.stages.filter((s) => matches(s, tag))
    this.#cache.set(tag, found)
    return found
  }
}

export function matches(stage: TagMatch, tag: string): boolean {
  if (stage.matchRegex !== undefined) return stage.matchRegex.test(tag)
  return stage.match !== undefined && matchTag(stage.match, tag)
}
