import type { RecordTest } from '../lib/records/condition.ts'
import {
  type FilterStage,
  makePath,
  type OutputStage,
  type Path,
  pathBehind,
  type Split,
  type SplitGroup,
  targetOf,
  uniquelyNamed,
} from './path.ts'
import { PathCache } from './path-cache.ts'
import type { Router } from './router.ts'
import { matches } from './tag-match.ts'

/** What an input has of its own. */
export interface InputRouting {
  /** Filters before all others. */
  processors: readonly FilterStage[]
  routes: readonly RouteStage[]
}

interface RouteStage {
  name: string
  condition: RecordTest | 'default' | undefined
  outputs: readonly OutputStage[]
}

/**
 * Routes as fluent-bit does: first the processors of the input, then all filters whose Match matches, in order of
 * declaration, then every output whose Match matches. Outputs that a route of the input names get its records by routes only.
 */
export class MatchRouter implements Router {
  readonly filters: readonly FilterStage[]
  readonly outputs: readonly OutputStage[]
  readonly #matched: readonly FilterStage[]
  /** Paths of inputs that have nothing of their own. */
  readonly #shared: PathCache
  readonly #own = new Map<string, PathCache>()

  constructor(
    filters: readonly FilterStage[],
    outputs: readonly OutputStage[],
    inputs: ReadonlyMap<string, InputRouting> = new Map(),
  ) {
    this.#matched = filters
    this.outputs = outputs
    this.filters = [
      ...[...inputs.values()].flatMap(({ processors }) => processors),
      ...filters,
      ...outputs.flatMap(({ processors }) => processors ?? []),
    ]
    this.#shared = new PathCache(
      (tag) => this.#decide(tag, outputs),
      (tag) => this.#make(tag, [], outputs, [], undefined),
    )
    for (const [input, own] of inputs) this.#own.set(input, this.#cacheOf(own))
  }

  path(input: string, tag: string): Path {
    const own = this.#own.size === 0 ? undefined : this.#own.get(input)
    return (own ?? this.#shared).find(tag)
  }

  /** With another tag than its filter matches, a record begins like one of an input that has nothing of its own. */
  behind(stage: FilterStage, input: string, tag: string): Path {
    return pathBehind(this.path(input, tag), stage) ?? this.#shared.find(tag)
  }

  /** Like the records of fluent-bit's emitter, they have nothing of an input's own. */
  anew(_stage: FilterStage, _input: string, tag: string): Path {
    return this.#shared.find(tag)
  }

  ofLabel(): undefined {
    return undefined
  }

  #cacheOf({ processors, routes }: InputRouting): PathCache {
    const named = new Set(routes.flatMap(({ outputs }) => outputs))
    const others = this.outputs.filter((output) => !named.has(output))
    const always = new Set(routes.flatMap((r) => (r.condition === undefined ? r.outputs : [])))
    const split = splitOf(routes, always)
    return new PathCache(
      (tag) => this.#decide(tag, others),
      (tag) => this.#make(tag, processors, others, [...always], split),
    )
  }

  /** Returns a digit for each filter and output that a tag decides on: 1 when it takes the tag. */
  #decide(tag: string, matched: readonly OutputStage[]): string {
    let decisions = ''
    for (const stage of this.#matched) decisions += matches(stage, tag) ? '1' : '0'
    for (const stage of matched) decisions += matches(stage, tag) ? '1' : '0'
    return decisions
  }

  #make(
    tag: string,
    processors: readonly FilterStage[],
    matched: readonly OutputStage[],
    always: readonly OutputStage[],
    split: Split | undefined,
  ): Path {
    const filters = [...processors, ...this.#matched.filter((stage) => matches(stage, tag))]
    const outputs = [...always, ...matched.filter((stage) => matches(stage, tag))]
    return makePath('', filters, outputs.map(targetOf), { split, isUnrouted: true })
  }
}

/** Returns the routes with a condition, for the outputs that no route without one names. */
function splitOf(routes: readonly RouteStage[], always: ReadonlySet<OutputStage>): Split | undefined {
  // What a route without a condition takes, which is everything, is not left for `default`.
  const hasDefault = routes.every(({ condition }) => condition !== undefined)
  const conditional = routes.flatMap(({ name, condition, outputs }) =>
    condition === undefined || (condition === 'default' && !hasDefault) ? [] : [{ name, condition, outputs }],
  )
  const groups = new Map<string, { routes: number[]; outputs: OutputStage[] }>()
  for (const output of new Set(conditional.flatMap(({ outputs }) => outputs))) {
    if (always.has(output)) continue
    const naming = [...conditional.keys()].filter((r) => conditional[r]?.outputs.includes(output))
    const key = naming.join()
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { routes: naming, outputs: [output] })
    else group.outputs.push(output)
  }
  if (groups.size === 0) return undefined
  const paths = uniquelyNamed(
    [...groups.values()].map((group) => {
      const names = group.routes.map((r) => conditional[r]?.name)
      return makePath(`route:${names.join('+')}`, [], group.outputs.map(targetOf))
    }),
  )
  return {
    conditions: conditional.map(({ condition }) => condition),
    groups: [...groups.values()].map(
      ({ routes: of }, i): SplitGroup => ({ routes: of, path: paths[i] as Path }),
    ),
  }
}
