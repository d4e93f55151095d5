import { ShipperError } from '../../core/error.ts'
import { ENTRY, type EntryReader } from './entry-reader.ts'
import type { Segment, SegmentList } from './segment.ts'
import type { Passed } from './state-file.ts'
import type { Position } from './types.ts'

/** What was written up to an offset of a segment. */
interface Counted extends Passed {
  readonly segment: Segment
  readonly offset: number
}

interface PassedInit {
  segments: SegmentList
  reader: EntryReader
  /** What was written until now for an output. */
  total: (output: string) => Passed
}

/** Counts the records that were written before the positions of outputs. What was counted up to the last one is not read again. */
export class PassedRecords {
  readonly #init: PassedInit
  readonly #last = new Map<string, Counted>()

  constructor(init: PassedInit) {
    this.#init = init
  }

  /** Returns what was written before the position; undefined when damage, or the disk, hides it. */
  before(output: string, position: Position): Passed | undefined {
    const { segments, total } = this.#init
    const { all } = segments
    for (let i = segments.indexFrom(position.segment); i < all.length; i++) {
      const segment = all[i] as Segment
      const own = segment.beforeOf(output)
      if (own === undefined) continue
      const isLater = segment.number > position.segment || position.offset <= segment.first
      if (isLater) return { before: segment.head.before, own }
      if (position.offset < segment.end) return this.#within(segment, output, own, position.offset)
      const through = segment.throughOf(output)
      if (through === undefined || segment.records === undefined) return undefined
      return { before: segment.head.before + segment.records, own: through }
    }
    return total(output)
  }

  #within(segment: Segment, output: string, own: number, offset: number): Passed | undefined {
    const start = { segment, offset: segment.first, before: segment.head.before, own }
    const last = this.#last.get(output)
    const from = last?.segment === segment && last.offset <= offset ? last : start
    try {
      const counted = this.#count(from, segment.table.indexOf(output) as number, offset)
      if (counted !== undefined) this.#last.set(output, counted)
      return counted
    } catch (error) {
      if (error instanceof ShipperError) return undefined
      throw error
    }
  }

  #count(from: Counted, index: number, offset: number): Counted | undefined {
    const { reader } = this.#init
    const { segment } = from
    let { before, own } = from
    for (let at = from.offset; at < offset; at = reader.next) {
      if (reader.load(segment, at, segment.end) !== ENTRY) return undefined
      before = reader.head.before + reader.head.count
      if (reader.isFor(index)) own += reader.head.count
    }
    return { segment, offset, before, own }
  }
}
