import type { Outcome } from '../../../../core/plugin.ts'
import { Watermark } from '../../../../core/watermark.ts'

/** Bytes of a file that went into one chunk. */
interface AckRange {
  /** `start-end`, and `+offset` when lines beyond `end` are in the chunk; part of the chunk's identity. */
  text: string
  start: number
  /** Offset after the last line in the chunk. */
  end: number
  settle: (outcome: Outcome) => void
}

/** Bytes read under this tracker that the heir's watermark waits for, as one of its ranges. */
interface Inheritance {
  heir: AckTracker
  /** Offset up to which everything has to be acknowledged. */
  end: number
  watermark: Watermark
  ticket: number
}

/** The file of a tracker. */
export interface SettlementListener {
  /** Called when the acknowledged position has moved over this many bytes. */
  onSettled(bytes: number): void
}

/** Turns the acks of chunks into the position of a file that may be stored. */
export class AckTracker {
  #rangeStart: number
  #watermark: Watermark
  /** Ends of ranges, at or after the position, that are within a line that is skipped; rarely any. */
  #skippingAt: Set<number> | undefined
  /** No position beyond it is stored: open multiline records begin there. */
  #commitLimit: number | undefined
  #hasRanges = false
  readonly #listener: SettlementListener
  /** What `handOver` handed over, by the watermark of the content; rarely any. */
  #heirs: WeakMap<Watermark, Inheritance[]> | undefined

  constructor(offset: number, isSkipping: boolean, listener: SettlementListener) {
    this.#rangeStart = offset
    this.#watermark = new Watermark(offset)
    if (isSkipping) this.#skippingAt = new Set([offset])
    this.#listener = listener
  }

  /** Position up to which everything is acknowledged. */
  get position(): number {
    return this.#watermark.position
  }

  /** True when chunks have not settled, or when the position is limited by open records. */
  get isPending(): boolean {
    return this.#watermark.pending > 0 || this.#commitLimit !== undefined
  }

  /** True when chunks have not settled. */
  get hasPendingChunks(): boolean {
    return this.#watermark.pending > 0
  }

  /** True when the acknowledged position is within a line that is skipped. */
  get isSkipping(): boolean {
    return this.#skippingAt?.has(this.position) === true
  }

  /** True once a range has ended: bytes of the present content are or were in a chunk. */
  get hasRanges(): boolean {
    return this.#hasRanges
  }

  /** Offset beyond which no position is stored, as open records begin there. */
  get commitLimit(): number | undefined {
    return this.#commitLimit
  }

  /** Stores no position beyond `offset` until the limit is lifted; an earlier limit stays. */
  limitCommits(offset: number): void {
    this.#commitLimit ??= offset
  }

  liftCommitLimit(): void {
    this.#commitLimit = undefined
  }

  /** Ends the range that began with the last one, at `offset`. Undefined: nothing was read since. */
  endRange(offset: number, isSkipping: boolean): AckRange | undefined {
    const start = this.#rangeStart
    const end = this.#commitLimit ?? offset
    // Nothing is committed beyond the start of an open record; but a chunk with lines from there has to
    // settle too.
    const beyond = end < offset ? `+${offset}` : ''
    if (end === start && beyond === '') return undefined
    this.#rangeStart = end
    this.#hasRanges = true
    const watermark = this.#watermark
    const ticket = watermark.open(end)
    if (isSkipping && beyond === '') this.#skippingAt = (this.#skippingAt ?? new Set()).add(end)
    return {
      text: `${start}-${end}${beyond}`,
      start,
      end: offset,
      settle: (outcome) => {
        const before = watermark.position
        if (outcome === 'aborted' || !watermark.settle(ticket)) return
        this.#settleHeirs(watermark)
        // A range from before a truncation never moves the position of the new content.
        if (watermark !== this.#watermark) return
        for (const at of this.#skippingAt ?? []) if (at < watermark.position) this.#skippingAt?.delete(at)
        this.#listener.onSettled(watermark.position - before)
      },
    }
  }

  /** Moves the start to `offset`. Only for a file of which nothing has been read. */
  startAt(offset: number): void {
    this.#rangeStart = offset
    this.#skippingAt = undefined
    this.#watermark = new Watermark(offset)
  }

  /** Goes back to the start of the file; ranges that are in chunks no longer count. */
  restart(): void {
    this.#hasRanges = false
    this.startAt(0)
  }

  /**
   * Starts `heir`, the tracker of an unread copy of this content, at `offset`. Reading the copy may begin at
   * once; its position stays at this tracker's until all ranges before `offset` are acknowledged.
   */
  handOver(heir: AckTracker, offset: number): void {
    const acked = Math.min(this.position, offset)
    heir.startAt(acked)
    if (acked === offset) return
    heir.#rangeStart = offset
    const watermark = heir.#watermark
    const ticket = watermark.open(offset)
    this.#heirs ??= new WeakMap()
    const heirs = this.#heirs.get(this.#watermark)
    const inheritance = { heir, end: offset, watermark, ticket }
    if (heirs === undefined) this.#heirs.set(this.#watermark, [inheritance])
    else heirs.push(inheritance)
  }

  /**
   * Settles what was handed over, to each heir once all of it is acknowledged. Recurses, as an heir may have handed
   * it over too.
   */
  #settleHeirs(content: Watermark): void {
    const heirs = this.#heirs?.get(content)
    if (heirs === undefined) return
    for (const { heir, end, watermark, ticket } of heirs) {
      if (content.position < end) continue
      const before = watermark.position
      if (!watermark.settle(ticket)) continue
      heir.#settleHeirs(watermark)
      if (watermark === heir.#watermark) heir.#listener.onSettled(watermark.position - before)
    }
  }
}
