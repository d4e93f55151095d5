import type { OffsetChanges, OffsetStore, StoredPosition } from '../../../src/core/offset-store.ts'

/** A store of one position in memory, which can fail and outlives the inputs that use it. */
export class PositionStore implements OffsetStore {
  readonly path = 'pos.db'
  readonly damaged = false
  readonly lastWriteMs = undefined
  fails = false
  stored: { value: string; marks: Set<string> } | undefined

  position(): StoredPosition | undefined {
    return this.stored === undefined ? undefined : { ...this.stored, marks: [...this.stored.marks] }
  }

  write({ position }: OffsetChanges): void {
    if (this.fails) throw new Error('the disk is full')
    if (position === undefined) return
    const { value, add = [], remove = [] } = position
    const marks = remove === 'all' ? new Set<string>() : new Set(this.stored?.marks)
    if (remove !== 'all') for (const mark of remove) marks.delete(mark)
    for (const mark of add) marks.add(mark)
    this.stored = { value, marks }
  }

  rows(): never[] {
    return []
  }

  claimCursor(): undefined {}

  finishedBoots(): undefined {}

  lastScanMs(): undefined {}

  skippedFiles(): undefined {}

  close(): void {}
}
