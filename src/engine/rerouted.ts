import type { FilterStage, OutputStage, Path } from './path.ts'

/**
 * The outputs that records have reached under a tag that a filter has given them, by input: which tags these are is known only
 * from the records. An input waits for such an output as for those of its own tags.
 */
export class Rerouted {
  readonly #filters = new Set<FilterStage>()
  readonly #byInput = new Map<string, Set<OutputStage>>()
  /** Results by path, with the number of outputs that the input had reached. */
  readonly #known = new WeakMap<Path, { reached: Set<OutputStage>; size: number; outputs: OutputStage[] }>()

  note(by: FilterStage, input: string, outputs: readonly OutputStage[]): void {
    this.#filters.add(by)
    let reached = this.#byInput.get(input)
    if (reached === undefined) {
      reached = new Set()
      this.#byInput.set(input, reached)
    }
    for (const output of outputs) reached.add(output)
  }

  /** Returns the outputs of a path and those that records of the input have reached, if a filter of the path sends some anew. */
  outputsOf(input: string, path: Path): readonly OutputStage[] {
    const reached = this.#byInput.get(input)
    if (reached === undefined) return path.allOutputs
    const known = this.#known.get(path)
    if (known !== undefined && known.reached === reached && known.size === reached.size) return known.outputs
    const isSource = path.allFilters.some((filter) => this.#filters.has(filter))
    const all = isSource ? [...path.allOutputs, ...reached] : path.allOutputs
    const outputs = [...new Map(all.map((output) => [output.queue, output])).values()]
    this.#known.set(path, { reached, size: reached.size, outputs })
    return outputs
  }
}
