import type { BufferSource } from '../../../core/buffers.ts'
import type { Appender } from '../../../core/plugin.ts'
import { JoinedEntry } from '../../../lib/multiline/joined.ts'
import type { Machine } from '../../../lib/multiline/machine.ts'
import type { TailFile } from './file.ts'
import type { Line } from './line-entries.ts'

/** Lines of a file and a stream that become one record, as far as they have come. */
export class Group {
  /** The file that its first line is in, and where: nothing is committed beyond it while the group is open. */
  readonly origin: TailFile
  readonly from: number
  readonly flushMs: number
  readonly joined: JoinedEntry
  /** Which machine it is in, and its state there; undefined: parts of a container only. */
  machine: Machine | undefined
  state = 0
  /** When it last grew. */
  grownMs = 0

  constructor(
    origin: TailFile,
    from: number,
    entry: Buffer,
    line: Line,
    flushMs: number,
    buffers: BufferSource,
  ) {
    this.origin = origin
    this.from = from
    this.flushMs = flushMs
    this.joined = new JoinedEntry(entry, 0, line.size, line, buffers)
    origin.open.add(this)
  }

  /** Writes the record, for which there must be room, and lets go of the file. */
  emit(file: TailFile, out: Appender): void {
    out.end = this.joined.write(out.buf, out.end)
    out.added(1, 0)
    this.drop()
    if (file.needsJoin()) out.join(file)
    if (this.origin !== file && this.origin.needsJoin()) out.join(this.origin)
  }

  /** Without a record: the next run reads its lines again. */
  drop(): void {
    this.origin.open.delete(this)
    this.joined.drop()
  }
}
