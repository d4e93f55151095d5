import type { Path } from './path.ts'

const MAX_CACHED_TAGS = 10_000

/** Paths by tag. Tags with the same path share one object: there may be thousands, made from the names of files. */
export class PathCache {
  readonly #make: (tag: string) => Path
  readonly #byTag = new Map<string, Path>()
  readonly #byStages = new Map<string, Path>()
  /** Numbers of stages, for the keys of `#byStages`. */
  readonly #numbers = new Map<object, number>()

  constructor(make: (tag: string) => Path) {
    this.#make = make
  }

  find(tag: string): Path {
    return this.#byTag.get(tag) ?? this.#add(tag)
  }

  #add(tag: string): Path {
    // Clearing the cache now and then is a limit that costs nothing.
    if (this.#byTag.size >= MAX_CACHED_TAGS) {
      this.#byTag.clear()
      this.#byStages.clear()
    }
    const made = this.#make(tag)
    const key = this.#keyOf(made)
    const path = this.#byStages.get(key) ?? made
    this.#byStages.set(key, path)
    this.#byTag.set(tag, path)
    return path
  }

  /** Returns a text that is equal for paths with the same stages. */
  #keyOf({ filters, outputs, branches, split, isUnrouted, key }: Path): string {
    const numbers = [...filters, undefined, ...outputs.map(({ queue }) => queue), undefined, split]
    const own = numbers.map((item) => (item === undefined ? '' : this.#number(item))).join(' ')
    return `${JSON.stringify(key)} ${own} ${isUnrouted}[${branches.map((branch) => this.#keyOf(branch)).join()}]`
  }

  #number(item: object): number {
    let number = this.#numbers.get(item)
    if (number === undefined) {
      number = this.#numbers.size
      this.#numbers.set(item, number)
    }
    return number
  }
}
