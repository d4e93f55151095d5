import type { ConnectionBudget } from '../net/receive-budget.ts'
import { RefusedRequest } from './refused-request.ts'

/** Entries of one tag, one after the other, in a block. */
export interface EntryRun {
  buf: Buffer
  start: number
  end: number
  tag: string
  count: number
  /** True when entries of it have metadata. */
  hasMetadata: boolean
}

/** Size from which on a run is full: what a chunk has space for. */
const RUN_BYTES = 16_384
const MIN_BLOCK_BYTES = 4096
const MAX_BLOCK_BYTES = 65_536
/** Bytes of entries that are kept until a request was read to its end. */
const MAX_WHOLE_BYTES = 4_000_000
/** Bytes of entries after which those that are read in parts have to be taken. */
const PART_BYTES = 65_536
/** Memory of a run besides its entries and its tag. */
const RUN_OBJECT_BYTES = 160
/** Memory that requests use one after the other, without taking any. */
const SCRATCH_BYTES = 65_536
const EMPTY = Buffer.alloc(0)

/** Memory for the requests that are read and written within one turn. There is one block: who does not get it takes others. */
export class Scratch {
  #buf: Buffer | undefined
  #isTaken = false

  take(): Buffer | undefined {
    if (this.#isTaken) return undefined
    this.#isTaken = true
    this.#buf ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES)
    return this.#buf
  }

  give(): void {
    this.#isTaken = false
  }
}

/** Who has the memory for blocks. */
interface BlockOwner {
  memory(): ConnectionBudget
}

/**
 * The entries of one request. Until all of it was read none of them is written: so a request of which a part cannot be read leaves
 * nothing behind, and can be sent again.
 *
 * ```
 *   if (!blocks.reserve(n)) ...wait for memory, and try again
 *   blocks.at = writeEntryHead(blocks.buf, blocks.at, sec, nsec) ...     // write at most n bytes at `at`
 *   blocks.add(tag)
 * ```
 * When they become more than MAX_WHOLE_BYTES, which has to do with what they have in common and not with the size of the body, they are
 * not kept. The rest of the request is read only to see whether it can be, and then all of it a second time, in parts:
 *
 * ```
 *   whole --too many--> trial --restart()--> parts: reserve() fails, the runs are taken, taken(), and so on
 * ```
 */
export class EntryBlocks {
  readonly runs: EntryRun[] = []
  buf: Buffer = EMPTY
  at = 0
  /** End of the entries that were added. */
  #end = 0
  #run: EntryRun | undefined
  readonly #blocks: Buffer[] = []
  readonly #spaces: Buffer[] = []
  #scratch: Buffer | undefined
  #owner: BlockOwner
  readonly #source: Scratch
  readonly #maxBytes: number
  readonly #maxWholeBytes: number
  #mode: 'whole' | 'trial' | 'parts' = 'whole'
  /** Bytes of the entries and runs since the last `taken`. */
  #bytes = 0
  /** Bytes of all entries, with what a trial leaves out. */
  #allBytes = 0
  #isFull = false

  /** `maxBytes`: limit for all entries. It protects who gets them from a small request that has something large in common. */
  constructor(source: Scratch, maxBytes: number, owner: BlockOwner, maxWholeBytes = MAX_WHOLE_BYTES) {
    this.#source = source
    this.#maxBytes = maxBytes
    this.#maxWholeBytes = maxWholeBytes
    this.#owner = owner
  }

  /** Begins with the entries of another request, after `release`. */
  use(owner: BlockOwner): this {
    this.#owner = owner
    return this
  }

  /** True when entries are not kept. What they have in common need not be written then, but counted with `leaveOut`. */
  get isTrial(): boolean {
    return this.#mode === 'trial'
  }

  leaveOut(bytes: number): void {
    this.#allBytes += bytes
  }

  /**
   * Makes space for `bytes` more at `at`. `expect`: bytes that are likely to follow. False when there is no memory, or when runs have to
   * be taken first.
   */
  reserve(bytes: number, expect = 0): boolean {
    if (this.at + bytes <= this.buf.length && !this.#isFull) return true
    if (this.#mode !== 'whole') return this.runs.length === 0 && this.#reuse(bytes)
    const block = this.#block(bytes, expect)
    if (block === undefined) return false
    this.#moveTo(block)
    return true
  }

  /** Adds what was written up to `at` as one record of this tag. */
  add(tag: string, hasMetadata = false): void {
    const run = this.#run
    const bytes = this.at - this.#end
    this.#bytes += bytes
    this.#allBytes += bytes
    if (this.#allBytes > this.#maxBytes) throw this.#tooLarge()
    if (this.#mode !== 'trial') {
      if (run !== undefined && run.tag === tag && run.end - run.start < RUN_BYTES) {
        run.end = this.at
        run.count++
        run.hasMetadata ||= hasMetadata
      } else {
        this.#bytes += RUN_OBJECT_BYTES + tag.length
        this.#run = { buf: this.buf, start: this.#end, end: this.at, tag, count: 1, hasMetadata }
        this.runs.push(this.#run)
      }
    }
    this.#end = this.at
    if (this.#mode === 'parts') this.#isFull = this.#bytes >= PART_BYTES
    else if (this.#mode === 'whole' && this.#bytes > this.#maxWholeBytes) this.#startTrial()
  }

  /** Begins again with a request of which all entries could be read, after a trial. */
  restart(): void {
    this.#mode = 'parts'
    this.at = this.#allBytes = 0
    this.#empty()
    this.#giveAll(this.#spaces)
  }

  /** The runs were written elsewhere. */
  taken(): void {
    if (this.at > this.#end) this.buf.copyWithin(0, this.#end, this.at)
    this.at -= this.#end
    this.#empty()
  }

  /** Returns memory that the request has until `giveSpace`, `restart` or `release`; undefined when there is none. */
  space(bytes: number): Buffer | undefined {
    const space = this.#owner.memory().take(bytes)
    if (space !== undefined) this.#spaces.push(space)
    return space
  }

  giveSpace(space: Buffer): void {
    this.#give(this.#spaces, space)
  }

  /** Gives all memory back. */
  release(): void {
    this.#giveAll(this.#blocks)
    this.#giveAll(this.#spaces)
    if (this.#scratch !== undefined) this.#source.give()
    this.#scratch = undefined
    this.#mode = 'whole'
    this.at = this.#allBytes = 0
    this.#empty()
    this.buf = EMPTY
  }

  #tooLarge(): RefusedRequest {
    const text = `error: the records become larger than ${this.#maxBytes} bytes: send fewer at once`
    return new RefusedRequest(413, 'too_large', text)
  }

  #startTrial(): void {
    this.#mode = 'trial'
    this.at = 0
    this.#empty()
    for (const block of this.#blocks.slice()) if (block !== this.buf) this.#give(this.#blocks, block)
  }

  #empty(): void {
    this.runs.length = this.#end = this.#bytes = 0
    this.#run = undefined
    this.#isFull = false
  }

  /** Makes space in the block, of which the entries are not needed any more, or in a larger one. */
  #reuse(bytes: number): boolean {
    this.taken()
    if (this.at + bytes <= this.buf.length) return true
    const old = this.buf
    const block = this.#block(bytes, 0)
    if (block === undefined) return false
    this.#moveTo(block)
    this.#give(this.#blocks, old)
    return true
  }

  /** Goes on in another block. What was written and not added is a part of an entry. */
  #moveTo(block: Buffer): void {
    const part = this.at - this.#end
    this.buf.copy(block, 0, this.#end, this.at)
    this.buf = block
    this.at = part
    this.#end = 0
    this.#run = undefined
  }

  #give(from: Buffer[], buf: Buffer): void {
    const at = from.indexOf(buf)
    if (at < 0) return
    from.splice(at, 1)
    this.#owner.memory().give(buf)
  }

  #giveAll(from: Buffer[]): void {
    for (const buf of from) this.#owner.memory().give(buf)
    from.length = 0
  }

  #block(bytes: number, expect: number): Buffer | undefined {
    const needed = this.at - this.#end + bytes
    if (this.#scratch === undefined && this.#blocks.length === 0 && needed <= SCRATCH_BYTES) {
      this.#scratch = this.#source.take()
      if (this.#scratch !== undefined) return this.#scratch
    }
    const wanted = Math.max(needed, Math.min(MAX_BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, expect)))
    const budget = this.#owner.memory()
    const block = budget.take(wanted) ?? (wanted > needed ? budget.take(needed) : undefined)
    if (block !== undefined) this.#blocks.push(block)
    return block
  }
}
