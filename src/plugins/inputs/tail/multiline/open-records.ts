import type { EntryEncoder } from '../file/entry-encoder.ts'
import type { OpenRecord } from '../group.ts'
import type { PositionHold } from './position-hold.ts'

/** What is open of one file; when the file is rotated it goes on in the next one. */
export class OpenRecords {
  /** By stream: the value of the joiner's key, or nothing. */
  readonly byStream = new Map<string, OpenRecord>()
  /** Of the groups that are open. */
  chain: PositionHold | undefined
  /** A writer for each joiner that has a parser, and the one for lines that none of them reads. */
  readonly writers: (EntryEncoder | undefined)[]
  readonly plain: EntryEncoder

  constructor(writers: (EntryEncoder | undefined)[], plain: EntryEncoder) {
    this.writers = writers
    this.plain = plain
  }

  setTime(sec: number, nsec: number): void {
    this.plain.setTime(sec, nsec)
    for (const writer of this.writers) writer?.setTime(sec, nsec)
  }
}
