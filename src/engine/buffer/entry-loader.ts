import { headRoom, TAIL_ROOM } from '../../core/chunk.ts'
import type { Places } from '../../core/places.ts'
import type { SegmentLog, StoredChunk } from '../../lib/segments/types.ts'
import type { Account } from '../budget.ts'

/** Reads entries back from the log, within the memory that one output has for that. */
export class EntryLoader {
  readonly account: Account
  log: SegmentLog | undefined
  /** Number of chunks that were read, damaged ones included. */
  reads = 0

  constructor(account: Account) {
    this.account = account
  }

  /** Returns the places of the records of a chunk, if it has any. */
  placesOf(stored: StoredChunk): Places | undefined {
    return this.log?.places?.(stored)
  }

  /**
   * Returns a buffer with the entries of a chunk, which begin after the head room; `full` when there is no memory, unless `isForced`, and
   * `damaged` when they cannot be read any more. Throws when the disk fails: nothing has changed then.
   */
  read(stored: StoredChunk, isForced: boolean): Buffer | 'full' | 'damaged' {
    const { tag, bytes } = stored
    const start = headRoom(tag)
    const size = start + bytes + TAIL_ROOM
    const buf = isForced ? this.account.force(size) : this.account.take(size)
    if (buf === undefined) return 'full'
    let isWhole = false
    try {
      isWhole = this.log?.read(stored, buf, start) === true
      this.reads++
    } finally {
      if (!isWhole) this.account.give(buf)
    }
    return isWhole ? buf : 'damaged'
  }
}
