import { type Diagnostics, type Property, warn } from './config-tree.ts'

/** What the instances of plugins are called. Metrics and logs know an instance by its name, so there is each one once. */
export class InstanceNames {
  readonly #counts = new Map<string, number>()
  readonly #taken = new Set<string>()

  /** `counted`: `tail.0`, `tail.1`, ... in order of declaration, whether aliased or not; `name`: the alias, or that. */
  next(
    kind: string,
    plugin: string,
    alias: Property | undefined,
    findings: Diagnostics,
  ): { name: string; counted: string } {
    const key = `${kind} ${plugin}`
    const n = this.#counts.get(key) ?? 0
    this.#counts.set(key, n + 1)
    const counted = `${plugin}.${n}`
    let name = alias?.value || counted
    if (alias !== undefined && this.#taken.has(name)) {
      warn(findings, `alias "${name}" is taken: the name is ${counted}`, alias.valueLocation)
      name = counted
    }
    while (this.#taken.has(name)) name += "'"
    this.#taken.add(name)
    return { name, counted }
  }
}
