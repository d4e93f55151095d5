import { matchTag } from '../core/tag.ts'

/** What a filter or an output is for: a pattern, or a regular expression that wins over it. Neither: no tag at all. */
export interface TagMatch {
  match: string | undefined
  matchRegex: RegExp | undefined
}

const REMEMBERED_TAGS = 10_000

/** Finds the stages that a tag goes to, in order of declaration; each tag is matched once and then remembered. */
export class Router<T extends TagMatch> {
  readonly #stages: readonly T[]
  readonly #known = new Map<string, T[]>()

  constructor(stages: readonly T[]) {
    this.#stages = stages
  }

  find(tag: string): T[] {
    const known = this.#known.get(tag)
    if (known !== undefined) return known
    // Tags come from file names and may be many: forgetting all of them now and then is a bound that costs nothing.
    if (this.#known.size >= REMEMBERED_TAGS) this.#known.clear()
    const found = this.#stages.filter((s) => matches(s, tag))
    this.#known.set(tag, found)
    return found
  }
}

export function matches(stage: TagMatch, tag: string): boolean {
  if (stage.matchRegex !== undefined) return stage.matchRegex.test(tag)
  return stage.match !== undefined && matchTag(stage.match, tag)
}
