import type { FilterStage, OutputStage, Path } from './path.ts'

/**
 * Decides what happens to the chunks of an input. There are two: MatchRouter, with fluent-bit's rules, and OrderedRouter, with
 * fluentd's.
 */
export interface Router {
  /** Every filter and output that records can reach. */
  readonly filters: readonly FilterStage[]
  readonly outputs: readonly OutputStage[]
  /** Returns the path of an input's chunks with this tag; the result is cached. */
  path(input: string, tag: string): Path
  /** Returns what follows the filter for records that it has kept back. */
  behind(stage: FilterStage, input: string, tag: string): Path
  /** Returns the way from the beginning for records to which a filter has given this tag. */
  anew(stage: FilterStage, input: string, tag: string): Path
  /** Returns the path from the first step of a label; undefined when there is no such label. */
  ofLabel(label: string, tag: string): Path | undefined
}
