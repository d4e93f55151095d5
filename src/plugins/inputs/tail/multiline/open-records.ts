import type { LineWriter } from '../file/entry-encoder.ts'
import type { Group } from '../group.ts'
import type { Chain } from './position-hold.ts'

/** What is open of one file; when the file is rotated it goes on in the next one. */
export class FileGroups {
  /** By stream: the value of the joiner's key, or nothing. */
  readonly byStream = new Map<string, Group>()
  /** Of the groups that are open. */
  chain: Chain | undefined
  /** A writer for each joiner that has a parser, and the one for lines that none of them reads. */
  readonly writers: (LineWriter | undefined)[]
  readonly plain: LineWriter

  constructor(writers: (LineWriter | undefined)[], plain: LineWriter) {
    this.writers = writers
    this.plain = plain
  }

  setTime(sec: number, nsec: number): void {
    this.plain.setTime(sec, nsec)
    for (const writer of this.writers) writer?.setTime(sec, nsec)
  }
}
