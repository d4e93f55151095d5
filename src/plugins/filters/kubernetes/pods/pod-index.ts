import type { Pod } from './pod.ts'

/** What an index has: the pod is replaced, the object that has it is not. */
export interface Indexed {
  pod: Pod
}

/**
 * A second index of pods, by a key that several pods may share: the next pod of a StatefulSet has the name of the one
 * before, and the mirror pods of a static pod have its hash. So an entry is a list, from which each pod removes only itself.
 * Before the pod of an entry is replaced, `move` has to be called.
 */
export class PodIndex<T extends Indexed> {
  readonly #keyOf: (pod: Pod) => string | undefined
  readonly #byKey = new Map<string, T[]>()

  constructor(keyOf: (pod: Pod) => string | undefined) {
    this.#keyOf = keyOf
  }

  get(key: string): readonly T[] | undefined {
    return this.#byKey.get(key)
  }

  add(entry: T): void {
    this.#insert(this.#keyOf(entry.pod), entry)
  }

  /** Moves the entry to the key of `pod`, which it gets next; with an equal key it keeps its place. */
  move(entry: T, pod: Pod): void {
    const key = this.#keyOf(pod)
    if (key === this.#keyOf(entry.pod)) return
    this.remove(entry)
    this.#insert(key, entry)
  }

  remove(entry: T): void {
    const key = this.#keyOf(entry.pod)
    const entries = key === undefined ? undefined : this.#byKey.get(key)
    const at = entries?.indexOf(entry) ?? -1
    if (key === undefined || entries === undefined || at < 0) return
    entries.splice(at, 1)
    if (entries.length === 0) this.#byKey.delete(key)
  }

  #insert(key: string | undefined, entry: T): void {
    if (key === undefined) return
    const others = this.#byKey.get(key)
    if (others === undefined) this.#byKey.set(key, [entry])
    else others.push(entry)
  }
}
