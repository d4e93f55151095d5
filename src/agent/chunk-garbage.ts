/** Small objects that a chunk leaves, whatever its size, in bytes. */
const BYTES_PER_CHUNK = 2048
/** Least number of chunks after which garbage is collected, and the same as a part of what is in use. */
const MIN_CHUNKS = 4096
const MAX_GARBAGE = 1 / 4
/** Garbage of filters after which it is collected. */
const MAX_YOUNG_BYTES = MIN_CHUNKS * BYTES_PER_CHUNK

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
  #collector: Collector | undefined
  #chunks = 0
  #limit = MIN_CHUNKS
  #youngBytes = 0
  #isLoading = false

  constructor(load: () => Promise<Collector | undefined> = runtimeCollector) {
    this.#load = load
  }

  /** Called for each chunk. */
  count(): void {
    if (++this.#chunks >= this.#limit) this.#collect()
  }

  /** Called for the bytes of garbage that a filter has left. */
  add(bytes: number): void {
    this.#youngBytes += bytes
    if (this.#youngBytes < MAX_YOUNG_BYTES) return
    this.#youngBytes = 0
    this.#loaded()?.collectYoung()
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

/** The collector that keeps the memory for what comes next: giving it back takes as long as collecting. */
async function runtimeCollector(): Promise<Collector | undefined> {
  if (process.versions.bun === undefined) return undefined
  const { edenGC, fullGC } = await import('bun:jsc')
  return { collect: () => fullGC(), collectYoung: () => void edenGC() }
}
