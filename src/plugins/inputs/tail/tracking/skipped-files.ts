import type { BigIntStats } from 'node:fs'
import type { SkippedFile } from '../../../../core/offset-store.ts'
import { storedKey } from '../file/identity.ts'

/** Files that are remembered; beyond that the oldest is forgotten, and is read as a new one is. */
const MAX_FILES = 20_000

/**
 * Files that a scan found and that were not opened, because they could not be or are too old: with the size that they had then, a later
 * opening reads what was written since, and not what was there before the agent was.
 */
export class SkippedFiles {
  readonly #files = new Map<string, SkippedFile>()
  #isChanged = false

  /** `stored`: those of the previous run. */
  constructor(stored: readonly SkippedFile[]) {
    for (const file of stored) this.#files.set(storedKey(file), file)
  }

  /** All files, if they changed since they were written last. */
  get changed(): SkippedFile[] | undefined {
    return this.#isChanged ? [...this.#files.values()] : undefined
  }

  recordWritten(): void {
    this.#isChanged = false
  }

  /** Has the list written with the next commit, also if it is empty: that a scan was made is worth knowing. */
  recordScan(): void {
    this.#isChanged = true
  }

  has(stat: BigIntStats): boolean {
    return this.#find(stat) !== undefined
  }

  /** Returns the files that were not opened yet. */
  all(): SkippedFile[] {
    return [...this.#files.values()]
  }

  /** Remembers a file, to be read from `offset` once it can be opened. */
  add(path: string, stat: BigIntStats, offset: number): void {
    if (this.#files.size >= MAX_FILES) this.#files.delete(this.#files.keys().next().value as string)
    const file = {
      path,
      device: BigInt.asIntN(64, stat.dev),
      inode: BigInt.asIntN(64, stat.ino),
      birthMs: birthOf(stat),
      offset,
    }
    this.#files.set(storedKey(file), file)
    this.#isChanged = true
  }

  /** Forgets the file, as it is opened, and returns the offset from which it is read; undefined for one that was not skipped. */
  take(stat: BigIntStats): number | undefined {
    const file = this.#find(stat)
    if (file === undefined) return undefined
    this.#files.delete(storedKey(file))
    this.#isChanged = true
    return file.offset
  }

  /** Remembers a file again that was removed and is not found yet. */
  restore(file: SkippedFile): void {
    this.#files.set(storedKey(file), file)
    this.#isChanged = true
  }

  /** Forgets a file that is gone, or is known by a row from now on. */
  remove(file: SkippedFile): void {
    if (this.#files.delete(storedKey(file))) this.#isChanged = true
  }

  #find(stat: BigIntStats): SkippedFile | undefined {
    if (this.#files.size === 0) return undefined
    const file = this.#files.get(storedKey({ device: stat.dev, inode: stat.ino }))
    // Another file got the inode.
    return file === undefined || file.birthMs !== birthOf(stat) ? undefined : file
  }
}

function birthOf(stat: BigIntStats): number {
  return Number(stat.birthtimeNs / 1_000_000n)
}
