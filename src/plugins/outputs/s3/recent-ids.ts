import { RECORD_ID_BYTES } from '../../../core/record-ids.ts'
import { IdSet, isSameSource, KnownIds, offsetIn, SOURCE_BYTES } from './id-set.ts'

/** Records of a source whose ids are kept at least, up to twice as many; two to three bytes each. */
const MIN_RECORDS = 65_536
/** Maximum number of records of all sources: beyond it the sources without records for the longest time are forgotten. */
const MAX_RECORDS = 2_000_000

interface RecentSource {
  /** Largest offset so far: what is behind it is new. */
  last: number
  current: IdSet
  previous: IdSet | undefined
  /** Both as sets to look records up in; undefined when they have to be made again. */
  known: readonly KnownIds[] | undefined
}

/**
 * The records that this run has put into objects last. A buffer on disk may have a record more than once: an input that was killed
 * before its position was stored reads it again, and the copy comes soon after the first, with the same id.
 */
export class RecentIds {
  readonly #sources = new Map<string, RecentSource>()
  #records = 0

  /** Adds the ids of the records `[from, to)` of a chunk. */
  add(ids: Buffer, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const end = endOfSource(ids, at, to)
      this.#addRun(ids, at, end)
      at = end
    }
    for (const [name, source] of this.#sources) {
      if (this.#records <= MAX_RECORDS) return
      this.#sources.delete(name)
      this.#records -= source.current.count + (source.previous?.count ?? 0)
    }
  }

  #addRun(ids: Buffer, from: number, to: number): void {
    const name = sourceOf(ids, from)
    let source = this.#sources.get(name)
    this.#sources.delete(name)
    source ??= { last: -1, current: new IdSet(), previous: undefined, known: undefined }
    this.#sources.set(name, source)
    source.current.add(ids, from, to)
    source.known = undefined
    this.#records += to - from
    for (let i = from; i < to; i++) source.last = Math.max(source.last, offsetIn(ids, i))
    if (source.current.count < MIN_RECORDS) return
    this.#records -= source.previous?.count ?? 0
    source.previous = source.current
    source.current = new IdSet()
  }

  /** Returns which records of a chunk were added before; undefined when none was. */
  find(ids: Buffer): boolean[] | undefined {
    const count = ids.length / RECORD_ID_BYTES
    let found: boolean[] | undefined
    for (let at = 0; at < count; ) {
      const end = endOfSource(ids, at, count)
      const source = this.#sources.get(sourceOf(ids, at))
      for (let i = at; source !== undefined && i < end; i++) {
        if (offsetIn(ids, i) > source.last) continue
        source.known ??= knownOf(source)
        if (!source.known.some((known) => known.has(ids, i))) continue
        found ??= new Array<boolean>(count).fill(false)
        found[i] = true
      }
      at = end
    }
    return found
  }
}

function knownOf({ current, previous }: RecentSource): KnownIds[] {
  return [previous, current].filter((set) => set !== undefined).map((set) => new KnownIds(set.encode()))
}

function sourceOf(ids: Buffer, i: number): string {
  const at = i * RECORD_ID_BYTES
  return ids.toString('latin1', at, at + SOURCE_BYTES)
}

/** Returns the first record from `from` on that is of another source, or `to`. */
function endOfSource(ids: Buffer, from: number, to: number): number {
  let i = from + 1
  while (i < to && isSameSource(ids, i)) i++
  return i
}
