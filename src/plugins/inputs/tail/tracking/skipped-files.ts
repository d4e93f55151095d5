import type { BigIntStats } from 'node:fs'
import type { SkippedFile } from '../../../../core/offset-store.ts'
import { storedKey } from '../file/identity.ts'

/**
 * Maximum number of files remembered; beyond that the oldest is forgotten, and is later read like a new file.
 */
const MAX_FILES = 20_000

/**
 * Files that a scan found but did not open, because they were unreadable or too old. Each has its start
 * offset at that time: when it is opened later, what was written since is read, but not what existed before
 * the agent did.
 */
export class SkippedFiles {
  readonly #files = new Map<string, SkippedFile>()
  #isChanged = false

  /** `stored`: the files that the previous run skipped. */
  constructor(stored: readonly SkippedFile[]) {
    for (const file of stored) this.#files.set(storedKey(file), file)
  }

  /** All files, if they changed since the last write. */
  get changed(): SkippedFile[] | undefined {
    return this.#isChanged ? [...this.#files.values()] : undefined
  }

  recordWritten(): void {
    this.#isChanged = false
  }

  /**
   * Schedules the list to be written with the next commit even if it is empty, as that records that a scan
   * was made.
   */
  recordScan(): void {
    this.#isChanged = true
  }

  has(stat: BigIntStats): boolean {
    return this.#find(stat) !== undefined
  }

  /** Returns the files that have not been opened yet. */
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

  /** Removes a file that is being opened and returns its start offset; undefined if it was not skipped. */
  take(stat: BigIntStats): number | undefined {
    const file = this.#find(stat)
    if (file === undefined) return undefined
    this.#files.delete(storedKey(file))
    this.#isChanged = true
    return file.offset
  }

  /** Puts back a file that was removed and has not been found yet. */
  restore(file: SkippedFile): void {
    this.#files.set(storedKey(file), file)
    this.#isChanged = true
  }

  /** Forgets a file that was deleted, or that has a row now. */
  remove(file: SkippedFile): void {
    if (this.#files.delete(storedKey(file))) this.#isChanged = true
  }

  #find(stat: BigIntStats): SkippedFile | undefined {
    if (this.#files.size === 0) return undefined
    const file = this.#files.get(storedKey({ device: stat.dev, inode: stat.ino }))
    // Another file reuses the inode.
    return file === undefined || file.birthMs !== birthOf(stat) ? undefined : file
  }
}

function birthOf(stat: BigIntStats): number {
  return Number(stat.birthtimeNs / 1_000_000n)
}
