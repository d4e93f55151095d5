import { ShipperError, type SourceLocation } from '../core/error.ts'
import { ROOT, ROOT_LABEL } from '../core/plan.ts'
import type { TagTest } from '../lib/tags/tag-pattern.ts'
import {
  type FilterStage,
  makePath,
  type OutputStage,
  type Path,
  pathBehind,
  type Target,
  targetOf,
} from './path.ts'
import { PathCache } from './path-cache.ts'
import type { Router } from './router.ts'

/** A filter, or a match with its targets. */
export interface StepStage {
  tags: TagTest
  location: SourceLocation
  filter?: FilterStage | undefined
  targets?: readonly ({ output: OutputStage } | { label: string })[] | undefined
}

/** Maximum number of copies of a record. */
const MAX_COPIES = 1000

/**
 * Routes as fluentd does: the steps of a label in the order of the file. Filters before the first match that takes the
 * tag apply, all behind it do not.
 */
export class OrderedRouter implements Router {
  readonly filters: readonly FilterStage[]
  readonly outputs: readonly OutputStage[]
  readonly #labels: ReadonlyMap<string, readonly StepStage[]>
  readonly #labelOf: ReadonlyMap<string, string>
  readonly #caches = new Map<string, PathCache>()
  /** Paths behind filters, for those that emit records. */
  readonly #behind = new Map<FilterStage, PathCache>()
  /** Labels of the filters that give records another tag. */
  readonly #labelWith = new Map<FilterStage, string>()

  /**
   * `labelOf` has the label at which the records of an input begin. Throws E_CONFIG_BAD_VALUE for a label that is a target and
   * is not there, for labels that send records in a circle, and for more than MAX_COPIES copies of a record.
   */
  constructor(labels: ReadonlyMap<string, readonly StepStage[]>, labelOf: ReadonlyMap<string, string>) {
    this.#labels = labels
    this.#labelOf = labelOf
    checkLabels(labels)
    const steps = [...labels.values()].flat()
    const targets = steps.flatMap((step) => step.targets ?? [])
    this.outputs = [...new Set(targets.flatMap((target) => ('output' in target ? [target.output] : [])))]
    this.filters = [
      ...new Set([
        ...steps.flatMap(({ filter }) => filter ?? []),
        ...this.outputs.flatMap(({ processors }) => processors ?? []),
      ]),
    ]
    for (const label of labels.keys()) this.#caches.set(label, this.#cacheFrom(label, 0))
  }

  path(input: string, tag: string): Path {
    return this.ofLabel(this.#labelOf.get(input) ?? ROOT, tag) ?? makePath('', [], [], { isUnrouted: true })
  }

  ofLabel(label: string, tag: string): Path | undefined {
    return this.#caches.get(nameOf(label))?.find(tag)
  }

  /** Begins at the label in which the filter is, as fluentd's plugins do. */
  anew(stage: FilterStage, input: string, tag: string): Path {
    let label = this.#labelWith.get(stage)
    if (label === undefined) {
      const found = [...this.#labels].find(([, steps]) => steps.some(({ filter }) => filter === stage))
      label = found?.[0] ?? this.#labelOf.get(input) ?? ROOT
      this.#labelWith.set(stage, label)
    }
    return this.ofLabel(label, tag) ?? makePath('', [], [], { isUnrouted: true })
  }

  /** What follows a step depends on the step and the tag only, not on how the records have reached it. */
  behind(stage: FilterStage, input: string, tag: string): Path {
    const known = this.#behind.get(stage)
    if (known !== undefined) return known.find(tag)
    for (const [label, steps] of this.#labels) {
      const at = steps.findIndex(({ filter }) => filter === stage)
      if (at < 0) continue
      const cache = this.#cacheFrom(label, at + 1)
      this.#behind.set(stage, cache)
      return cache.find(tag)
    }
    const path = this.path(input, tag)
    return pathBehind(path, stage) ?? path
  }

  #cacheFrom(label: string, from: number): PathCache {
    return new PathCache(
      (tag) => this.#decide(label, tag, from),
      (tag) => this.#walk('', label, tag, from),
    )
  }

  /** Returns the numbers of the steps that take a tag, in the order of `#walk`. */
  #decide(label: string, tag: string, from: number): string {
    let decisions = ''
    const steps = this.#labels.get(label) ?? []
    for (let i = from; i < steps.length; i++) {
      const { tags, targets } = steps[i] as StepStage
      if (!tags.test(tag)) continue
      decisions += `${i} `
      if (targets === undefined) continue
      for (const target of targets)
        if ('label' in target) decisions += this.#decide(nameOf(target.label), tag, 0)
      return decisions
    }
    // Without a match: the next numbers are those of another label.
    return `${decisions}- `
  }

  #walk(key: string, label: string, tag: string, from: number): Path {
    const filters: FilterStage[] = []
    const steps = this.#labels.get(label) ?? []
    for (let i = from; i < steps.length; i++) {
      const { tags, filter, targets } = steps[i] as StepStage
      if (!tags.test(tag)) continue
      if (filter !== undefined) filters.push(filter)
      if (targets !== undefined)
        return makePath(
          key,
          filters,
          targets.map((target) => this.#targetOf(target, tag)),
        )
    }
    return makePath(key, filters, [], { isUnrouted: true })
  }

  #targetOf(target: { output: OutputStage } | { label: string }, tag: string): Target {
    if ('output' in target) return targetOf(target.output)
    return this.#walk(`label:${target.label}`, nameOf(target.label), tag, 0)
  }
}

function nameOf(label: string): string {
  return label === ROOT_LABEL ? ROOT : label
}

function checkLabels(labels: ReadonlyMap<string, readonly StepStage[]>): void {
  const copies = new Map<string, number>()
  const open: string[] = []
  /** Returns the largest number of copies of a record that begins at the label. */
  const count = (label: string, location?: SourceLocation): number => {
    const known = copies.get(label)
    if (known !== undefined) return known
    const steps = labels.get(label)
    if (steps === undefined) throw noLabel(label, labels, location)
    if (open.includes(label)) throw circle([...open.slice(open.indexOf(label)), label], location)
    open.push(label)
    let most = 1
    for (const { targets = [], location: here } of steps) {
      const sum = targets.reduce((n, t) => n + ('label' in t ? count(nameOf(t.label), here) : 1), 0)
      if (sum > MAX_COPIES) throw tooMany(sum, here)
      most = Math.max(most, sum)
    }
    open.pop()
    copies.set(label, most)
    return most
  }
  for (const label of labels.keys()) count(label)
}

function noLabel(
  label: string,
  labels: ReadonlyMap<string, unknown>,
  location: SourceLocation | undefined,
): ShipperError {
  const names = [...labels.keys()].filter((name) => name !== ROOT)
  const hint = names.length === 0 ? 'there are no labels' : `labels: ${names.join(', ')}`
  return new ShipperError('E_CONFIG_BAD_VALUE', `there is no label ${label}`, { hint, ...at(location) })
}

function circle(labels: string[], location: SourceLocation | undefined): ShipperError {
  const names = labels.map((label) => (label === ROOT ? ROOT_LABEL : label)).join(' -> ')
  return new ShipperError('E_CONFIG_BAD_VALUE', `labels send records in a circle: ${names}`, {
    hint: 'send them to a label that is not among these, or to an output',
    ...at(location),
  })
}

function at(location: SourceLocation | undefined): { location?: SourceLocation } {
  return location === undefined ? {} : { location }
}

function tooMany(copies: number, location: SourceLocation): ShipperError {
  const message = `copies and labels make ${copies} copies of a record; the maximum is ${MAX_COPIES}`
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { hint: 'copy to fewer labels', location })
}
