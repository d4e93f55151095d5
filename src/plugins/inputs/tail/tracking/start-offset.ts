import type { BigIntStats } from 'node:fs'
import { basename } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import { mismatch } from '../file/fingerprint.ts'
import type { Positions } from './positions.ts'

export interface StartOffsetOptions {
  readFromHead: boolean
  newFromHead: boolean
  compareName: boolean
  /** True when a scan before this run looked for the path. */
  wasScanned: (path: string) => boolean
  positions: Positions
  counters: TailCounters
  log: Logger
}

/** The place from which a file is read. */
export interface Start {
  offset: number
  /** True when the offset is within a line that is skipped. */
  isSkipping: boolean
  /** Stored row that the file continues; undefined when it gets a new one. */
  row: OffsetRow | undefined
  /** True for a .gz that is not read at all. */
  isDone?: boolean
}

export const AT_HEAD: Start = { offset: 0, isSkipping: false, row: undefined }

/**
 * Decides from which offset a file is read: from that of its stored row, if the row is its own, else by the options.
 */
export class StartOffset {
  readonly #newFromHead: boolean
  readonly #readFromHead: boolean
  readonly #compareName: boolean
  readonly #wasScanned: (path: string) => boolean
  readonly #positions: Positions
  readonly #counters: TailCounters
  readonly #log: Logger

  constructor(options: StartOffsetOptions) {
    this.#newFromHead = options.newFromHead
    this.#readFromHead = options.readFromHead
    this.#compareName = options.compareName
    this.#wasScanned = options.wasScanned
    this.#positions = options.positions
    this.#counters = options.counters
    this.#log = options.log
  }

  /**
   * `row`: the row of the file's inode, if there is one. `isFirstScan`: the file was found by the scan at the start.
   */
  forFile(
    row: OffsetRow | undefined,
    fd: number,
    stat: BigIntStats,
    path: string,
    isFirstScan: boolean,
  ): Start {
    const size = Number(stat.size)
    const skippedAt = this.#positions.skipped.take(stat)
    if (skippedAt !== undefined && row === undefined) return skippedStart(skippedAt, size, path)
    const isNew = this.#isNew(stat, path, isFirstScan)
    const fromHead = this.#isFromHead(isNew)
    return path.endsWith('.gz')
      ? this.#gzipStart(row, size, path, fromHead || isNew)
      : this.#plainStart(row, fd, size, path, fromHead)
  }

  /** Returns the offset from which a file without a row is read that cannot be opened yet, by what it is now. */
  forSkipped(stat: BigIntStats, path: string, isFirstScan: boolean): number {
    return this.#isFromHead(this.#isNew(stat, path, isFirstScan)) ? 0 : Number(stat.size)
  }

  /** A file that appeared between two runs is new too: with Read_from_Head off it would be read from its end. */
  #isNew(stat: BigIntStats, path: string, isFirstScan: boolean): boolean {
    if (!isFirstScan) return true
    return this.#wasScanned(path) && this.#positions.appearedSinceLastScan(Number(stat.birthtimeNs) / 1e6)
  }

  #isFromHead(isNew: boolean): boolean {
    return this.#readFromHead || this.#positions.damaged || (isNew && this.#newFromHead)
  }

  #plainStart(row: OffsetRow | undefined, fd: number, size: number, path: string, fromHead: boolean): Start {
    if (row !== undefined) {
      const reason = mismatch(row, fd, size, path, this.#compareName)
      if (reason === undefined) return { offset: row.offset, isSkipping: row.skipping === true, row }
      this.#log.warn(`${path} is not the file that was read before (${reason}): reading it from the start`)
      this.#counters.add('files_replaced')
      return AT_HEAD
    }
    return { offset: fromHead ? 0 : size, isSkipping: false, row: undefined }
  }

  /**
   * fluent-bit stores the compressed position. Reading can be resumed from it only if it is the end: then the file is
   * done. Ours is the decompressed position. A .gz is never read from its end: all of it was written before.
   */
  #gzipStart(row: OffsetRow | undefined, size: number, path: string, fromHead: boolean): Start {
    const isRenamed = this.#compareName && row !== undefined && basename(row.name) !== basename(path)
    const known = isRenamed ? undefined : row
    const isDone = known === undefined ? !fromHead : known.streamOffset === undefined && known.offset >= size
    if (isDone) return { offset: size, isSkipping: false, row: known, isDone }
    return { offset: known?.streamOffset ?? 0, isSkipping: known?.skipping === true, row: known }
  }
}

/** Returns where a file is read that was skipped when it was found. It is shorter only if it was truncated since. */
function skippedStart(skippedAt: number, size: number, path: string): Start {
  const offset = skippedAt > size ? 0 : skippedAt
  return { offset, isSkipping: false, row: undefined, isDone: path.endsWith('.gz') && offset > 0 }
}
