import type { BufferSource } from '../../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import type { Ack, Deferral, Filter, FilterContext } from '../../../core/plugin.ts'
import type { TimerHandle } from '../../../core/services.ts'
import type { FollowedRecord, Follower } from '../../../lib/multiline/classifier.ts'
import { findText, JoinedRecord } from '../../../lib/multiline/joined-record.ts'
import type { StateMachine } from '../../../lib/multiline/state-machine.ts'
import {
  copyWithoutMarks,
  PartialClassifier,
  type RecordClassifier,
  RuleClassifier,
  type TextRecord,
} from './classifier.ts'
import type { MultilineFilterOptions } from './options.ts'

/** Records that become one, deferred until the next chunk of their tag, for at most Flush_Ms. */
interface DeferredRecord extends FollowedRecord {
  tag: string
  key: string
  input: string
  id: string
  joined: JoinedRecord
  machine: StateMachine | undefined
  state: number
  rivals: readonly Follower[] | undefined
  /** Acks of the chunks in which its parts came. */
  acks: Ack[]
  /** True when it has a part of the current chunk. */
  isInChunk: boolean
  grownMs: number
  buffers: BufferSource
}

const EMPTY = Buffer.alloc(0)

/**
 * Joins records of one tag and stream. A record that is open at the end of a chunk is deferred, and the chunk
 * is only acknowledged once that record is: after a crash in between it is sent again.
 */
export class Multiline implements Filter {
  readonly #options: MultilineFilterOptions
  readonly #ctx: FilterContext
  readonly #classifier: RecordClassifier
  /** Open records by tag, then by stream. */
  readonly #open = new Map<string, Map<string, DeferredRecord>>()
  #timer: TimerHandle | undefined
  #out: Buffer = EMPTY
  #at = 0
  #count = 0
  #emittedAcks: Ack[] = []

  constructor(options: MultilineFilterOptions, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#classifier =
      options.mode === 'partial_message' ? new PartialClassifier(options) : new RuleClassifier(options, ctx)
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    const { buf, end, tag } = chunk
    const streams = this.#open.get(tag) ?? new Map<string, DeferredRecord>()
    this.#open.set(tag, streams)
    let size = headRoom(tag) + chunk.size + chunk.count * 8 + TAIL_ROOM
    for (const { joined } of streams.values()) size += joined.bound
    this.#out = this.#ctx.buffers.force(size)
    this.#at = headRoom(tag)
    this.#count = 0
    this.#emittedAcks = []
    for (let at = chunk.start; at < end; ) {
      const next = skip(buf, at, end)
      this.#addRecord(chunk, deferral, streams, at, next)
      at = next
    }
    if (!this.#options.buffer) for (const open of streams.values()) this.#emit(streams, open)
    for (const open of streams.values()) {
      if (open.isInChunk) open.acks.push(deferral.defer())
      open.isInChunk = false
    }
    if (streams.size === 0) this.#open.delete(tag)
    else this.#timer ??= this.#ctx.clock.after(this.#options.flushMs, () => this.#flushDue())
    for (const ack of this.#emittedAcks) deferral.onSettled(ack)
    if (this.#count === 0) {
      deferral.buffers.give(this.#out)
      chunk.replace(EMPTY, 0, 0, 0)
    } else chunk.replace(this.#out, headRoom(tag), this.#at, this.#count)
    this.#out = EMPTY
  }

  close(): void {
    this.#ctx.clock.cancel(this.#timer)
    for (const streams of this.#open.values()) {
      for (const { acks, joined } of streams.values()) {
        joined.release()
        for (const ack of acks) ack('aborted')
      }
    }
    this.#open.clear()
  }

  #addRecord(
    chunk: Chunk,
    deferral: Deferral,
    streams: Map<string, DeferredRecord>,
    at: number,
    end: number,
  ): void {
    const { buf } = chunk
    const text = this.#classifier.read(buf, at, end)
    if (text === undefined) {
      if (this.#classifier.textlessEnds) for (const open of streams.values()) this.#emit(streams, open)
      this.#copy(buf, at, end)
      return
    }
    let open = streams.get(text.groupKey)
    const role = this.#classifier.classify(buf, text, open)
    const { machine, state, rivals, keepsHeld } = this.#classifier
    const joins = role === 'join' || role === 'last'
    if (open !== undefined && role === 'hold' && this.#hold(open, buf, at, end, text)) return
    if (open !== undefined && (!joins || this.#tooLarge(open, text))) {
      if (joins || keepsHeld) open.joined.keepHeld()
      this.#emit(streams, open)
      open = undefined
    }
    if (open === undefined) {
      if (role !== 'start' && role !== 'join') {
        this.#copy(buf, at, end)
        return
      }
      open = this.#begin(chunk, deferral, text, at, end)
      streams.set(text.groupKey, open)
    } else open.joined.append(buf, text.textAt, text.textEnd)
    open.machine = machine
    open.state = state
    open.rivals = rivals
    open.joined.isMidLine = text.isPartial
    open.isInChunk = true
    open.grownMs = this.#ctx.clock.nowMs()
    if (role === 'last') this.#emit(streams, open)
  }

  #begin(chunk: Chunk, deferral: Deferral, text: TextRecord, at: number, end: number): DeferredRecord {
    const { buffers } = deferral
    const { tag, input } = chunk
    const id = `${chunk.id}+${at - chunk.start}`
    const about = { tag, key: text.groupKey, input, id, machine: undefined, state: 0, acks: [], buffers }
    return {
      ...about,
      joined: this.#startJoined(chunk.buf, text, at, end, buffers),
      rivals: undefined,
      isInChunk: true,
      grownMs: 0,
    }
  }

  #startJoined(buf: Buffer, text: TextRecord, at: number, end: number, buffers: BufferSource): JoinedRecord {
    if (this.#options.mode !== 'partial_message') return new JoinedRecord(buf, at, end, text, buffers)
    const clean = Buffer.alloc(end - at + 8)
    const size = copyWithoutMarks(buf, at, end, clean)
    const span = findText(clean, 0, size, this.#classifier.contentKey) ?? text
    return new JoinedRecord(clean, 0, size, span, buffers)
  }

  #tooLarge(open: DeferredRecord, text: TextRecord): boolean {
    const tooLarge = open.joined.sizeWithHeld + text.textEnd - text.textAt > this.#ctx.multilineBytes
    if (tooLarge) this.#ctx.counters.add('multiline_truncated')
    return tooLarge
  }

  /**
   * Holds a record that may belong to the open one. Returns false when the open record holds too much
   * already.
   */
  #hold(open: DeferredRecord, buf: Buffer, at: number, end: number, text: TextRecord): boolean {
    if (open.joined.sizeWithHeld + text.textEnd - text.textAt > this.#ctx.multilineBytes) return false
    if (!open.joined.hold(buf, at, end, text)) return false
    open.isInChunk = true
    return true
  }

  #copy(buf: Buffer, at: number, end: number): void {
    this.#at += buf.copy(this.#out, this.#at, at, end)
    this.#count++
  }

  /** Writes an open record into the current chunk, whose buffer has space for all of them. */
  #emit(streams: Map<string, DeferredRecord>, open: DeferredRecord): void {
    streams.delete(open.key)
    this.#count += open.joined.records
    this.#at = open.joined.write(this.#out, this.#at)
    open.joined.release()
    this.#emittedAcks.push(...open.acks)
  }

  /** Sends each record that has not grown for Flush_Ms as a chunk of its own. */
  #flushDue(): void {
    this.#timer = undefined
    const nowMs = this.#ctx.clock.nowMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const [tag, streams] of this.#open) {
      for (const open of streams.values()) {
        const leftMs = open.grownMs + this.#options.flushMs - nowMs
        if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
        else {
          streams.delete(open.key)
          this.#sendAlone(open)
        }
      }
      if (streams.size === 0) this.#open.delete(tag)
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#timer = this.#ctx.clock.after(nextMs, () => this.#flushDue())
  }

  #sendAlone({ tag, input, id, joined, acks, buffers }: DeferredRecord): void {
    const start = headRoom(tag)
    const buf = buffers.force(start + joined.bound + TAIL_ROOM)
    const { records: count } = joined
    const end = joined.write(buf, start)
    joined.release()
    this.#ctx.emit({ tag, input, buf, start, end, count, id, inputBytes: 0 }, buffers, (outcome) => {
      for (const ack of acks) ack(outcome)
    })
  }
}
