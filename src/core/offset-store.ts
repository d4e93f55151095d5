/** A store of the positions from which an input continues after a restart; see src/store for the schema and the promises. */
export interface OffsetStore {
  /** Returns all rows of this database, newest id last. */
  rows(): OffsetRow[]
  /** Writes all changes in one transaction and sets `id` of new rows. When it throws E_STORE_*, nothing was written. */
  write(changes: OffsetChanges): void
  /**
   * Claims this database for the position of one journal and returns the stored cursor, or undefined when there is none.
   * Throws E_STORE_LOCKED when another input of this agent has claimed it: fluent-bit's table has room for one cursor.
   */
  claimCursor(): string | undefined
  close(): void
  readonly path: string | undefined
  /** True when the database was damaged and rows may be missing: files without a row are then read from the start. */
  readonly damaged: boolean
  /**
   * Returns when an input last scanned for all files of this pattern, in an earlier run, in Unix milliseconds: a file that
   * appeared since then and has no row is new to the agent. Undefined when it never did. In a database in which no scan is
   * stored, as one of fluent-bit, that is the time of the last write.
   */
  lastScanMs(pattern: string): number | undefined
  /**
   * Returns the files that scans of this Path found and did not open, those of a Path with some of its patterns if it was
   * changed since; undefined when the database does not keep them, as one written by fluent-bit or by a version before this table.
   */
  skippedFiles(paths: string): SkippedFile[] | undefined
  /** Time of the last write by an earlier run, by the clock of the file system; undefined when the database is new. */
  readonly lastWriteMs: number | undefined
}

export interface OffsetChanges {
  upsert: OffsetRow[]
  remove: OffsetRow[]
  /** Time of a scan for all files of these patterns; written together with the rows of the files found. */
  scanned?: { patterns: readonly string[]; ms: number } | undefined
  /** All files that were found and not opened, which replace those stored for this Path. */
  skipped?: { paths: string; files: readonly SkippedFile[] } | undefined
  /** New position in the journal; only from the input that has claimed the cursor. */
  cursor?: string
}

export interface OffsetOptions {
  sync: 'extra' | 'full' | 'normal' | 'off'
  locking: boolean
  journalMode: string
  /**
   * Owner of the rows, where several inputs share the database; the same at every start. Each input continues from its own
   * rows and from unowned ones.
   */
  owner?: string
}

/** A row of fluent-bit's in_tail_files and of our second table; numbers that may exceed 2^53 are bigint. */
export interface OffsetRow {
  id: number | undefined
  name: string
  offset: number
  inode: bigint
  /** Unix seconds. */
  created: number
  rotated: boolean
  /** XXH3-64 of the last `markerSize` (at most 32) bytes before `offset`, signed. 0, with a size of 0: no check. */
  marker: bigint
  markerSize: number
  // The fields below are in our second table: undefined in a database written by fluent-bit.
  /** Path of the file when it was opened; the tag is derived from it. */
  openedAs: string | undefined
  device: bigint | undefined
  /** Hash of the first `fingerprintSize` bytes, which distinguishes the file from another one that got its inode. */
  fingerprint: string | undefined
  fingerprintSize: number | undefined
  /** Position in the decompressed data, for .gz. */
  streamOffset: number | undefined
  /** True when the position is within an oversized line that is being skipped. */
  skipping: boolean | undefined
  /** Path of the file itself, where `name` is a link to it. */
  target?: string | undefined
  /** Time of creation in milliseconds, of a row that knows nothing of the content: what got the inode since has another one. */
  birthMs?: number | undefined
  /** Size that was seen, while it is more than `offset`: what is lost if the file is gone. */
  size?: number | undefined
  /** Unix seconds at which a rotated file was closed after everything in it was read: only late lines are expected of it. */
  closedAt?: number | undefined
}

/**
 * A file that a scan found and that was not followed, because it could not be opened or is too old. Marker and fingerprint are those of a
 * row with its offset; it has none if it could not be opened, or was stored by a version before.
 */
export interface SkippedFile
  extends Partial<Pick<OffsetRow, 'marker' | 'markerSize' | 'fingerprint' | 'fingerprintSize'>> {
  /** Path at which it was found. */
  path: string
  device: bigint
  inode: bigint
  /** Time of creation in milliseconds, which tells the file from a later one with its inode; 0: unknown. */
  birthMs: number
  /** Offset from which it is read once it can be opened. */
  offset: number
}
