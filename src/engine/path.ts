import type { Filter } from '../core/plugin.ts'
import type { RecordTest } from '../lib/records/condition.ts'
import type { OutputQueue } from './queue.ts'
import type { TagMatch } from './tag-match.ts'

export interface FilterStage extends TagMatch {
  /** Name of the instance. */
  readonly name: string
  readonly filter: Filter
  /**
   * True for a processor of an input: what it reroutes comes before the chunk, as in fluent-bit; otherwise after what goes on
   * under its own tag.
   */
  readonly reroutesFirst?: boolean
  /** True for a filter that leaves each record in its row, see `FilterSpec.keepsPlaces`. */
  readonly keepsPlaces?: boolean
  /** True for a filter that may send records to outputs that are not on the path. */
  readonly mayReroute?: boolean
  readonly stats: {
    records: number
    bytes: number
    addRecords: number
    dropRecords: number
    dropBytes: number
  }
}

export interface OutputStage extends TagMatch {
  /** Name of the instance. */
  readonly name: string
  readonly queue: OutputQueue
  /** True when it uses the ids of records, see `OutputSpec.usesRecordIds`. */
  readonly wantsPlaces?: boolean
  /** Filters for what this output gets. */
  readonly processors?: readonly FilterStage[] | undefined
}

/** Routes by condition, and what gets the records that they take. */
export interface Split {
  /** Condition of each route; `default` takes what no other one takes. */
  readonly conditions: readonly (RecordTest | 'default')[]
  readonly groups: readonly SplitGroup[]
}

/** Outputs that are named by the same routes: they get each record once, however many of these take it. */
export interface SplitGroup {
  /** Indexes of the conditions of which one has to take a record. */
  readonly routes: readonly number[]
  readonly path: Path
}

/**
 * What happens to the chunks of one input with one tag, in this order. A tree: each branch goes on with a copy, because
 * its filters change what it gets.
 *
 * ```
 *   chunk -> filters -+-> outputs, which share it
 *                     +-> branches, a copy for each -> filters -> ...
 *                     +-> groups of the split, a copy of some of its records for each -> ...
 * ```
 */
export interface Path {
  /** Name among the branches of one path: part of the ids of its copies. Empty at the root. */
  readonly key: string
  readonly filters: readonly FilterStage[]
  readonly outputs: readonly OutputStage[]
  readonly branches: readonly Path[]
  /** Outputs that get only the records that meet a condition. */
  readonly split: Split | undefined
  /** True when nothing takes the records, and the configuration does not say that they are discarded. */
  readonly isUnrouted: boolean
  /** Filters and outputs of the whole tree. */
  readonly allFilters: readonly FilterStage[]
  readonly allOutputs: readonly OutputStage[]
  /** Number of copies that are made of a chunk. */
  readonly copies: number
  /** Most bytes that its filters add to a record, as far as they tell. */
  readonly addedBytes: number
}

/** Where the records of a path go: to an output, or on another path. */
export type Target = OutputStage | Path

/** Returns an output as a target: with processors of its own it gets a copy. */
export function targetOf(output: OutputStage): Target {
  const { processors } = output
  if (processors === undefined || processors.length === 0) return output
  return makePath(`output:${output.name}`, processors, [{ ...output, processors: undefined }])
}

function isPath(target: Target): target is Path {
  return 'branches' in target
}

/**
 * Makes the path through filters to targets. A path among them needs no copy when nothing changes its records, or when it
 * is the only one; an output that is reached twice gets two copies.
 */
export function makePath(
  key: string,
  filters: readonly FilterStage[],
  targets: readonly Target[],
  options: { split?: Split | undefined; isUnrouted?: boolean } = {},
): Path {
  const { split } = options
  const outputs: OutputStage[] = []
  const branches: Path[] = []
  for (const target of targets) addTarget(target, outputs, branches)
  const [only] = branches
  if (only !== undefined && branches.length === 1 && outputs.length === 0 && split === undefined)
    return withTotals({ ...only, key, filters: [...filters, ...only.filters] })
  // Paths that lead nowhere count only when all of them do.
  const isUnrouted =
    outputs.length + branches.length === 0 &&
    split === undefined &&
    (targets.length === 0 ? options.isUnrouted === true : targets.some((t) => isPath(t) && t.isUnrouted))
  return withTotals({ key, filters, outputs, branches: uniquelyNamed(branches), split, isUnrouted })
}

function addTarget(target: Target, outputs: OutputStage[], branches: Path[]): void {
  if (!isPath(target)) addOutput(target, outputs, branches)
  else if (target.filters.length > 0 || target.split !== undefined) branches.push(target)
  else {
    for (const output of target.outputs) addOutput(output, outputs, branches)
    branches.push(...target.branches)
  }
}

function addOutput(output: OutputStage, outputs: OutputStage[], branches: Path[]): void {
  if (!outputs.some(({ queue }) => queue === output.queue)) outputs.push(output)
  else
    branches.push(
      withTotals({
        key: `output:${output.name}`,
        filters: [],
        outputs: [output],
        branches: [],
        split: undefined,
        isUnrouted: false,
      }),
    )
}

/** Numbers paths with equal keys, so that their copies have different ids. */
export function uniquelyNamed(branches: readonly Path[]): Path[] {
  const counts = new Map<string, number>()
  return branches.map((branch) => {
    const count = counts.get(branch.key) ?? 0
    counts.set(branch.key, count + 1)
    return count === 0 ? branch : { ...branch, key: `${branch.key}#${count}` }
  })
}

type Totals = 'allFilters' | 'allOutputs' | 'copies' | 'addedBytes'

function withTotals(path: Omit<Path, Totals>): Path {
  const { filters, outputs, branches, split } = path
  const below = [...branches, ...(split?.groups.map((group) => group.path) ?? [])]
  const allOutputs = new Map(
    [...outputs, ...below.flatMap((p) => p.allOutputs)].map((output) => [output.queue, output]),
  )
  const allFilters = [...new Set([...filters, ...below.flatMap((p) => p.allFilters)])]
  return {
    ...path,
    allFilters,
    addedBytes: allFilters.reduce((sum, { filter }) => sum + (filter.addedBytes ?? 0), 0),
    allOutputs: [...allOutputs.values()],
    // The groups of a split are as a rule disjoint: together they are one copy.
    copies:
      branches.reduce((sum, branch) => sum + 1 + branch.copies, 0) +
      (split === undefined ? 0 : 1 + Math.max(0, ...split.groups.map((group) => group.path.copies))),
  }
}

/** Returns what follows a filter on a path, which may be in a branch; undefined when the filter is not on it. */
export function pathBehind(path: Path, stage: FilterStage): Path | undefined {
  const at = path.filters.indexOf(stage)
  if (at >= 0) return { ...path, filters: path.filters.slice(at + 1) }
  for (const branch of path.branches) {
    const rest = pathBehind(branch, stage)
    if (rest !== undefined) return rest
  }
  for (const group of path.split?.groups ?? []) {
    const rest = pathBehind(group.path, stage)
    if (rest !== undefined) return rest
  }
  return undefined
}
