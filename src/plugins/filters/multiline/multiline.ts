import type { BufferSource } from '../../../core/buffer-source.ts'
import type { Chunk } from '../../../core/chunk.ts'
import type { Deferral, Filter, FilterContext } from '../../../core/plugin.ts'
import type { FollowedRecord, Follower } from '../../../lib/multiline/classifier.ts'
import { findText, JoinedRecord } from '../../../lib/multiline/joined-record.ts'
import type { Joining } from '../../../lib/multiline/joining.ts'
import type { OpenRecord } from '../../../lib/multiline/open-record.ts'
import { OpenRecords } from '../../../lib/multiline/open-records.ts'
import type { StateMachine } from '../../../lib/multiline/state-machine.ts'
import { copyWithoutKeys } from '../../../lib/records/keys.ts'
import {
  isMark,
  PartialClassifier,
  type RecordClassifier,
  RuleClassifier,
  type TextRecord,
} from './classifier.ts'
import type { MultilineFilterOptions } from './options.ts'

/** Bytes by which a joined record may be larger than its parts: heads of map and text. */
const OVERHEAD_BYTES = 8

/** A joined record, and the machines that follow it. */
class FollowedJoin extends JoinedRecord implements FollowedRecord {
  machine: StateMachine | undefined
  state = 0
  rivals: readonly Follower[] | undefined
}

/** Joins records of one tag and stream by the rules of multiline parsers, or by the marks of Docker. */
export class Multiline implements Filter {
  readonly #options: MultilineFilterOptions
  readonly #ctx: FilterContext
  readonly #classifier: RecordClassifier
  readonly #open: OpenRecords<FollowedJoin>

  constructor(options: MultilineFilterOptions, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#classifier =
      options.mode === 'partial_message' ? new PartialClassifier(options) : new RuleClassifier(options, ctx)
    const { flushMs, buffer } = options
    const counter = 'multiline_evicted'
    this.#open = new OpenRecords(
      { flushMs, endsWithChunk: !buffer, overheadBytes: OVERHEAD_BYTES, evictedCounter: counter },
      ctx,
    )
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    this.#open.apply(chunk, deferral, this.#add)
  }

  close(): void {
    this.#open.close()
  }

  /** Not a method, so that a chunk costs no closure. */
  readonly #add = (joining: Joining<FollowedJoin>, at: number, end: number): void => {
    const { buf } = joining.chunk
    const text = this.#classifier.read(buf, at, end)
    if (text === undefined) {
      if (this.#classifier.textlessEnds) joining.emitAll()
      joining.copy(at, end)
      return
    }
    let open = joining.get(text.groupKey)
    const role = this.#classifier.classify(buf, text, open?.record)
    const { machine, state, rivals, keepsHeld } = this.#classifier
    const joins = role === 'join' || role === 'last'
    if (open !== undefined && role === 'hold' && this.#hold(joining, open, text, at, end)) return
    if (open !== undefined && (!joins || this.#tooLarge(open.record, text))) {
      if (joins || keepsHeld) open.record.keepHeld()
      joining.emit(open)
      open = undefined
    }
    if (open === undefined) {
      if (role !== 'start' && role !== 'join') {
        joining.copy(at, end)
        return
      }
      open = joining.begin(text.groupKey, this.#startJoined(buf, text, at, end, joining.buffers), at)
    } else {
      open.record.append(buf, text.textAt, text.textEnd)
      open.record.extend(buf, at, end)
      joining.grow(open)
    }
    const { record } = open
    record.machine = machine
    record.isSeamless = machine?.joinsParts === true
    record.state = state
    record.rivals = rivals
    record.isMidLine = text.isPartial
    if (role === 'last') joining.emit(open)
  }

  #startJoined(buf: Buffer, text: TextRecord, at: number, end: number, buffers: BufferSource): FollowedJoin {
    if (this.#options.mode !== 'partial_message') return new FollowedJoin(buf, at, end, text, buffers)
    const clean = Buffer.alloc(end - at + 8)
    const size = copyWithoutKeys(buf, at, end, isMark, clean, 0)
    const span = findText(clean, 0, size, this.#classifier.contentKey) ?? text
    return new FollowedJoin(clean, 0, size, span, buffers)
  }

  #tooLarge(record: FollowedJoin, text: TextRecord): boolean {
    const tooLarge = record.sizeWithHeld + text.textEnd - text.textAt > this.#ctx.multilineBytes
    if (tooLarge) this.#ctx.counters.add('multiline_truncated')
    return tooLarge
  }

  /**
   * Holds a record that may belong to the open one. Returns false when the open record holds too much
   * already.
   */
  #hold(
    joining: Joining<FollowedJoin>,
    open: OpenRecord<FollowedJoin>,
    text: TextRecord,
    at: number,
    end: number,
  ): boolean {
    const { record } = open
    if (record.sizeWithHeld + text.textEnd - text.textAt > this.#ctx.multilineBytes) return false
    if (!record.hold(joining.chunk.buf, at, end, text)) return false
    joining.attach(open)
    return true
  }
}
