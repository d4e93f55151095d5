import type { BufferSource } from '../../../../core/buffer-source.ts'
import { JoinedRecord } from '../../../../lib/multiline/joined-record.ts'
import type { StateMachine } from '../../../../lib/multiline/state-machine.ts'
import type { EntryEncoder } from '../file/entry-encoder.ts'
import type { Line } from './line-decoder.ts'
import type { PositionHold } from './position-hold.ts'

/** Lines of a file and a stream that become one record, as far as they have come. */
export class OpenRecord {
  readonly flushMs: number
  readonly joined: JoinedRecord
  /** Which machine it is in, and its state there; undefined: parts of a container only. */
  machine: StateMachine | undefined
  state = 0
  /** When it last grew. */
  grownMs = 0

  constructor(entry: Buffer, line: Line, flushMs: number, buffers: BufferSource) {
    this.flushMs = flushMs
    this.joined = new JoinedRecord(entry, 0, line.size, line, buffers)
  }
}

/** What is open of one file; when the file is rotated it goes on in the next one. */
export class OpenRecords {
  /** By stream: the value of the joiner's key, or nothing. */
  readonly byStream = new Map<string, OpenRecord>()
  /** Of the groups that are open. */
  chain: PositionHold | undefined
  /** A writer for each joiner that has a parser, and the one for lines that none of them reads. */
  readonly writers: readonly (EntryEncoder | undefined)[]
  readonly plain: EntryEncoder

  constructor(writers: readonly (EntryEncoder | undefined)[], plain: EntryEncoder) {
    this.writers = writers
    this.plain = plain
  }

  setTime(sec: number, nsec: number): void {
    this.plain.setTime(sec, nsec)
    for (const writer of this.writers) writer?.setTime(sec, nsec)
  }
}
