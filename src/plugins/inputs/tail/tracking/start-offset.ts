import type { BigIntStats } from 'node:fs'
import { basename } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Counters, Logger } from '../../../../core/services.ts'
import { mismatch } from '../file/fingerprint.ts'
import type { Positions } from './positions.ts'

export interface StartOffsetOptions {
  readFromHead: boolean
  newFromHead: boolean
  compareName: boolean
  positions: Positions
  counters: Counters
  log: Logger
}

/** Where a file is read from. */
export interface Start {
  offset: number
  skipping: boolean
  /** The row that the file goes on with; undefined when it gets a new one. */
  row: OffsetRow | undefined
  /** A .gz that is not to be read at all. */
  done?: boolean
}

export const AT_HEAD: Start = { offset: 0, skipping: false, row: undefined }

/** Decides where files that are opened are read from: by their row, where it is theirs, or by what the options say. */
export class StartOffset {
  readonly #o: StartOffsetOptions

  constructor(options: StartOffsetOptions) {
    this.#o = options
  }

  forFile(row: OffsetRow | undefined, fd: number, stat: BigIntStats, path: string, first: boolean): Start {
    const size = Number(stat.size)
    // Also a file that appeared between two runs is new: with Read_from_Head off it would be begun at its end.
    const isNew = !first || this.#o.positions.createdSinceLastScan(Number(stat.birthtimeNs) / 1e6)
    const fromHead = this.#fromHead || (isNew && this.#o.newFromHead)
    return path.endsWith('.gz')
      ? this.#gzipStart(row, size, path, fromHead || isNew)
      : this.#start(row, fd, size, path, fromHead)
  }

  #start(row: OffsetRow | undefined, fd: number, size: number, path: string, fromHead: boolean): Start {
    if (row !== undefined) {
      const reason = mismatch(row, fd, size, path, this.#o.compareName)
      if (reason === undefined) return { offset: row.offset, skipping: row.skipping === true, row }
      this.#o.log.warn(`${path} is not the file that was read before (${reason}): reading it from the start`)
      this.#o.counters.add('files_replaced')
      return { offset: 0, skipping: false, row: undefined }
    }
    return { offset: fromHead ? 0 : size, skipping: false, row: undefined }
  }

  /**
   * fluent-bit stores the compressed position, which cannot be gone on from but at the end: then the file is done. Ours
   * is the decompressed one. A .gz is never followed from its end: what is in it was all written before.
   */
  #gzipStart(row: OffsetRow | undefined, size: number, path: string, fromHead: boolean): Start {
    const renamed = this.#o.compareName && row !== undefined && basename(row.name) !== basename(path)
    const known = renamed ? undefined : row
    const done = known === undefined ? !fromHead : known.streamOffset === undefined && known.offset >= size
    if (done) return { offset: size, skipping: false, row: known, done }
    return { offset: known?.streamOffset ?? 0, skipping: known?.skipping === true, row: known }
  }

  get #fromHead(): boolean {
    return this.#o.readFromHead || this.#o.positions.damaged
  }
}
