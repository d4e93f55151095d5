import { type Diagnostics, type Property, warn } from './config-tree.ts'

/** Assigns names to plugin instances. Metrics and logs identify an instance by its name, so each name is used once. */
export class InstanceNames {
  readonly #counts = new Map<string, number>()
  readonly #taken = new Set<string>()

  /**
   * Returns the names of the next instance of a plugin. `numbered` is `tail.0`, `tail.1`, ... in order of declaration, with
   * or without an alias; `name` is the alias, or else `numbered`.
   */
  next(
    kind: string,
    plugin: string,
    alias: Property | undefined,
    diagnostics: Diagnostics,
  ): { name: string; numbered: string } {
    const key = `${kind} ${plugin}`
    const n = this.#counts.get(key) ?? 0
    this.#counts.set(key, n + 1)
    const numbered = `${plugin}.${n}`
    let name = alias?.value || numbered
    if (alias !== undefined && this.#taken.has(name)) {
      warn(diagnostics, `alias "${name}" is already taken: using the name ${numbered}`, alias.valueLocation)
      name = numbered
    }
    while (this.#taken.has(name)) name += "'"
    this.#taken.add(name)
    return { name, numbered }
  }
}
