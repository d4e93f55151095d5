import { type Diagnostics, type Property, warn } from './config-tree.ts'

/**
 * Assigns names to plugin instances. As in fluent-bit each is used once among the inputs, the filters and the outputs: metrics
 * tell these apart, and a relay has an input and an output `forward.0`.
 */
export class InstanceNames {
  readonly #counts = new Map<string, number>()
  readonly #taken = new Map<string, Set<string>>()

  /**
   * Returns the names of the next instance of a plugin. `numbered` is `tail.0`, `tail.1`, ... in order of declaration, with
   * or without an alias; `name` is the alias, or else `numbered`; `logName` is the name with its kind if another kind has it.
   */
  next(
    kind: string,
    plugin: string,
    alias: Property | undefined,
    diagnostics: Diagnostics,
  ): { name: string; numbered: string; logName: string } {
    const key = `${kind} ${plugin}`
    const n = this.#counts.get(key) ?? 0
    this.#counts.set(key, n + 1)
    const numbered = `${plugin}.${n}`
    const taken = this.#taken.get(kind) ?? new Set()
    this.#taken.set(kind, taken)
    let name = alias?.value || numbered
    if (alias !== undefined && taken.has(name)) {
      warn(diagnostics, `alias "${name}" is already taken: using the name ${numbered}`, alias.valueLocation)
      name = numbered
    }
    while (taken.has(name)) name += "'"
    const isShared = [...this.#taken.values()].some((names) => names.has(name))
    taken.add(name)
    return { name, numbered, logName: isShared ? `${kind}:${name}` : name }
  }
}
