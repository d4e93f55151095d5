import type { BufferSource } from '../../../core/buffer-source.ts'
import { JoinedRecord } from '../../../lib/multiline/joined-record.ts'
import type { StateMachine } from '../../../lib/multiline/state-machine.ts'
import type { Line } from './multiline/line-decoder.ts'

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
