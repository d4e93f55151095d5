import type { BigIntStats } from 'node:fs'
import { basename } from 'node:path'
import type { OffsetRow, SkippedFile } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import type { FsFailure } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import type { TailCounters } from '../counters.ts'
import { isGzipName } from '../file/compression.ts'
import { mismatch, mismatchOfMark } from '../file/fingerprint.ts'
import { isMemberAt, isPlainContent } from '../file/gzip-members.ts'
import type { GzipStart } from '../file/gzip-source.ts'
import { isLater } from '../file/stored-row.ts'
import type { Positions } from './positions.ts'
import { rowOfSkipped } from './skipped-files.ts'

export interface StartOffsetOptions {
  readFromHead: boolean
  newFromHead: boolean
  compareName: boolean
  /** True when an earlier run has scanned the path. */
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
  /**
   * Only for a .gz: the compressed position of the member that begins at the offset, and the existing content
   * to skip.
   */
  gzip?: Omit<GzipStart, 'offset'>
  /** What is known of a file that was skipped, and has what it had then. */
  known?: OffsetRow
  /** What the file was when it was skipped, if it has been truncated since. */
  truncated?: SkippedFile
}

export const AT_HEAD: Start = { offset: 0, isSkipping: false, row: undefined }

/**
 * Decides from which offset a file is read: from that of its stored row, if the row is its own, else by the
 * options.
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
   * `row`: the row of the file's inode, if there is one. `isFirstScan`: the file was found by the scan at the
   * start.
   */
  forFile(
    row: OffsetRow | undefined,
    fd: number,
    stat: BigIntStats,
    path: string,
    isFirstScan: boolean,
  ): Start {
    const size = Number(stat.size)
    const skipped = this.#positions.skipped.find(stat)
    if (skipped !== undefined) this.#positions.skipped.remove(skipped)
    const isCompressed = isGzipName(path) && !isPlainContent(fd)
    if (skipped !== undefined && row === undefined)
      return this.#skippedStart(skipped, fd, size, isCompressed, isFirstScan)
    const isNew = this.#isNew(stat, path, isFirstScan)
    const fromHead = this.#isFromHead(isNew)
    return isCompressed
      ? this.#gzipStart(row, fd, stat, path, fromHead || isNew)
      : this.#plainStart(row, fd, stat, path, fromHead)
  }

  /**
   * Returns the start offset of a file that has no row and cannot be opened yet, judged by its present state.
   */
  forSkipped(stat: BigIntStats, path: string, isFirstScan: boolean): number {
    return this.#isFromHead(this.#isNew(stat, path, isFirstScan)) ? 0 : Number(stat.size)
  }

  /**
   * A file that appeared between two runs is new too: otherwise it would be read from its end when
   * Read_from_Head is off. So is one that was created while the first scan was under way.
   */
  #isNew(stat: BigIntStats, path: string, isFirstScan: boolean): boolean {
    const birthMs = millisecondsOf(stat.birthtimeNs)
    if (!isFirstScan || this.#positions.createdSinceFirstScan(birthMs)) return true
    return this.#wasScanned(path) && this.#positions.appearedSinceLastScan(birthMs)
  }

  #isFromHead(isNew: boolean): boolean {
    return this.#readFromHead || this.#positions.damaged || (isNew && this.#newFromHead)
  }

  #plainStart(
    row: OffsetRow | undefined,
    fd: number,
    stat: BigIntStats,
    path: string,
    fromHead: boolean,
  ): Start {
    const size = Number(stat.size)
    if (row !== undefined) {
      const reason = mismatch(withoutShortMark(row, stat), fd, size, path, this.#compareName)
      if (reason === undefined) return { offset: row.offset, isSkipping: row.skipping === true, row }
      return this.#replaced(path, reason, isLater(row, stat.birthtimeNs))
    }
    return { offset: fromHead ? 0 : size, isSkipping: false, row: undefined }
  }

  /**
   * Returns where to start a .gz. Existing content is skipped or read as a whole; only appended members are
   * read from the middle of a file. Our rows have the decompressed position, and the compressed one if a
   * member begins there. Rows of fluent-bit have only the compressed one, from which reading can resume at
   * the end or at a member.
   */
  #gzipStart(
    row: OffsetRow | undefined,
    fd: number,
    stat: BigIntStats,
    path: string,
    fromHead: boolean,
  ): Start {
    const size = Number(stat.size)
    const isRenamed = this.#compareName && row !== undefined && basename(row.name) !== basename(path)
    if (row === undefined || isRenamed)
      return fromHead ? AT_HEAD : { ...AT_HEAD, gzip: { memberAt: 0, skipTo: size } }
    const { offset, streamOffset, placeMark } = row
    const isSkipping = row.skipping === true
    const other = placeMark === undefined ? undefined : mismatchOfMark(placeMark, fd, size)
    if (other !== undefined) return this.#replaced(path, other, isLater(row, stat.birthtimeNs))
    if (streamOffset !== undefined && row.markerSize === 0) return { offset: streamOffset, isSkipping, row }
    // The marker covers bytes on disk, as for a plain file.
    const reason = mismatch({ ...row, fingerprint: undefined, placeMark: undefined }, fd, size, path, false)
    if (reason !== undefined) return this.#replaced(path, reason, isLater(row, stat.birthtimeNs))
    if (streamOffset === undefined) {
      const isOurs = row.openedAs !== undefined
      const isResumable = offset >= size || isOurs || isMemberAt(fd, offset)
      return { ...AT_HEAD, row, gzip: { memberAt: 0, skipTo: isResumable ? offset : 0 } }
    }
    const memberAt = offset === size || isMemberAt(fd, offset) ? offset : 0
    return { offset: streamOffset, isSkipping, row, gzip: { memberAt } }
  }

  /**
   * Returns where to read a file that was skipped when it was found. If it is shorter than it was, or has other bytes, it
   * was truncated since, and all its content is new. In a later run this is counted as for a row.
   */
  #skippedStart(
    skipped: SkippedFile,
    fd: number,
    size: number,
    isCompressed: boolean,
    isFirstScan: boolean,
  ): Start {
    const { offset, path } = skipped
    // Without its first bytes only the size tells.
    const isShorter = skipped.fingerprint === undefined && size < this.#positions.skipped.sizeOf(skipped)
    const known = rowOfSkipped(skipped)
    const reason = mismatch(known, fd, size, path, false)
    if (reason !== undefined && isFirstScan)
      return { ...this.#replaced(path, reason, false), truncated: skipped }
    if (reason !== undefined || isShorter) return { ...AT_HEAD, truncated: skipped }
    return isCompressed
      ? { ...AT_HEAD, gzip: { memberAt: 0, skipTo: offset } }
      : { ...AT_HEAD, offset, known }
  }

  /** `isYounger`: a new file reuses the inode of the previous one, which is searched for by its row. */
  #replaced(path: string, reason: string | FsFailure, isYounger: boolean): Start {
    const message = `${path} is not the file that was read before (${reason}): reading it from the start`
    if (isYounger) this.#log.info(message)
    else this.#log.warn(message)
    this.#counters.add('files_replaced')
    return AT_HEAD
  }
}

/** Returns the row without the mark that a copy of only a part of the content cannot have. */
function withoutShortMark(row: OffsetRow, { ino, size }: BigIntStats): OffsetRow {
  const isPart = row.inode !== BigInt.asIntN(64, ino) && size < (row.placeMark?.size ?? 0)
  return isPart ? { ...row, placeMark: undefined } : row
}
