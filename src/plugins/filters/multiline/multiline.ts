import type { BufferSource } from '../../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import type { Ack, Deferral, Filter, FilterContext } from '../../../core/plugin.ts'
import type { TimerHandle } from '../../../core/services.ts'
import { JoinedRecord, textOf } from '../../../lib/multiline/joined-record.ts'
import type { StateMachine } from '../../../lib/multiline/state-machine.ts'
import {
  type Part,
  PartialClassifier,
  type RecordClassifier,
  RuleClassifier,
  withoutMarks,
} from './classifier.ts'
import type { MultilineFilterOptions } from './options.ts'

/** Records that become one, kept back until the next chunk of their tag, or for Flush_Ms. */
interface Kept {
  tag: string
  key: string
  input: string
  id: string
  joined: JoinedRecord
  machine: StateMachine | undefined
  state: number
  /** Of the chunks that parts of it came with. */
  acks: Ack[]
  /** Something of the chunk at hand is in it. */
  touched: boolean
  grownMs: number
  buffers: BufferSource
}

const EMPTY = Buffer.alloc(0)

/**
 * Joins records of one tag and stream. What is open at the end of a chunk is kept, and that chunk is not acknowledged
 * before the record that comes of it is: a crash in between sends it again.
 */
export class Multiline implements Filter {
  readonly #o: MultilineFilterOptions
  readonly #ctx: FilterContext
  readonly #judge: RecordClassifier
  /** By tag, then by stream. */
  readonly #kept = new Map<string, Map<string, Kept>>()
  #timer: TimerHandle | undefined
  #out: Buffer = EMPTY
  #at = 0
  #count = 0
  #joinedAcks: Ack[] = []

  constructor(o: MultilineFilterOptions, ctx: FilterContext) {
    this.#o = o
    this.#ctx = ctx
    this.#judge = o.mode === 'partial_message' ? new PartialClassifier(o) : new RuleClassifier(o, ctx)
  }

  apply(chunk: Chunk, later: Deferral): void {
    const { buf, end, tag } = chunk
    const groups = this.#kept.get(tag) ?? new Map<string, Kept>()
    this.#kept.set(tag, groups)
    let size = headRoom(tag) + chunk.size + chunk.count * 8 + TAIL_ROOM
    for (const { joined } of groups.values()) size += joined.bound
    this.#out = this.#ctx.buffers.force(size)
    this.#at = headRoom(tag)
    this.#count = 0
    this.#joinedAcks = []
    for (let at = chunk.start; at < end; ) {
      const next = skip(buf, at, end)
      this.#record(chunk, later, groups, at, next)
      at = next
    }
    if (!this.#o.buffer) for (const kept of groups.values()) this.#emit(groups, kept)
    for (const kept of groups.values()) {
      if (kept.touched) kept.acks.push(later.defer())
      kept.touched = false
    }
    if (groups.size === 0) this.#kept.delete(tag)
    else this.#timer ??= this.#ctx.clock.after(this.#o.flushMs, () => this.#due())
    for (const ack of this.#joinedAcks) later.onSettled(ack)
    if (this.#count === 0) {
      later.buffers.give(this.#out)
      chunk.replace(EMPTY, 0, 0, 0)
    } else chunk.replace(this.#out, headRoom(tag), this.#at, this.#count)
    this.#out = EMPTY
  }

  close(): void {
    this.#ctx.clock.cancel(this.#timer)
    for (const groups of this.#kept.values()) {
      for (const { acks, joined } of groups.values()) {
        joined.drop()
        for (const ack of acks) ack('aborted')
      }
    }
    this.#kept.clear()
  }

  #record(chunk: Chunk, later: Deferral, groups: Map<string, Kept>, at: number, end: number): void {
    const { buf } = chunk
    const part = this.#judge.look(buf, at, end)
    if (part === undefined) {
      this.#copy(buf, at, end)
      return
    }
    let kept = groups.get(part.group)
    const verdict = this.#judge.verdict(buf, part, kept)
    const { machine, state } = this.#judge
    const joins = verdict === 'join' || verdict === 'last'
    if (kept !== undefined && (!joins || this.#tooLarge(kept, part))) {
      this.#emit(groups, kept)
      kept = undefined
    }
    if (kept === undefined) {
      if (verdict === 'alone' || verdict === 'last') {
        this.#copy(buf, at, end)
        return
      }
      kept = this.#begin(chunk, later, part, at, end)
      groups.set(part.group, kept)
    } else kept.joined.append(buf, part.textAt, part.textEnd)
    kept.machine = machine
    kept.state = state
    kept.joined.midLine = part.isPart
    kept.touched = true
    kept.grownMs = this.#ctx.clock.nowMs()
    if (verdict === 'last') this.#emit(groups, kept)
  }

  #begin(chunk: Chunk, later: Deferral, part: Part, at: number, end: number): Kept {
    const { buffers } = later
    const { tag, input } = chunk
    const id = `${chunk.id}+${at - chunk.start}`
    const about = { tag, key: part.group, input, id, machine: undefined, state: 0, acks: [], buffers }
    return { ...about, joined: this.#firstOf(chunk.buf, part, at, end, buffers), touched: true, grownMs: 0 }
  }

  #firstOf(buf: Buffer, part: Part, at: number, end: number, buffers: BufferSource): JoinedRecord {
    if (this.#o.mode !== 'partial_message') return new JoinedRecord(buf, at, end, part, buffers)
    const clean = Buffer.alloc(end - at + 8)
    const size = withoutMarks(buf, at, end, clean)
    const place = textOf(clean, 0, size, this.#judge.content) ?? part
    return new JoinedRecord(clean, 0, size, place, buffers)
  }

  #tooLarge(kept: Kept, part: Part): boolean {
    const tooLarge = kept.joined.size + part.textEnd - part.textAt > this.#ctx.multilineBytes
    if (tooLarge) this.#ctx.counters.add('multiline_truncated')
    return tooLarge
  }

  #copy(buf: Buffer, at: number, end: number): void {
    this.#at += buf.copy(this.#out, this.#at, at, end)
    this.#count++
  }

  /** Into the chunk at hand; there is room for everything that is kept. */
  #emit(groups: Map<string, Kept>, kept: Kept): void {
    groups.delete(kept.key)
    this.#at = kept.joined.write(this.#out, this.#at)
    this.#count++
    kept.joined.drop()
    this.#joinedAcks.push(...kept.acks)
  }

  /** What has not grown for Flush_Ms goes on as a chunk of its own. */
  #due(): void {
    this.#timer = undefined
    const nowMs = this.#ctx.clock.nowMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const [tag, groups] of this.#kept) {
      for (const kept of groups.values()) {
        const leftMs = kept.grownMs + this.#o.flushMs - nowMs
        if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
        else {
          groups.delete(kept.key)
          this.#sendAlone(kept)
        }
      }
      if (groups.size === 0) this.#kept.delete(tag)
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#timer = this.#ctx.clock.after(nextMs, () => this.#due())
  }

  #sendAlone({ tag, input, id, joined, acks, buffers }: Kept): void {
    const start = headRoom(tag)
    const buf = buffers.force(start + joined.bound + TAIL_ROOM)
    const end = joined.write(buf, start)
    joined.drop()
    this.#ctx.emit({ tag, input, buf, start, end, count: 1, id, inputBytes: 0 }, buffers, (outcome) => {
      for (const ack of acks) ack(outcome)
    })
  }
}
