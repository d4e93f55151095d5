/**
 * Places of the records of a chunk: where the input has read each of them. A row per entry, in the order of the entries:
 *
 * ```
 *   source    index in `sources`: ASCII that names the agent and the content of the file, or what else the offsets are in
 *   offset    of the first byte of the record in that content
 *   ordinal   0, or which of the records that a filter has made of the one at this offset
 *   extent    0 for one whole line; else a number below EXTENTS that says of what lines, or of how much of one, the record consists
 * ```
 * Entries of other sources than files have a number or a name: see lib/plugin/entry-places.ts. An input adds a row for each record of a
 * chunk, or for none of them. Its spec says so (`InputSpec.places`).
 *
 * The first line of a record may be sent alone, and come again after a crash with those that were written after it: with the extent it is
 * another record, and no store takes it for the one that it has.
 *
 * Two records have the same row and the same text of the source only if they are the same record, in this run or another. A text
 * that begins with IS_HASHED is followed by the digits of an id.
 */
export class Places {
  readonly sources: string[] = []
  /** Difference of the offset to `#base`, as nearly all records of a chunk are near each other; else `#offset` has the offsets. */
  #delta: Uint32Array
  #base = 0
  #offset: Float64Array | undefined
  /** Undefined while all rows have `#onlySource`, as those of most chunks. */
  #source: Uint32Array | undefined
  #onlySource = 0
  /** Undefined while all rows have 0. */
  #ordinal: Uint32Array | undefined
  /** The same; only joined and cut lines have others. */
  #extent: Uint32Array | undefined
  #count = 0
  #capacity: number
  /** Rows whose records a filter leaves out. */
  #dropped: number[] | undefined

  constructor(capacity = 64) {
    this.#capacity = capacity
    this.#delta = new Uint32Array(capacity)
  }

  get count(): number {
    return this.#count
  }

  /** Returns the index of a source, which is added if it is not the last one. */
  sourceIndex(text: string): number {
    const { sources } = this
    return sources.at(-1) === text ? sources.length - 1 : sources.push(text) - 1
  }

  /** Gives rows of a source another one. */
  renameSource(before: string, after: string): void {
    for (const [i, text] of this.sources.entries()) if (text === before) this.sources[i] = after
  }

  add(source: number, offset: number, ordinal = 0, extent = 0): void {
    const i = this.#count
    if (i === this.#capacity) this.#grow(i + 1)
    this.#setSource(i, i + 1, source)
    if (ordinal !== 0) this.#ordinal ??= new Uint32Array(this.#capacity)
    if (this.#ordinal !== undefined) this.#ordinal[i] = ordinal
    if (extent !== 0) this.#extent ??= new Uint32Array(this.#capacity)
    if (this.#extent !== undefined) this.#extent[i] = extent
    this.#count = i + 1
    if (i === 0) this.#base = offset
    if (this.#offset === undefined && !isDelta(offset - this.#base)) this.#widen()
    if (this.#offset === undefined) this.#delta[i] = offset - this.#base
    else this.#offset[i] = offset
  }

  /** Adds a row for each of the first `count` starts, which ascend: the record begins at `base` plus the start. */
  addRun(source: number, base: number, starts: Uint32Array, count: number): void {
    if (count === 0) return
    const from = this.#count
    const end = from + count
    if (end > this.#capacity) this.#grow(end)
    this.#setSource(from, end, source)
    this.#ordinal?.fill(0, from, end)
    this.#extent?.fill(0, from, end)
    this.#count = end
    if (from === 0) this.#base = base + (starts[0] as number)
    const difference = base - this.#base
    const [least, most] = [difference + (starts[0] as number), difference + (starts[count - 1] as number)]
    if (this.#offset === undefined && !(isDelta(least) && isDelta(most))) this.#widen()
    const [column, add] = this.#offset === undefined ? [this.#delta, difference] : [this.#offset, base]
    for (let i = 0; i < count; i++) column[from + i] = add + (starts[i] as number)
  }

  /** Adds the rows `[from, to)` of other places. */
  append(other: Places, from = 0, to = other.#count): void {
    let last = -1
    let index = 0
    for (let i = from; i < to; i++) {
      const source = other.source(i)
      if (source !== last) {
        last = source
        index = this.sourceIndex(other.sources[source] as string)
      }
      this.add(index, other.offset(i), other.ordinal(i), other.extent(i))
    }
  }

  /**
   * Returns the offsets as differences to a base when all rows have one source and neither an ordinal nor an extent, as those of most
   * chunks. Rows from `count` on have no meaning; the numbers hold until the rows change.
   */
  get plain(): PlainPlaces | undefined {
    const isPlain =
      this.#offset === undefined &&
      this.#source === undefined &&
      this.#ordinal === undefined &&
      this.#extent === undefined
    return isPlain ? { base: this.#base, deltas: this.#delta } : undefined
  }

  source(i: number): number {
    return this.#source === undefined ? this.#onlySource : (this.#source[i] as number)
  }

  sourceText(i: number): string {
    return this.sources[this.source(i)] as string
  }

  offset(i: number): number {
    return this.#offset === undefined ? this.#base + (this.#delta[i] as number) : (this.#offset[i] as number)
  }

  ordinal(i: number): number {
    return this.#ordinal === undefined ? 0 : (this.#ordinal[i] as number)
  }

  extent(i: number): number {
    return this.#extent === undefined ? 0 : (this.#extent[i] as number)
  }

  /** Marks the row of a record that a filter leaves out of its chunk. */
  drop(row: number): void {
    this.#dropped ??= []
    this.#dropped.push(row)
  }

  /** Removes the marked rows. */
  removeDropped(): void {
    const dropped = this.#dropped?.sort((a, b) => a - b)
    if (dropped === undefined) return
    this.#dropped = undefined
    for (const column of [this.#delta, this.#offset, this.#source, this.#ordinal, this.#extent])
      if (column !== undefined) removeRows(column, dropped, this.#count)
    this.#count -= new Set(dropped).size
  }

  #setSource(from: number, end: number, source: number): void {
    if (from === 0 && this.#source === undefined) this.#onlySource = source
    else if (this.#source === undefined && source !== this.#onlySource)
      this.#source = new Uint32Array(this.#capacity).fill(this.#onlySource, 0, from)
    this.#source?.fill(source, from, end)
  }

  /** Goes over to whole offsets. */
  #widen(): void {
    this.#offset = new Float64Array(this.#capacity)
    for (let i = 0; i < this.#count; i++) this.#offset[i] = this.#base + (this.#delta[i] as number)
    this.#delta = new Uint32Array(0)
  }

  #grow(least: number): void {
    this.#capacity = Math.max(least, this.#capacity * 2)
    if (this.#offset === undefined) this.#delta = moved(this.#delta, new Uint32Array(this.#capacity))
    else this.#offset = moved(this.#offset, new Float64Array(this.#capacity))
    if (this.#source !== undefined) this.#source = moved(this.#source, new Uint32Array(this.#capacity))
    if (this.#ordinal !== undefined) this.#ordinal = moved(this.#ordinal, new Uint32Array(this.#capacity))
    if (this.#extent !== undefined) this.#extent = moved(this.#extent, new Uint32Array(this.#capacity))
  }
}

/** Rows that differ in nothing but the offset: `base + deltas[row]`. */
interface PlainPlaces {
  base: number
  deltas: Uint32Array
}

/** Largest difference of an offset to the base. */
export const MAX_DELTA = 0xffffffff

function isDelta(difference: number): boolean {
  return difference >= 0 && difference <= MAX_DELTA
}

/** Removes rows, which are sorted, from a column. */
function removeRows(column: Uint32Array | Float64Array, rows: readonly number[], count: number): void {
  let to = rows[0] as number
  for (let i = to, next = 0; i < count; i++) {
    if (rows[next] === i) {
      while (rows[next] === i) next++
      continue
    }
    column[to++] = column[i] as number
  }
}

/** Number of extents: as many as their digits in an id can tell apart. */
export const EXTENTS = 2 ** 24

/** First character of a source that is not to be hashed. */
export const IS_HASHED = '='

function moved<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
