import type { Chunk } from '../../../src/core/chunk.ts'
import type { Filter } from '../../../src/core/plugin.ts'
import type { Logger } from '../../../src/core/services.ts'
import { BorrowedBuffers } from '../../../src/engine/borrowed-buffers.ts'
import { MatchRouter } from '../../../src/engine/match-router.ts'
import type { FilterStage, OutputStage, Path } from '../../../src/engine/path.ts'
import { Pipeline } from '../../../src/engine/pipeline.ts'
import type { OutputQueue } from '../../../src/engine/queue.ts'

let stages = 0

/** Returns a stage for a filter or what it does with a chunk. */
export function filterStage(
  filter: Filter | ((chunk: Chunk) => void),
  match = '*',
  name = `filter.${stages++}`,
): FilterStage {
  const stats = { records: 0, bytes: 0, addRecords: 0, dropRecords: 0, dropBytes: 0 }
  return {
    name,
    match,
    matchRegex: undefined,
    filter: typeof filter === 'function' ? { apply: filter } : filter,
    stats,
  }
}

export function outputStage(
  queue: OutputQueue,
  match: string | undefined = '*',
  name = `out.${stages++}`,
  processors: FilterStage[] = [],
): OutputStage {
  return { name, match, matchRegex: undefined, queue, processors }
}

/** Returns a pipeline that routes by Match, for inputs that have nothing of their own. */
export function pipelineOf(
  filters: FilterStage[],
  outputs: OutputStage[],
  log: Logger,
  borrowed = new BorrowedBuffers(),
): Pipeline {
  return new Pipeline(new MatchRouter(filters, outputs), borrowed, log)
}

/** Describes a path: `f1 f2 -> o1 o2 [p -> o3] (0 1: -> o4)`, a branch in brackets, a group of routes in parentheses. */
export function shapeOf({ filters, outputs, branches, split }: Path): string {
  return [
    ...filters.map(({ name }) => name),
    '->',
    ...outputs.map(({ name }) => name),
    ...branches.map((branch) => `[${shapeOf(branch)}]`),
    ...(split?.groups ?? []).map(({ routes, path }) => `(${routes.join(' ')}: ${shapeOf(path)})`),
  ].join(' ')
}
