import { runtimeGarbage } from './runtime-garbage.ts'

/** Small objects that a chunk leaves, whatever its size, in bytes. */
const BYTES_PER_CHUNK = 2048
/** Least number of chunks after which garbage is collected, and the same as a part of what is in use. */
const MIN_CHUNKS = 4096
const MAX_GARBAGE = 1 / 4
/** The same of what is collected as young: objects of the way from the file to the outcome, which do not live longer. */
const YOUNG_BYTES_PER_CHUNK = 8192
/** Such garbage after which it is collected. */
const MAX_YOUNG_BYTES = 8_388_608

interface Collector {
  /** Collects all garbage; returns the bytes that are in use. */
  collect(): number
  /** Collects objects that were made since the last time, whatever else is in use. */
  collectYoung(): void
}

/**
 * Collects garbage after some thousand chunks. Where each record has a tag of its own, a chunk is one record, and the runtime alone
 * lets the process grow by 200 MB of what they leave, as it waits until its memory has doubled, reserved memory included.
 * `limitGarbage` looks after timers, of which there are hardly any in a drain. Collecting early costs less than it saves: new
 * objects take the place of those that are still in the cache. As the limit grows with what is in use, collecting takes the same
 * part of the time however much that is. Under node it does nothing.
 *
 * Filters that make objects of records leave as much in one chunk. Nothing of that is old, so collecting what is young takes little
 * time: it lowers a peak of 100 MB to 55 MB and costs no CPU time.
 */
export class ChunkGarbage {
  readonly #load: () => Promise<Collector | undefined>
  readonly #look: () => void
  #collector: Collector | undefined
  #chunks = 0
  #limit = MIN_CHUNKS
  #youngBytes = 0
  #isLoading = false

  /**
   * `look` is called whenever something may have left much, as there may be no timer for long: it is cheap. Some young garbage is old
   * when it is collected, if much was under way.
   */
  constructor(load: () => Promise<Collector | undefined> = runtimeGarbage, look: () => void = () => {}) {
    this.#look = look
    this.#load = load
  }

  /** Called for each chunk. */
  count(): void {
    this.add(YOUNG_BYTES_PER_CHUNK)
    if (++this.#chunks >= this.#limit) this.#collect()
  }

  /** Called for the bytes of garbage that something else has left: a filter, a request. */
  add(bytes: number): void {
    this.#youngBytes += bytes
    if (this.#youngBytes < MAX_YOUNG_BYTES) {
      this.#look()
      return
    }
    this.#youngBytes = 0
    this.#loaded()?.collectYoung()
    this.#look()
  }

  #collect(): void {
    this.#chunks = 0
    const collector = this.#loaded()
    if (collector === undefined) return
    this.#limit = Math.max(MIN_CHUNKS, (collector.collect() * MAX_GARBAGE) / BYTES_PER_CHUNK)
  }

  /** Returns the collector; undefined until it is there. */
  #loaded(): Collector | undefined {
    if (this.#collector === undefined && !this.#isLoading) {
      this.#isLoading = true
      void this.#load().then((loaded) => {
        this.#collector = loaded
      })
    }
    return this.#collector
  }
}
