import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { FollowedRecord, Follower } from '../../../../lib/multiline/classifier.ts'
import type { LinePlace } from '../../../../lib/multiline/held-lines.ts'
import { JoinedRecord } from '../../../../lib/multiline/joined-record.ts'
import type { StateMachine } from '../../../../lib/multiline/state-machine.ts'
import type { EntryEncoder } from '../file/entry-encoder.ts'
import type { Line } from './line-decoder.ts'
import type { PositionHold } from './position-hold.ts'

/** A record of one file and stream of which more lines may come. */
export class OpenRecord implements FollowedRecord {
  readonly flushMs: number
  readonly joined: JoinedRecord
  /** State machine of the record; undefined when it only joins partial lines of a container format. */
  machine: StateMachine | undefined
  state = 0
  rivals: readonly Follower[] | undefined
  /** Place of the first line, where places are wanted. */
  place: LinePlace | undefined
  /** Time of the last line, in milliseconds. */
  grownMs = 0

  constructor(entry: Buffer, line: Line, flushMs: number, buffers: BufferSource) {
    this.flushMs = flushMs
    this.joined = new JoinedRecord(entry, 0, line.size, line, buffers)
    this.joined.isSeamless = line.rule?.isSeamless === true
  }
}

/** Open records of one file; when the file is rotated they continue in the next one. */
export class OpenRecords {
  /** Open records by stream: the value under the rule's groupKey, or an empty string. */
  readonly byStream = new Map<string, OpenRecord>()
  /** Holds back the position while records are open. */
  hold: PositionHold | undefined
  /** Encoders of the rules, in their order, and the one of lines that no rule reads. */
  readonly encoders: readonly (EntryEncoder | undefined)[]
  readonly plain: EntryEncoder

  constructor(encoders: readonly (EntryEncoder | undefined)[], plain: EntryEncoder) {
    this.encoders = encoders
    this.plain = plain
  }

  /** Sets the time of reading for all encoders. */
  setTime(sec: number, nsec: number): void {
    this.plain.setTime(sec, nsec)
    for (const encoder of this.encoders) encoder?.setTime(sec, nsec)
  }
}
