import { join } from 'node:path'
import { isPast } from './position.ts'
import { headerBytes, type SegmentHead } from './segment-codec.ts'
import type { Backlog, Damage, OutputState } from './types.ts'

const DIGITS = 20
export const SEGMENT_SUFFIX = '.seg'
export const DAMAGED_SUFFIX = '.damaged'

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(DIGITS, '0')}${SEGMENT_SUFFIX}`)
}

/** The names of the outputs of a segment. Segments of one run share it. */
export class Table {
  readonly names: readonly string[]
  readonly #indexes: ReadonlyMap<string, number>

  constructor(names: readonly string[]) {
    this.names = names
    this.#indexes = new Map(names.map((name, i) => [name, i]))
  }

  indexOf(name: string): number | undefined {
    return this.#indexes.get(name)
  }

  hasNames(names: readonly string[]): boolean {
    return names.length === this.names.length && names.every((name, i) => name === this.names[i])
  }
}

/** A part of a segment that cannot be read: `[offset, end)`. */
export type Region = Pick<Damage, 'offset' | 'end' | 'records' | 'reason'>

/** A segment as it is known in memory. */
export class Segment {
  readonly number: number
  readonly path: string
  readonly head: SegmentHead
  readonly table: Table
  /** Offset of the first entry. */
  readonly first: number
  /** Offset at which the entries end. */
  end: number
  /** Size of the file. */
  fileBytes: number
  /** Number of records in it, lost ones included; undefined when that is unknown. */
  records: number | undefined = 0
  /** Number of records up to its last entry that can be read; set for segments without a footer. */
  readRecords = 0
  /** What can be read of it, by the index of the output in the table. */
  readonly totals = new Map<number, Backlog>()
  /** False when `totals` do not include what is damaged. */
  isCounted = true
  /** Parts that cannot be read; undefined until they are looked for. */
  regions: readonly Region[] | undefined
  /** `end` when `regions` were looked for. */
  examinedEnd = 0
  isDamaged = false
  /** Number of times that the disk has failed to read it. */
  failures = 0
  /** True when its file no longer exists. */
  isMissing = false

  /** `path`: the file, which may have the name of another segment. */
  constructor(head: SegmentHead, table: Table, path: string) {
    this.number = head.number
    this.path = path
    this.head = head
    this.table = table
    this.first = this.end = this.fileBytes = 2 * headerBytes(table.names)
  }

  /** Counts an entry, or one less when `sign` is -1. */
  count(output: number, records: number, bytes: number, sign: 1 | -1 = 1): void {
    let total = this.totals.get(output)
    if (total === undefined) {
      total = { chunks: 0, records: 0, bytes: 0 }
      this.totals.set(output, total)
    }
    total.chunks += sign
    total.records += sign * records
    total.bytes += sign * bytes
  }

  /** Returns what is in it for the output, or undefined when there is nothing. */
  totalOf(output: string): Backlog | undefined {
    const index = this.table.indexOf(output)
    const total = index === undefined ? undefined : this.totals.get(index)
    return total === undefined || total.chunks === 0 ? undefined : total
  }

  /** Returns the number of records for the output that were written to the log before the segment; undefined when that is unknown. */
  beforeOf(output: string): number | undefined {
    const index = this.table.indexOf(output)
    return index === undefined ? undefined : this.head.beforeOf[index]
  }

  /** Returns the number of records for the output up to the end of the segment; undefined when that is unknown. */
  throughOf(output: string): number | undefined {
    const before = this.beforeOf(output)
    if (before === undefined || !this.isCounted) return undefined
    return before + (this.totalOf(output)?.records ?? 0)
  }

  /** True when no output needs it any more. */
  isSettled(stateOf: (output: string) => OutputState | undefined): boolean {
    for (const [index, { chunks }] of this.totals) {
      const name = this.table.names[index] as string
      if (chunks > 0 && !isPast(stateOf(name), this.number, this.end)) return false
    }
    return true
  }
}

/** The segments in ascending order of their numbers. */
export class SegmentList {
  readonly all: Segment[] = []

  get first(): Segment | undefined {
    return this.all[0]
  }

  /** Returns the index of the first segment with this number or a higher one. */
  indexFrom(number: number): number {
    let low = 0
    let high = this.all.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.all[middle] as Segment).number < number) low = middle + 1
      else high = middle
    }
    return low
  }

  get(number: number): Segment | undefined {
    const found = this.all[this.indexFrom(number)]
    return found?.number === number ? found : undefined
  }

  delete(segment: Segment): void {
    const at = this.all.indexOf(segment)
    if (at >= 0) this.all.splice(at, 1)
  }
}
